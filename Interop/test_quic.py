"""QUIC beyond the matrix: large and many, Retry, servers that come back, peers that vanish."""

import os
import signal
import time

import pytest

from conftest import Stack, make_peer
from peers import ours
from peers.p2pd import ECHO, GoNode, read_exactly
from peers.ports import free_port
from peers.slow_link import NotPermitted, SlowLink, round_trips

QUIC = Stack("quic-v1")
MIB = 1024 * 1024


@pytest.fixture
def go():
    """A go node of its own, so a fresh connection."""
    node = make_peer("go", QUIC)
    yield node
    node.stop()


@pytest.fixture
def daemon(keys):
    node = ours.Daemon(QUIC.listen, key=keys("ed25519"))
    yield node
    assert node.stop() == 0, node.process.report()


def test_100_MiB_echo_to_go(go, keys):
    payload = os.urandom(100 * MIB)
    outcome = ours.run("echo", go.address, "--key", keys("ed25519"), stdin=payload, timeout=200)
    assert outcome.code == 0, outcome
    assert ours.digest(outcome.stdout) == ours.digest(payload)


def test_100_MiB_echo_from_go(go, daemon):
    sent, received = go.echo(daemon.address, 100 * MIB)
    assert sent == received


def test_2000_short_streams_from_go(go, daemon):
    peer = go.connect(daemon.address)
    for number in range(2000):
        with go.open(peer, ECHO) as pipe:
            text = number.to_bytes(32, "big")
            pipe.sendall(text)
            assert read_exactly(pipe, 32) == text, f"stream {number}"
    assert daemon.stats()["connections"] == 1


def test_2000_pings_on_one_connection_to_go(go, keys):
    outcome = ours.run(
        "ping", go.address, "--count", 2000, "--interval", 0, "--key", keys("ed25519"), "--json", timeout=100
    )
    assert outcome.code == 0, outcome
    assert outcome.event("summary")["received"] == 2000


def test_go_dials_us_from_behind_retry(go, keys):
    daemon = ours.Daemon(QUIC.listen, key=keys("ed25519"), options=["--quic-retry"])
    try:
        assert len(go.ping(daemon.address, count=3)) == 3
        sent, received = go.echo(daemon.address, MIB)
        assert sent == received
    finally:
        assert daemon.stop() == 0


def test_we_dial_ourselves_from_behind_retry(keys):
    daemon = ours.Daemon(QUIC.listen, key=keys("ed25519"), options=["--quic-retry"])
    try:
        outcome = ours.run("ping", daemon.address, "--count", 2, "--key", keys("ecdsa"), "--json")
        assert outcome.code == 0, outcome
    finally:
        assert daemon.stop() == 0


def test_ipv6(keys):
    daemon = ours.Daemon("/ip6/::1/udp/0/quic-v1", key=keys("ed25519"))
    try:
        outcome = ours.run("ping", daemon.address, "--count", 2, "--key", keys("rsa"), "--json")
        assert outcome.code == 0, outcome
    finally:
        assert daemon.stop() == 0


def test_a_wildcard_answers_from_the_address_that_was_asked(keys):
    daemon = ours.Daemon("/ip4/0.0.0.0/udp/0/quic-v1", key=keys("ed25519"))
    try:
        port, peer = daemon.address.split("/")[4], daemon.peer
        for ip in ("127.0.0.1", "127.0.0.2"):
            address = f"/ip4/{ip}/udp/{port}/quic-v1/p2p/{peer}"
            outcome = ours.run("ping", address, "--count", 1, "--key", keys("ecdsa"), "--json")
            assert outcome.code == 0, outcome
    finally:
        assert daemon.stop() == 0


@pytest.fixture
def link(request):
    try:
        link = SlowLink(**{"delay": 0.001, **request.param})
    except NotPermitted as error:
        pytest.skip(str(error))
    yield link
    link.close()


BAD = {"loss": 0.05, "duplicates": 0.03, "reordered": 0.05, "corrupted": 0.02}


@pytest.mark.parametrize("link", [BAD], indirect=True, ids=["bad"])
def test_20_MB_come_back_whole_over_a_bad_link(link, keys):
    daemon = ours.Daemon(f"/ip4/{link.far_ip}/udp/0/quic-v1", key=keys("ed25519"), wrapper=link.inside(link.far))
    try:
        payload = os.urandom(20_000_000)
        outcome = ours.run(
            "echo", daemon.address, "--key", keys("ecdsa"), "--timeout", 30,
            stdin=payload, timeout=200, wrapper=link.inside(link.near),
        )  # fmt: skip
        assert outcome.code == 0, outcome
        assert ours.digest(outcome.stdout) == ours.digest(payload)
    finally:
        daemon.stop()


