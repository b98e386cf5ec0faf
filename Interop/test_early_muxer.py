"""The muxer that is agreed on within the secure handshake: who does it, and the round trip that it saves.

Round trips are counted over a link that is slow enough for everything else not to matter: the time that connecting takes, in round trips
of the link, rounded down.
"""

import contextlib
import shutil

import pytest

from conftest import STACKS, make_peer
from peers import ours, p2pd
from peers.p2pd import GoNode
from peers.slow_link import NotPermitted, SlowLink, round_trips

SECURITIES = sorted({stack.security for stack in STACKS if stack.transport == "tcp" and stack.security in ("noise", "tls")})
LATE = ["--no-early-muxer"]


def stack_of(security):
    return next(stack for stack in STACKS if (stack.transport, stack.security, stack.muxer) == ("tcp", security, "yamux"))


def summary(*arguments, **options):
    outcome = ours.run("ping", *arguments, "--count", 1, "--json", **options)
    assert outcome.code == 0, outcome
    return outcome.event("summary")


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize("ours_is_early", [True, False], ids=["on", "off"])
class TestWhoDoesIt:
    """Early with go and with ourselves, unless it is switched off; with py, which announces nothing, the ordinary negotiation."""

    def options(self, security, is_early):
        return ["--security", security, *([] if is_early else LATE)]

    @pytest.mark.parametrize("kind", ["go", "py"])
    def test_we_dial(self, nodes, kind, security, ours_is_early):
        peer = nodes.peer(kind, stack_of(security))
        connected = summary(peer.address, *self.options(security, ours_is_early))
        assert connected["early_muxer"] == (ours_is_early and kind == "go"), connected

    @pytest.mark.parametrize("kind", ["go", "py"])
    def test_we_listen(self, kind, security, ours_is_early):
        daemon = ours.Daemon(options=self.options(security, ours_is_early))
        peer = make_peer(kind, stack_of(security))
        try:
            assert peer.ping(daemon.address, 1)
            connected = daemon.process.wait_for("connected")
            assert connected["early_muxer"] == (ours_is_early and kind == "go"), connected
        finally:
            peer.stop()
            assert daemon.stop() == 0

    @pytest.mark.parametrize("theirs_is_early", [True, False], ids=["peer-on", "peer-off"])
    def test_with_ourselves(self, security, ours_is_early, theirs_is_early):
        daemon = ours.Daemon(options=self.options(security, theirs_is_early))
        try:
            connected = summary(daemon.address, *self.options(security, ours_is_early))
            assert connected["early_muxer"] == (ours_is_early and theirs_is_early)
        finally:
            assert daemon.stop() == 0


@pytest.fixture(scope="module")
def link():
    if not shutil.which("ip") and not shutil.which("/sbin/ip"):
        pytest.skip("no `ip` to make network namespaces with: the round trips were not counted")
    try:
        link = SlowLink(delay=0.2)
    except NotPermitted as error:
        pytest.skip(f"no network namespaces here ({error}): the round trips were not counted")
    with link:
        yield link


@contextlib.contextmanager
def running(node):
    try:
        yield node
    finally:
        node.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("security", SECURITIES)
class TestRoundTrips:
    """Connecting takes exactly one round trip fewer when the muxer is agreed on early."""

    EARLY = 2
    """One for TCP, one for the secure channel, whose first message travels with its proposal."""
    GOS_EARLY = 4
    """Go waits for an answer to its proposal, and identifies us before it says that it is connected."""

    def near_node(self, link, *options):
        return ours.Daemon(f"/ip4/{link.near_ip}/tcp/0", options=options, wrapper=link.inside(link.near))

    def dial(self, link, address, *options, expected):
        def connect():
            return summary(address, *options, wrapper=link.inside(link.far))["connect_ms"] / 1e3

        return round_trips(link, connect, expected)

    def go_node(self, link, namespace, listen, security):
        if not p2pd.is_here():
            pytest.skip(f"no go node at {p2pd.BINARY}")
        return GoNode(listen, security=security, wrapper=link.inside(namespace))

    def test_we_dial_go(self, link, security):
        with running(self.go_node(link, link.near, f"/ip4/{link.near_ip}/tcp/0", security)) as go:
            early = self.dial(link, go.address, "--security", security, expected=self.EARLY)
            late = self.dial(link, go.address, "--security", security, *LATE, expected=self.EARLY + 1)
        assert (early, late) == (self.EARLY, self.EARLY + 1)

    def test_go_dials_us(self, link, security):
        counts = []
        for options, expected in ([], self.GOS_EARLY), (LATE, self.GOS_EARLY + 1):
            with running(self.near_node(link, "--security", security, *options)) as daemon:
                # A fresh go node each time: a known peer's address may be dialled in other ways.
                with running(self.go_node(link, link.far, None, security)) as go:
                    counts.append(round_trips(link, lambda: go.time_to_connect(daemon.address), expected))
        assert counts == [self.GOS_EARLY, self.GOS_EARLY + 1]

    def test_we_dial_ourselves(self, link, security):
        with running(self.near_node(link, "--security", security)) as daemon:
            early = self.dial(link, daemon.address, "--security", security, expected=self.EARLY)
            late = self.dial(link, daemon.address, "--security", security, *LATE, expected=self.EARLY + 1)
        assert (early, late) == (self.EARLY, self.EARLY + 1)
        with running(self.near_node(link, "--security", security, *LATE)) as daemon:
            count = self.dial(link, daemon.address, "--security", security, expected=self.EARLY + 1)
        assert count == late, "the listener's word counts as well"
