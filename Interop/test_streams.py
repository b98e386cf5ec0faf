"""Streams beyond the matrix: half-close, perf, and our tool with our daemon."""

import os

import pytest

from conftest import STACKS
from peers import ours

MIB = 1024 * 1024

pytestmark = pytest.mark.parametrize("stack", STACKS, ids=str)


def test_python_half_closes_and_still_gets_the_rest(nodes, stack):
    text = "the tail of a finished stream " * 100
    assert nodes.dialer("py", stack).half_close(nodes.ours(stack).address, text) == text


def test_perf_from_python(nodes, stack):
    result = nodes.dialer("py", stack).perf(nodes.ours(stack).address, 3 * MIB, 2 * MIB)
    assert (result["upload_bytes"], result["download_bytes"]) == (3 * MIB, 2 * MIB)


@pytest.mark.parametrize("peer", ["py", "ours"])
def test_perf_from_us(nodes, keys, stack, peer):
    node = nodes.ours(stack) if peer == "ours" else nodes.peer(peer, stack)
    outcome = ours.run(
        "perf", node.address, "--upload", "3MiB", "--download", 2 * MIB,
        "--key", keys("secp256k1"), *stack.options, "--json", timeout=100,
    )  # fmt: skip
    assert outcome.code == 0, outcome
    result = outcome.event("perf")
    assert (result["upload_bytes"], result["download_bytes"]) == (3 * MIB, 2 * MIB)
    assert result["upload_seconds"] > 0 and result["download_seconds"] > 0 and result["connect_ms"] > 0


def test_our_tool_echoes_with_our_daemon(nodes, keys, stack):
    payload = os.urandom(10 * MIB)
    address = nodes.ours(stack).address
    outcome = ours.run("echo", address, "--key", keys("secp256k1"), *stack.options, stdin=payload, timeout=100)
    assert outcome.code == 0, outcome
    assert ours.digest(outcome.stdout) == ours.digest(payload)


def test_an_empty_echo_ends(nodes, keys, stack):
    outcome = ours.run("echo", nodes.ours(stack).address, "--key", keys("secp256k1"), *stack.options, stdin=b"")
    assert (outcome.code, outcome.stdout) == (0, b""), outcome
