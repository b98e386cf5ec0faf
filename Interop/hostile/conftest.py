"""A daemon under attack, an honest peer beside it, and what must hold for both."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from peers import clock, ours
from peers.formats import Key

from .wire import PING, Ended, session

IS_SOAK = os.environ.get("SOAK") == "1"
MIB = 1024 * 1024
LOG_INTERVAL = 1
"""The daemon logs one line of a kind in so many seconds."""
RECOVERY = 5 if IS_SOAK else 15
"""Seconds until nothing of an attack may be left; two busy cores take longer than the 5 that are promised."""
COUNTS = ("connections", "streams", "pending", "fds", "tasks")


DEADLINE = 10
"""The upgrade deadline, in seconds, from the connection on."""


def times(in_ci, in_soak):
    """How often to repeat something."""
    return in_soak if IS_SOAK else in_ci


def report(what, **figures):
    """Prints what was measured in a long run, for whoever asks pytest to show it (-s)."""
    if IS_SOAK:
        print(f"\n{what}: " + ", ".join(f"{name} {value:.1f}" for name, value in figures.items()))


class Target:
    """Our daemon with an honest peer that pings it all the time."""

    def __init__(
        self, keys, wrapper=(), options=(), daemon_options=(), listen="/ip4/127.0.0.1/tcp/0", make=ours.Daemon, **link_options
    ):
        self.daemon = make(listen, key=keys("ed25519"), wrapper=wrapper, options=[*options, *daemon_options])
        self.link_options = link_options
        self.endpoint = self.daemon.endpoint
        self.address = self.daemon.addresses[-1]
        # Warm up, so that what is made once is not taken for growth.
        for _ in range(20):
            self.warm_up()
        self.honest = ours.JSONProcess(
            [
                ours.BINARY,
                "ping",
                self.address,
                "--count",
                1_000_000,
                "--interval",
                0.2,
                "--json",
                "--key",
                keys("secp256k1"),
                *options,
            ],
            environment=ours.environment(),
        )
        self.honest.wait_for(lambda item: item.get("sequence") == 3)
        self.baseline = self._settle()

    def warm_up(self):
        """An ordinary connection with a ping, closed."""
        warm = session(self.endpoint, Key(), **self.link_options)
        stream = warm.open(PING)
        stream.send(bytes(32))
        stream.receive_exactly(32)
        warm.link.close()

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
        return session(self.endpoint, **{**self.link_options, **options})

    def pongs(self):
        return self.honest.all("pong")

    def assert_unharmed(self, pongs_before, memory_before, memory_allowance):
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

        deadline = clock.Deadline(RECOVERY)
        while True:
            stats = self.daemon.stats()
            left = {name: (self.baseline[name], stats[name]) for name in COUNTS if stats[name] != self.baseline[name]}
            growth = stats["rss_bytes"] - memory_before
            if not left and growth <= memory_allowance:
                return
            if deadline.is_over:
                break
            time.sleep(0.1)
        assert not left, f"left behind after {RECOVERY} s, as (before, now): {left}"
        assert growth <= memory_allowance, f"memory grew by {growth / MIB:.1f} MiB of {memory_allowance / MIB} allowed"

    def stop(self):
        self.honest.stop()
        assert self.daemon.stop() == 0, self.daemon.process.report()


class Attack:
    """What a test gets: the target, and a way to say which reason the daemon must log."""

    _last_of_all = 0.0

    def __init__(self, target):
        self.target = target
        self.endpoint = target.endpoint
        self.daemon = target.daemon
        self._reason = None
        self._logged = len(self.daemon.process.log)

    def session(self, **options):
        """A yamux session of a fresh identity with the daemon."""
        return self.target.new_connection(**options)

    def must_log(self, pattern):
        """Says, before the attack, what a line of the daemon's log must match behind it."""
        self._reason = pattern
        # A line of an earlier test must not be the reason why this one is left out.
        time.sleep(max(0, Attack._last_of_all + LOG_INTERVAL + 0.05 - time.monotonic()))

    def finish(self):
        try:
            self._assert_reason()
        finally:
            Attack._last_of_all = time.monotonic()

    def _assert_reason(self):
        if self._reason is None:
            return
        deadline = clock.Deadline(5)
        while True:
            said = self.daemon.process.log[self._logged :]
            if any(re.search(self._reason, line) for line in said):
                return
            assert not deadline.is_over, f"no line names the reason {self._reason!r}: {said}"
            time.sleep(0.05)


def time_until_it_ends(link, drops=b""):
    """Seconds from now until the other side ends the link, while we say nothing, or a byte of `drops` every two seconds."""
    started = clock.now()
    with link:
        ended = None
        for byte in drops:
            try:
                link.send(bytes([byte]))
                ended = link.how_it_ends(within=2)
            except Ended as error:
                ended = error.how
            if ended:
                break
        else:
            ended = link.how_it_ends(within=DEADLINE + 5)
        assert ended is not None, "nobody ended it"
    return clock.now() - started


def assert_ended_at_the_deadline(links):
    """All of these, by name, side by side: links, or pairs of a link and the bytes that are said slowly."""
    with ThreadPoolExecutor(len(links)) as pool:
        running = {
            name: pool.submit(time_until_it_ends, *(link if isinstance(link, tuple) else (link,))) for name, link in links.items()
        }
    for name, seconds in running.items():
        assert DEADLINE - 2 < seconds.result() < DEADLINE + 5, name


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
    attack.finish()
