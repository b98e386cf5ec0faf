"""kubo, the go node that has private networks and mplex: both ways on every stack, outsiders, and restarts of either side.

Its discovery is in `test_mdns.py`.
"""

import contextlib
import os
import signal

import pytest

from conftest import Stack, make_kubo
from peers import kubo, ours
from peers.clock import wait_until
from peers.formats import Key, with_peer
from peers.kubo import Kubo
from peers.processes import ProcessEnded
from test_matrix import MUXER, SECURITY

SOON = 5
STREAMS = [
    Stack(transport, security, muxer)
    for transport in ("tcp", "ws")
    for security in ("noise", "tls")
    for muxer in ("yamux", "mplex")
]
TCP, WS, QUIC = Stack("tcp"), Stack("ws"), Stack("quic-v1")


def cells(*stacks_of_networks):
    """The parameters of a test for pairs of a network, named as its fixture, and stacks."""
    found = [(network, stack) for network, stacks in stacks_of_networks for stack in stacks]
    return pytest.mark.parametrize(
        ("network", "stack"), found, indirect=["network"], ids=[f"{network}-{stack}" for network, stack in found]
    )


class Network:
    """Kubo on one host, in the public network or behind a key, and we on another."""

    def __init__(self, lan, near, *, psk=None):
        self.near = near
        self.options = ["--psk", psk] if psk else []
        self.kubo = make_kubo(lan.host(), *(("tcp", "ws") if psk else ("tcp", "ws", "quic-v1")), psk=psk)

    def address(self, stack):
        return self.kubo.address(stack.transport)

    def run(self, command, address, *arguments):
        return ours.run(command, address, *arguments, *self.options, "--json", wrapper=self.near.inside)

    def ping(self, stack, count=1):
        return self.run("ping", self.address(stack), "--count", count, "--interval", 0, *stack.options)

    def start(self, stack, *options):
        """A daemon of ours whom kubo has not met: it does not dial twice whom it is connected to."""
        listen = stack.listen_on(self.near.address)
        return ours.Daemon(listen, options=[*stack.options, *self.options, *options], wrapper=self.near.inside)

    @contextlib.contextmanager
    def daemon(self, stack, *options):
        daemon = self.start(stack, *options)
        try:
            yield daemon
        finally:
            assert daemon.stop() == 0, daemon.process.report()

    def connected(self, daemon, after=0, timeout=SOON):
        """The event that tells of the connection with kubo."""
        return daemon.process.wait_for(
            lambda item: item.get("event") == "connected" and item["peer"] == self.kubo.peer, after=after, timeout=timeout
        )


def make_psk(path, encoding="base16"):
    outcome = ours.run("key", "psk", "--out", path, "--encoding", encoding)
    assert outcome.code == 0, outcome
    return path


@pytest.fixture(scope="module")
def near(shared_lan):
    return shared_lan.host()


@pytest.fixture(scope="module")
def public(shared_lan, near):
    made = Network(shared_lan, near)
    yield made
    made.kubo.stop()


@pytest.fixture(scope="module")
def private(shared_lan, near, tmp_path_factory):
    made = Network(shared_lan, near, psk=make_psk(tmp_path_factory.mktemp("psk") / "swarm.key"))
    yield made
    made.kubo.stop()


@pytest.fixture
def network(request):
    return request.getfixturevalue(request.param)


@cells(("public", [*STREAMS, QUIC]), ("private", STREAMS))
class TestEveryStack:
    def test_we_ping(self, network, stack):
        outcome = network.ping(stack, count=200)
        assert outcome.code == 0, outcome
        summary = outcome.event("summary")
        assert (summary["peer"], summary["received"]) == (network.kubo.peer, 200)
        if stack.security:
            assert (summary["security"], summary["muxer"]) == (SECURITY[stack.security], MUXER[stack.muxer])

    def test_we_identify(self, network, stack):
        outcome = network.run("identify", network.address(stack), *stack.options)
        assert outcome.code == 0, outcome
        about = outcome.objects[-1]
        assert about["peer"] == network.kubo.peer
        assert about["agent"].startswith(Kubo.agent)
        assert {"/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/ipfs/bitswap/1.2.0"} <= set(about["protocols"])
        assert set(network.kubo.addresses) <= set(about["addresses"])
        assert about["observed"].startswith(f"/ip4/{network.near.address}/")

    def test_kubo_dials(self, network, stack):
        # It hears of the second address by identify alone.
        other = WS if stack.transport == "tcp" else TCP
        with network.daemon(stack, "--listen", other.listen_on(network.near.address)) as daemon:
            network.kubo.connect(daemon.address)
            connected = network.connected(daemon)
            assert connected["direction"] == "inbound"
            if stack.security:
                assert (connected["security"], connected["muxer"]) == (SECURITY[stack.security], MUXER[stack.muxer])
            wanted = {address.partition("/p2p/")[0] for address in daemon.addresses}
            wait_until(lambda: wanted <= set(network.kubo.addresses_of(daemon.peer)), SOON, "what we say of ourselves")
        wait_until(lambda: daemon.peer not in network.kubo.peers(), SOON, "our goodbye")


def test_kubo_dials_us_from_behind_retry(public):
    with public.daemon(QUIC, "--quic-retry") as daemon:
        public.kubo.connect(daemon.address)
        assert public.connected(daemon)["direction"] == "inbound"


def test_kubo_answers_our_fetch(public):
    """It has no values, since its library neither publishes nor resolves names: what it says is that there are none."""
    for key in (f"/ipns/{public.kubo.peer}", "a text"):
        outcome = public.run("fetch", public.address(TCP), key)
        assert outcome.code == 1 and outcome.error["code"] == "notFound", outcome


