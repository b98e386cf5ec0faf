"""A path that takes smaller packets from one moment to the next, as when a tunnel or another radio cell comes in between."""

import concurrent.futures
import os
import time

import pytest

from peers import ours
from peers.slow_link import NotPermitted, SlowLink

MIB = 1024 * 1024
PATIENCE = 3
"""A transfer goes on within so many seconds, less the time in which a busy machine stands still."""


@pytest.fixture
def link():
    try:
        with SlowLink(0.002, mtu=1500) as made:
            yield made
    except NotPermitted as error:
        pytest.skip(f"no network namespaces here: {error}")


def _longest_pause(link, until):
    """Watches the link until the future is done; the longest time in which less than 16 KiB arrived."""
    longest, mark, since = 0.0, link.carried, time.monotonic()
    while not until():
        time.sleep(0.02)
        if link.carried - mark > 16 * 1024:
            longest = max(longest, time.monotonic() - since)
            mark, since = link.carried, time.monotonic()
    return longest


def test_a_transfer_goes_on_when_the_path_shrinks_twice_and_widens_again(link, keys):
    daemon = ours.Daemon(f"/ip4/{link.far_ip}/udp/0/quic-v1", key=keys("ed25519"), wrapper=link.inside(link.far))
    payload = os.urandom(48 * MIB)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            echo = pool.submit(
                ours.run, "echo", daemon.address, stdin=payload, timeout=150, wrapper=link.inside(link.near)
            )
            pauses = {}
            for size, share in ((1420, 0.2), (1280, 0.4), (1500, 0.7)):
                goal = 2 * len(payload) * share
                _longest_pause(link, lambda: link.carried > goal or echo.done())
                assert not echo.done(), echo.result()
                link.largest = size
                mark = link.carried + 8 * MIB
                pauses[size] = _longest_pause(link, lambda: link.carried > mark or echo.done())
            outcome = echo.result()
        assert outcome.code == 0, outcome
        assert ours.digest(outcome.stdout) == ours.digest(payload)
        print(f"longest pauses: {pauses}")
        assert max(pauses.values()) < PATIENCE, pauses
    finally:
        assert daemon.stop() == 0


def test_a_connection_lives_when_the_path_shrinks_while_it_is_idle(link, keys):
    daemon = ours.Daemon(f"/ip4/{link.far_ip}/udp/0/quic-v1", key=keys("ed25519"), wrapper=link.inside(link.far))
    other = ours.Daemon(
        f"/ip4/{link.near_ip}/udp/0/quic-v1", options=["--bootstrap", daemon.address], wrapper=link.inside(link.near)
    )
    try:
        other.process.wait_for("connected", timeout=10)
        time.sleep(1)
        link.largest = 1280
        mark = other.process.mark()
        time.sleep(8)
        assert not other.process.all("disconnected"), other.process.report()
        outcome = ours.run("echo", daemon.address, stdin=os.urandom(4 * MIB), timeout=60, wrapper=link.inside(link.near))
        assert outcome.code == 0 and mark >= 0, outcome
    finally:
        assert (other.stop(), daemon.stop()) == (0, 0)
