"""Circuits with go and py as client, relay and target, and what our tool says of them."""

import contextlib
import time

import pytest

from peers import ours, p2pd
from peers.clock import Deadline
from peers.p2pd import GoNode
from peers.processes import ProcessEnded
from peers.python_node import PythonRelayNode

TCP, QUIC = "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"
SOON = 15


def go(*flags, listen=TCP):
    if not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    return GoNode(listen, flags=flags)


def of(daemon):
    """A predicate: an event about that peer."""
    return lambda item: item.get("event") == "connected" and item["peer"] == daemon.peer


class Cast:
    """The nodes of one test."""

    def __init__(self, stack):
        self.stack = stack

    def keep(self, node):
        self.stack.callback(node.stop)
        return node

    def daemon(self, *options, listen=TCP):
        return self.keep(ours.Daemon(listen, options=options))

    def relay(self, kind, *options, listen=TCP):
        match kind:
            case "ours":
                return self.daemon("--relay-service", *options, listen=listen)
            case "go":
                return self.keep(go("-forceReachabilityPublic", listen=listen))
            case "py":
                return self.keep(PythonRelayNode("hop"))

    def target(self, kind, relay):
        """A node with a place at the relay."""
        match kind:
            case "ours":
                node = self.daemon("--relay", relay.address)
                node.process.wait_for("reserved", timeout=SOON)
            case "go":
                flags = ["-dhtClient", "-autoRelay", "-relayDiscovery=false", "-trustedRelays", relay.address]
                node = self.keep(go(*flags, "-forceReachabilityPrivate"))
                node.connect(relay.address)
            case "py":
                node = self.keep(PythonRelayNode())
                node.reserve(relay.address)
        return node

    def source(self, kind):
        match kind:
            case "ours":
                return Ours()
            case "go":
                return self.keep(go())
            case "py":
                return self.keep(PythonRelayNode())


class Ours:
    """Our tool as the one who dials."""

    def echo(self, address, size):
        payload = bytes(index % 251 for index in range(size))
        outcome = ours.run("echo", address, stdin=payload)
        if outcome.code != 0:
            raise RuntimeError(outcome)
        return ours.digest(payload), ours.digest(outcome.stdout)


@pytest.fixture
def cast():
    with contextlib.ExitStack() as stack:
        yield Cast(stack)


def through(relay, node):
    return f"{relay.address}/p2p-circuit/p2p/{node.peer}"


def echo_when_there(source, address, size):
    """go takes its place at a relay in its own time, and says nothing of it."""
    deadline = Deadline(30)
    while True:
        try:
            return source.echo(address, size)
        except Exception:
            if deadline.is_over:
                raise
            time.sleep(0.5)


CASTS = [
    ("ours", "ours", "ours"),
    ("ours", "go", "ours"),
    ("ours", "ours", "go"),
    ("go", "ours", "ours"),
    ("ours", "go", "go"),
    ("go", "go", "ours"),
    ("go", "ours", "go"),
    ("ours", "py", "ours"),
    ("ours", "ours", "py"),
    ("py", "ours", "ours"),
    ("ours", "py", "py"),
    ("py", "py", "ours"),
    ("py", "ours", "py"),
    ("go", "ours", "py"),
]


class TestRoles:
    @pytest.mark.parametrize(("source", "relay", "target"), CASTS, ids=["-".join(cast) for cast in CASTS])
    def test_bytes_go_through_a_circuit(self, cast, source, relay, target):
        relay = cast.relay(relay)
        target = cast.target(target, relay)
        sent, received = echo_when_there(cast.source(source), through(relay, target), 20_000)
        assert sent == received

    def test_over_quic(self, cast):
        relay = cast.relay("ours", listen=QUIC)
        target = cast.target("ours", relay)
        sent, received = Ours().echo(through(relay, target), 50_000)
        assert sent == received