class TestWrongPeer:
    @cells(("public", [TCP, WS, QUIC]), ("private", [TCP, WS]))
    def test_we_refuse_kubo_under_another_id(self, network, stack):
        outcome = network.run("ping", with_peer(network.address(stack), Key().peer), "--count", 1)
        assert outcome.code == 1, outcome
        assert outcome.error["code"] == "peerMismatch" and network.kubo.peer in outcome.error["message"], outcome

    @cells(("public", [TCP, WS, QUIC]), ("private", [TCP, WS]))
    def test_kubo_refuses_us_under_another_id(self, network, stack):
        with network.daemon(stack) as daemon:
            with pytest.raises(kubo.Refused, match=daemon.peer):
                network.kubo.connect(with_peer(daemon.address, Key().peer))
            network.kubo.connect(daemon.address)


class TestKeyFiles:
    @pytest.mark.parametrize("encoding", ["base64", "bin"])
    def test_kubo_reads_ours_in_every_encoding(self, shared_lan, near, tmp_path, encoding):
        """In base16 it is the key of all the other tests."""
        network = Network(shared_lan, near, psk=make_psk(tmp_path / "swarm.key", encoding))
        try:
            assert network.ping(TCP).code == 0
            with network.daemon(TCP) as daemon:
                network.kubo.connect(daemon.address)
                network.connected(daemon)
        finally:
            network.kubo.stop()


@pytest.mark.parametrize("stack", [TCP, WS], ids=str)
class TestOutsiders:
    @pytest.fixture
    def other(self, tmp_path):
        """The options of a member of another private network."""
        return ["--psk", make_psk(tmp_path / "other.key")]

    def test_without_the_key_we_get_nowhere(self, public, private, stack):
        outcome = public.run("ping", private.address(stack), "--count", 1, "--timeout", 2)
        assert outcome.code == 1 and outcome.error["code"], outcome
        assert private.ping(stack).code == 0

    def test_with_another_key_we_get_nowhere(self, public, private, stack, other):
        outcome = public.run("ping", private.address(stack), "--count", 1, "--timeout", 2, *other)
        assert outcome.code == 1 and "private network" in outcome.error["message"], outcome
        assert private.ping(stack).code == 0

    def test_with_a_key_we_get_nowhere_in_the_public_network(self, public, private, stack):
        outcome = private.run("ping", public.address(stack), "--count", 1, "--timeout", 2)
        assert outcome.code == 1 and outcome.error["code"], outcome
        assert public.ping(stack).code == 0

    def test_kubo_with_a_key_gets_nowhere_in_the_public_network(self, public, private, stack):
        self._gets_nowhere(private.kubo, public, stack)

    def test_kubo_with_another_key_gets_nowhere(self, public, private, stack, other):
        self._gets_nowhere(private.kubo, public, stack, *other)

    def test_kubo_without_the_key_gets_nowhere(self, public, private, stack):
        self._gets_nowhere(public.kubo, private, stack)

    @staticmethod
    def _gets_nowhere(outsider, network, stack, *options):
        with network.daemon(stack, *options) as daemon:
            with pytest.raises(kubo.Refused, match="failed to negotiate security protocol"):
                outsider.connect(daemon.address)
            assert not daemon.process.all("connected")


ENDS = pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])


@cells(("public", [TCP, QUIC]), ("private", [TCP, WS]))
class TestRestarts:
    @ENDS
    def test_kubo_comes_back_and_is_dialled_again(self, network, stack, end):
        with network.daemon(stack, "--bootstrap", network.address(stack)) as daemon:
            network.connected(daemon)
            mark = daemon.process.mark()
            network.kubo.shut_down() if end == signal.SIGTERM else network.kubo.kill()
            # A dead peer is silent over UDP: that takes its time.
            daemon.process.wait_for("disconnected", after=mark, timeout=30 if stack is QUIC else SOON)
            network.kubo.start()
            again = network.connected(daemon, after=mark)
            assert again["direction"] == "outbound"
            wait_until(lambda: daemon.peer in network.kubo.peers(), SOON, "our dial")

    @ENDS
    @pytest.mark.parametrize("dialer", ["we", "kubo"])
    def test_we_come_back_and_dial_it_from_the_store(self, network, stack, end, dialer, tmp_path):
        data = tmp_path / "node"
        options = ["--bootstrap", network.address(stack)] if dialer == "we" else []
        first = network.start(stack, "--data", data, *options)
        try:
            if dialer == "kubo":
                network.kubo.connect(first.address)
            network.connected(first)
            wait_until(lambda: self._remembers(data, network.kubo.peer), SOON, "what it says of itself")
        finally:
            os.kill(first.pid, end)
            first.process.process.wait()
        # At another port, so that it is not kubo who comes back.
        with network.daemon(stack, "--data", data) as again:
            assert again.peer == first.peer
            assert network.connected(again)["direction"] == "outbound"
            wait_until(lambda: again.peer in network.kubo.peers(), SOON, "our dial")

    @staticmethod
    def _remembers(data, peer):
        outcome = ours.run("peers", "--data", data, "--json")
        return any(item["peer"] == peer and item["agent"] and item["addresses"] for item in outcome.objects)


@pytest.mark.parametrize(
    "route",
    ["default via {}", "128.0.0.0/1 via {}", "default via {} table 77", "default via fe80::1 dev eth0"],
    ids=["default", "half", "table", "ipv6"],
)
def test_it_stays_off_the_internet(lan, route):
    host, gateway = lan.host(), lan.host()
    host.run("ip", *(["-6"] if "fe80" in route else []), "route", "add", *route.format(gateway.address).split())
    with pytest.raises(ProcessEnded, match="stays off the Internet"):
        make_kubo(host, "tcp").stop()