class Pinger:
    """Our tool, pinging without end."""

    def __init__(self, address, key, wrapper=()):
        arguments = ["ping", address, "--count", 1_000_000, "--interval", 0.1, "--json", "--key", key]
        self.process = ours.JSONProcess([*wrapper, ours.BINARY, *arguments], environment=ours.environment())

    @property
    def pongs(self):
        return self.process.all("pong")

    def wait_for_pongs(self, count):
        self.process.wait_for(lambda item: item.get("event") == "pong" and item["sequence"] >= count, timeout=20)


@pytest.fixture
def pinging(link, keys):
    """A daemon on the far side of a link, and a dialer on the near one that pings it without end."""
    daemon = ours.Daemon(f"/ip4/{link.far_ip}/udp/0/quic-v1", key=keys("ed25519"), wrapper=link.inside(link.far))
    dialer = Pinger(daemon.address, keys("ecdsa"), wrapper=link.inside(link.near))
    dialer.wait_for_pongs(5)
    yield daemon, dialer
    dialer.process.stop()
    daemon.stop()


@pytest.mark.parametrize("link", [{}], indirect=True, ids=["good"])
class TestChanges:
    def test_a_link_may_be_away_for_three_seconds(self, link, pinging):
        daemon, dialer = pinging
        link.is_down = True
        time.sleep(3)
        link.is_down = False
        dialer.wait_for_pongs(len(dialer.pongs) + 5)
        assert len(daemon.process.all("connected")) == 1, "it is still the same connection"

    def test_a_dialer_whose_address_changes_keeps_its_connection(self, link, pinging):
        daemon, dialer = pinging
        link.renumber_near("10.79.0.3")
        dialer.wait_for_pongs(len(dialer.pongs) + 20)
        assert len(daemon.process.all("connected")) == 1, "it is still the same connection"
        assert not daemon.process.all("disconnected")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("link", [{"delay": 0.2}], indirect=True, ids=["slow"])
class TestRoundTrips:
    """A connection stands after one round trip, and the first stream's answer comes one later."""

    def dial(self, link, address, expected):
        """Round trips until the connection stands, and those of the first ping with the negotiation of its stream."""

        def seconds(event, name):
            outcome = ours.run("ping", address, "--count", 1, "--json", wrapper=link.inside(link.far))
            assert outcome.code == 0, outcome
            return outcome.event(event)[name] / 1e3

        return round_trips(link, lambda: seconds("summary", "connect_ms"), expected), round_trips(link, lambda: seconds("pong", "rtt_ms"), 1)

    @pytest.mark.parametrize(("options", "expected"), [([], 1), (["--quic-retry"], 2)], ids=["plain", "retry"])
    def test_we_dial_ourselves(self, link, keys, options, expected):
        listen = f"/ip4/{link.near_ip}/udp/0/quic-v1"
        daemon = ours.Daemon(listen, key=keys("ed25519"), options=options, wrapper=link.inside(link.near))
        try:
            assert self.dial(link, daemon.address, expected) == (expected, 1)
        finally:
            assert daemon.stop() == 0

    def test_we_dial_go(self, link):
        go = GoNode(f"/ip4/{link.near_ip}/udp/0/quic-v1", wrapper=link.inside(link.near))
        try:
            assert self.dial(link, go.address, 1) == (1, 1)
        finally:
            go.stop()

    def test_go_dials_us(self, link, keys):
        daemon = ours.Daemon(f"/ip4/{link.near_ip}/udp/0/quic-v1", key=keys("ed25519"), wrapper=link.inside(link.near))
        go = GoNode(None, wrapper=link.inside(link.far))
        try:
            # Its call returns when it has identified us, which is the second.
            assert round_trips(link, lambda: go.time_to_connect(daemon.address), 2) == 2
        finally:
            go.stop()
            assert daemon.stop() == 0


def test_a_killed_dialer_is_noticed_within_ten_seconds(daemon, keys):
    dialer = Pinger(daemon.address, keys("ecdsa"))
    dialer.wait_for_pongs(3)
    mark, started = daemon.process.mark(), time.monotonic()
    os.kill(dialer.process.pid, signal.SIGKILL)
    daemon.process.wait_for("disconnected", after=mark, timeout=15)
    assert time.monotonic() - started <= 10


def test_a_restarted_listener_ends_its_old_connections_at_once(keys):
    listen = f"/ip4/127.0.0.1/udp/{free_port()}/quic-v1"
    daemon = ours.Daemon(listen, key=keys("ed25519"))
    dialer = Pinger(daemon.address, keys("ecdsa"))
    dialer.wait_for_pongs(3)
    os.kill(daemon.pid, signal.SIGKILL)
    again = ours.Daemon(listen, key=keys("ed25519"))
    try:
        deadline = time.monotonic() + 5
        while dialer.process.is_running and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not dialer.process.is_running, "the stateless reset tells the dialer"
    finally:
        dialer.process.stop()
        assert again.stop() == 0
