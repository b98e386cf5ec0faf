"""A daemon under attack, an honest peer beside it, and what must hold for both."""

import os
import re
import time

import pytest

from peers import ours
from peers.formats import Key

from .wire import PING, session

IS_SOAK = os.environ.get("SOAK") == "1"
MIB = 1024 * 1024
COUNTS = ("connections", "streams", "pending", "fds", "tasks")


def times(in_ci, in_soak):
    """How often to repeat something."""
    return in_soak if IS_SOAK else in_ci


class Target:
    """Our daemon with an honest peer that pings it all the time."""

    def __init__(self, keys, wrapper=()):
        self.daemon = ours.Daemon(key=keys("ed25519"), wrapper=wrapper)
        self.endpoint = self.daemon.endpoint
        self.address = self.daemon.address
        # Warm up, so that what is made once is not taken for growth.
        for _ in range(20):
            warm = session(self.endpoint, Key())
            stream = warm.open(PING)
            stream.send(bytes(32))
            stream.receive_exactly(32)
            warm.link.close()
        self.honest = ours.JSONProcess(
            [ours.BINARY, "ping", self.address, "--count", 1_000_000, "--interval", 0.2, "--json", "--key", keys("secp256k1")],
            environment=ours.environment(),
        )
        self.honest.wait_for(lambda item: item.get("sequence") == 3)
        self.baseline = self._settle()

    def _settle(self):
        """The counts once nothing changes any more."""
        previous = None
        for _ in range(100):
            stats = self.daemon.stats()
            counts = {name: stats[name] for name in COUNTS}
            if counts == previous and counts["connections"] == 1:
                return counts
            previous = counts
            time.sleep(0.2)
        raise AssertionError(f"the daemon does not settle: {stats}")

    def new_connection(self, **options):
        return session(self.endpoint, **options)

    def pongs(self):
        return self.honest.all("pong")

    def assert_unharmed(self, pongs_before, memory_before, memory_allowance, within=5):
        assert self.daemon.is_running, f"the daemon died\n{self.daemon.process.report()}"
        seen = len(self.pongs())
        self.honest.wait_for(lambda item: item.get("event") == "pong" and item["sequence"] > seen, timeout=10)
        sequences = [pong["sequence"] for pong in self.pongs()]
        assert sequences == list(range(1, len(sequences) + 1)), "the honest peer lost pings"
        assert self.honest.is_running, f"the honest peer was cut off\n{self.honest.report()}"
        if IS_SOAK:
            round_trips = sorted(pong["rtt_ms"] for pong in self.pongs()[pongs_before:])
            if len(round_trips) >= 20:
                assert round_trips[len(round_trips) * 99 // 100] <= 50, round_trips[-20:]

        deadline = time.monotonic() + within
        while True:
            stats = self.daemon.stats()
            left = {name: (self.baseline[name], stats[name]) for name in COUNTS if stats[name] != self.baseline[name]}
            growth = stats["rss_bytes"] - memory_before
            if not left and growth <= memory_allowance:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert not left, f"left behind after {within} s, as (before, now): {left}"
        assert growth <= memory_allowance, f"memory grew by {growth / MIB:.1f} MiB of {memory_allowance / MIB} allowed"

    def stop(self):
        self.honest.stop()
        assert self.daemon.stop() == 0, self.daemon.process.report()


class Attack:
    """What a test gets: the target, and a way to say which reason the daemon must log."""

    def __init__(self, target):
        self.target = target
        self.endpoint = target.endpoint
        self.daemon = target.daemon
        self._reason = None
        self._logged = len(self.daemon.process.log)
        self._mark = self.daemon.process.mark()

    def session(self, **options):
        """A yamux session of a fresh identity with the daemon."""
        return session(self.endpoint, **options)

    def must_log(self, pattern):
        """The daemon names the reason: in a log line, or in the reason of a disconnection."""
        self._reason = pattern

    def said(self):
        lines = self.daemon.process.log[self._logged :]
        ends = [item.get("reason", "") for item in self.daemon.process.objects[self._mark :] if item.get("event") == "disconnected"]
        return lines + [str(end) for end in ends]

    def assert_reason(self):
        if self._reason is None:
            return
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if any(re.search(self._reason, line, re.IGNORECASE) for line in self.said()):
                return
            time.sleep(0.1)
        raise AssertionError(f"nothing names the reason {self._reason!r}: {self.said()}")


@pytest.fixture(scope="module")
def target(keys):
    target = Target(keys)
    yield target
    target.stop()


@pytest.fixture
def attack(target, request):
    """The daemon to attack. Afterwards it lives, the honest peer lost nothing, and nothing is left behind.

    `@pytest.mark.memory(MiB)` allows more growth than 1 MiB.
    """
    marker = request.node.get_closest_marker("memory")
    allowance = (marker.args[0] if marker else 1) * MIB
    pongs, memory = len(target.pongs()), target.daemon.stats()["rss_bytes"]
    attack = Attack(target)
    yield attack
    target.assert_unharmed(pongs, memory, allowance)
    attack.assert_reason()