class TestTool:
    def test_events(self, cast):
        relay = cast.relay("ours")
        target = cast.target("ours", relay)
        place = f"{relay.address}/p2p-circuit"
        reserved = target.process.wait_for("reserved")
        assert (reserved["relay"], reserved["address"]) == (relay.peer, place)
        assert 3500 < reserved["expires"] - time.time() < 3700
        assert (reserved["limit_bytes"], reserved["limit_seconds"]) == (131_072, 120)
        listening = lambda item: item.get("event") == "listening" and "p2p-circuit" in item["address"]  # noqa: E731
        assert target.process.wait_for(listening)["address"] == f"{place}/p2p/{target.peer}"
        outcome = ours.run("ping", through(relay, target), "--count", 2, "--interval", 0, "--json")
        assert outcome.code == 0, outcome
        assert (outcome.event("summary")["received"], outcome.event("summary")["limited"]) == (2, True)
        met = target.process.wait_for(lambda item: item.get("event") == "connected" and item["peer"] != relay.peer)
        assert met["limited"] is True and met["address"].endswith(f"/p2p/{relay.peer}/p2p-circuit"), met
        direct = target.process.wait_for(of(relay))
        assert direct["limited"] is False

    def test_counts_go_back(self, cast):
        relay = cast.relay("ours")
        target = cast.target("ours", relay)
        assert ours.run("ping", through(relay, target), "--count", 1).code == 0
        assert relay.stats()["relay"]["reservations"] == 1
        target.stop()
        relay.wait_until_without(target.peer)
        deadline = Deadline(10)
        while (held := relay.stats()["relay"]) and (held["reservations"], held["circuits"]) != (0, 0):
            assert not deadline.is_over, held
            time.sleep(0.1)
        assert held["bytes"] > 0

    def test_the_error_says_which_limit_of_which_relay(self, cast):
        relay = cast.relay("ours", "--limit", "relay.data=64KiB")
        target = cast.target("ours", relay)
        outcome = ours.run("echo", through(relay, target), "--json", stdin=bytes(200_000))
        assert outcome.code == 1, outcome
        assert f"limited: 64 KiB of relay {relay.peer} were used" in outcome.error["message"], outcome

    def test_the_error_says_who_has_no_place_where(self, cast):
        relay, other = cast.relay("ours"), cast.daemon()
        outcome = ours.run("ping", through(relay, other), "--json")
        assert outcome.code == 1, outcome
        message = outcome.error["message"]
        assert "NO_RESERVATION (204)" in message and relay.peer in message, outcome

    def test_who_is_no_relay(self, cast):
        node, other = cast.daemon(), cast.daemon()
        outcome = ours.run("ping", through(node, other), "--json")
        assert outcome.code == 1 and f"{node.peer} is no relay" in outcome.error["message"], outcome

    def test_a_place_comes_back_with_its_relay(self, cast, tmp_path):
        key = tmp_path / "relay.key"
        assert ours.run("key", "new", "--out", key).code == 0
        relay = ours.Daemon(TCP, key=key, options=["--relay-service"])
        address = relay.address
        target = cast.target("ours", relay)
        mark = target.process.mark()
        relay.stop()
        gone = lambda item: item.get("event") == "stopped_listening" and "p2p-circuit" in item["address"]  # noqa: E731
        target.process.wait_for(gone, after=mark, timeout=SOON)
        mark = target.process.mark()
        cast.keep(ours.Daemon(address.rpartition("/p2p/")[0], key=key, options=["--relay-service"]))
        target.process.wait_for("reserved", after=mark, timeout=30)
        assert ours.run("ping", f"{address}/p2p-circuit/p2p/{target.peer}", "--count", 1).code == 0

    def test_renewed_before_it_ends(self, cast):
        relay = cast.relay("ours", "--limit", "relay.lifetime=8")
        target = cast.target("ours", relay)
        mark = target.process.mark()
        target.process.wait_for("reserved", after=mark, timeout=SOON)
        assert not [item for item in target.process.all("stopped_listening") if "p2p-circuit" in item["address"]]
        with pytest.raises(ProcessEnded):
            target.process.wait_for("stopped_listening", after=mark, timeout=0.5)

    def test_options(self):
        for option in ("/ip4/127.0.0.1/tcp/1", "/p2p-circuit/p2p/12D3KooWEqnTdgqHnkkwarSrJjeMP2ZJiADWLYADaNvUb6SQNyPF"):
            assert ours.run("daemon", "--relay", option).code == 64
