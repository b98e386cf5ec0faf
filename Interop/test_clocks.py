"""Machines whose clocks are wrong: a certificate proves a key, not a time, so they reach their peers and are reached."""

import datetime
import shutil
import subprocess

import pytest

from conftest import Stack, make_peer
from peers import ours
from peers.processes import tied

CLOCKS = {
    "1970": "@1970-01-01 00:10:00",
    "three days behind": "-3d",
    "three days ahead": "+3d",
    "2051": "@2051-03-01 00:00:00",
    "2106": "@2106-02-07 06:28:16",
}
STACKS = [Stack("tcp", "tls", "yamux"), Stack("quic-v1")]
UNTOUCHED = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
"""What libfaketime leaves alone, by the names of its versions."""
OWN_MEMORY = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/shm && exec "$@"', "sh"]
"""faketime names what it shares with its child by its own number, and fails where somebody who had that number was killed."""

CAN_RUN = shutil.which("faketime") is not None and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0

pytestmark = pytest.mark.skipif(not CAN_RUN, reason="faketime is not installed, or there is no right to mount")


def with_clock(when):
    """faketime starts a process of its own, which ends with it only where that is asked for."""
    variables = (f"{name}={value}" for name, value in UNTOUCHED.items())
    return [*OWN_MEMORY, "env", *variables, "faketime", "-m", "-f", when, *tied([])]


def ping(address, stack, clock=()):
    return ours.run("ping", address, "--count", 1, "--json", *stack.options, timeout=30, wrapper=clock)


@pytest.fixture(scope="module")
def right(keys):
    nodes = {stack: ours.Daemon(stack.listen, key=keys("ed25519"), options=stack.options) for stack in STACKS}
    yield nodes
    assert all(node.stop() == 0 for node in nodes.values())


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_node_with_a_wrong_clock_dials_and_is_dialled(right, clock):
    when = with_clock(CLOCKS[clock])
    wrong = ours.Daemon([stack.listen for stack in STACKS], wrapper=when)
    try:
        for stack, address in zip(STACKS, wrong.addresses, strict=True):
            for outcome in (ping(right[stack].address, stack, when), ping(address, stack)):
                assert outcome.code == 0, outcome
    finally:
        wrong.stop()


def test_where_only_dates_stand_against_a_peer_both_are_named():
    """A go node's certificate begins an hour before it is made."""
    stack = STACKS[0]
    go = make_peer("go", stack)
    try:
        outcome = ping(go.address, stack, with_clock("@1970-01-01 00:10:00"))
        assert outcome.code != 0, outcome
        text = str(outcome)
        assert "your clock or theirs is wrong" in text and "1970-01-01 00:1" in text, outcome
        assert f"valid from {datetime.datetime.now(datetime.UTC).year}" in text, outcome
    finally:
        go.stop()
