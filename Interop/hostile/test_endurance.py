"""Nothing wears out: cycles without leaks, many connections at once, an orderly end with all of them open."""

import signal
import time

import pytest

from peers import clock, ours
from peers.formats import Key

from .conftest import MIB, Target, report, times
from .wire import PING, Link, session


def visit(endpoint):
    """Connect, ping, close."""
    near = session(endpoint, Key())
    with near.link:
        stream = near.open(PING)
        stream.send(bytes(32))
        assert stream.receive_exactly(32) == bytes(32)


RESERVATIONS = ("pendingInbound", "connections", "connectionsAllowed", "connectionsPerPeer", "inboundStreamsPerPeer", "tasks", "dials")
"""What is in use of these limits is what somebody has reserved and not given back."""


def reserved(daemon):
    return {row["limit"]: row["use"] for row in daemon.stats()["limits"] if row["limit"] in RESERVATIONS}


@pytest.mark.memory(4)
@pytest.mark.timeout(3600)
def test_connect_ping_close_leaks_nothing(attack):
    before = reserved(attack.daemon)
    rounds = []
    for _ in range(5):
        for _ in range(times(in_ci=40, in_soak=10_000)):
            visit(attack.endpoint)
        time.sleep(1)
        rounds.append(attack.daemon.stats()["rss_bytes"])
    report("connect, ping, close 50,000 times", **{f"round_{index}_mib": size / MIB for index, size in enumerate(rounds, 1)})
    allowed = max(rounds[1] * 0.02, times(in_ci=2 * MIB, in_soak=0))
    clock.wait_until(lambda: reserved(attack.daemon) == before, 10, "the end of every reservation")
    assert rounds[-1] <= rounds[1] + allowed, [f"{size / MIB:.1f} MiB" for size in rounds]


@pytest.mark.memory(16)
@pytest.mark.timeout(600)
def test_many_idle_connections_are_served_and_forgotten(attack):
    idle = [session(attack.endpoint, Key()) for _ in range(times(in_ci=150, in_soak=500))]
    try:
        assert attack.daemon.stats()["connections"] >= len(idle)
        assert all(near.is_alive() for near in idle)
    finally:
        for near in idle:
            near.link.close()


@pytest.mark.timeout(600)
def test_an_orderly_end_with_many_connections(keys):
    daemon = ours.Daemon(key=keys("ed25519"))
    idle = [session(daemon.endpoint, Key()) for _ in range(times(in_ci=100, in_soak=1000))]
    try:
        half_way = [Link(daemon.endpoint) for _ in range(10)]
        daemon.process.process.send_signal(signal.SIGTERM)
        started = clock.now()
        assert daemon.process.process.wait(15) == 0, daemon.process.report()
        assert clock.now() - started < 5
        for link in half_way:
            link.close()
        for near in idle[:5]:
            assert near.how_it_ends(within=2)[0] is not None
            assert near.go_away == 0, "a normal GoAway comes first"
    finally:
        for near in idle:
            near.link.close()
        daemon.stop()


@pytest.mark.timeout(300)
def test_a_daemon_that_was_stopped_for_a_while_goes_on(keys):
    target = Target(keys)
    try:
        near = session(target.endpoint, Key())
        target.daemon.process.process.send_signal(signal.SIGSTOP)
        time.sleep(times(in_ci=3, in_soak=60))
        target.daemon.process.process.send_signal(signal.SIGCONT)
        assert near.is_alive()
        near.link.close()
        visit(target.endpoint)
    finally:
        target.daemon.process.process.send_signal(signal.SIGCONT)
        target.stop()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_peer_that_is_gone_is_noticed(attack, signal_number, keys):
    """A killed peer at once; one that only stays silent by the keep-alive, within 45 s (in the long runs)."""
    if signal_number == signal.SIGSTOP and times(True, False):
        pytest.skip("takes the keep-alive's 45 s: part of the long runs")
    before = attack.daemon.stats()["connections"]
    pinger = ours.JSONProcess(
        [ours.BINARY, "ping", attack.target.address, "--count", 1000, "--interval", 0.1, "--json"],
        environment=ours.environment(),
    )
    try:
        pinger.wait_for("pong")
        assert attack.daemon.stats()["connections"] == before + 1
        pinger.process.send_signal(signal_number)
        within = 5 if signal_number == signal.SIGKILL else 50
        clock.wait_until(lambda: attack.daemon.stats()["connections"] == before, within, "the end of the connection")
    finally:
        pinger.process.kill()
        pinger.stop()
