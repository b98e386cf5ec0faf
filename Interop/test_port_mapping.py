"""Routers that map ports, and gateways that only look like one, in namespaces of their own."""

import contextlib
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from peers import clock, ours
from peers import router as routers
from peers.router import HOME, HOME_IPV6, OUTER, HomeNetwork
from peers.terminal import Terminal
from test_examples import binary

LISTEN = [f"/ip4/{HOME}/tcp/4001", f"/ip4/{HOME}/udp/4001/quic-v1"]
OPTIONS = ["--share-port", "--log-level", "info"]
PORTS = {("tcp", 4001), ("udp", 4001)}
VISITOR = """
import os, sys
from hostile.websocket import WebSocket
said = os.urandom(200_000)
with WebSocket((sys.argv[1], int(sys.argv[2]))) as visitor:
    visitor.send(said)
    assert visitor.receive_exactly(len(said)) == said
print("same")
"""
SOON = 20
"""PCP's silence takes four seconds, the search of UPnP one; two busy cores take longer."""

pytestmark = pytest.mark.skipif(not (routers.MINIUPNPD and routers.NFT), reason="no miniupnpd or nft here")


@contextlib.contextmanager
def home_network(**settings):
    try:
        network = HomeNetwork(**settings)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    try:
        yield network
    finally:
        network.remove()


def node(network, *options):
    return ours.Daemon(LISTEN, options=[*OPTIONS, *options], wrapper=network.home.inside)


def wait_for_mapped(daemon, count, *, after=0, timeout=SOON):
    """The event that says so many addresses are a router's."""
    return daemon.process.wait_for(
        lambda item: item.get("event") == "reachability"
        and sum(address["source"] in ("pcp", "nat-pmp", "upnp") for address in item["addresses"]) == count,
        after=after,
        timeout=timeout,
    )


def ping(network, address):
    return ours.run("ping", address, "--count", "1", "--json", wrapper=network.outside.inside)


@pytest.mark.parametrize(
    "method, settings", [("pcp", {}), ("upnp", {"enable_natpmp": "no"}), ("upnp", {"enable_natpmp": "no", "force_igd_desc_v1": "no"})]
)
def test_mapped_reached_from_outside_and_given_back(method, settings):
    with home_network() as network:
        network.start(**settings)
        daemon = node(network)
        try:
            event = wait_for_mapped(daemon, 3)
            assert event["state"] == "unknown", "that a router says so is no proof"
            assert {(item["address"], item["source"]) for item in event["addresses"]} == {
                (f"/ip4/{OUTER}/tcp/4001", method),
                (f"/ip4/{OUTER}/tcp/4001/ws", method),
                (f"/ip4/{OUTER}/udp/4001/quic-v1", method),
            }
            assert network.mappings() == PORTS
            for item in event["addresses"]:
                outcome = ping(network, f"{item['address']}/p2p/{daemon.peer}")
                assert outcome.code == 0, outcome
        finally:
            code = daemon.stop()
        assert code == 0
        network.wait_for_mappings(set(), timeout=2)


@pytest.mark.parametrize("settings", [{}, {"enable_natpmp": "no", "force_igd_desc_v1": "no"}], ids=["pcp", "upnp"])
def test_a_pinhole_of_ipv6(settings):
    with home_network(ipv6=True) as network:
        network.start(ipv6_disable="no", **settings)
        listen = f"/ip6/{HOME_IPV6}/tcp/4001"
        shut = ours.Daemon(listen, options=["--no-port-mapping"], wrapper=network.home.inside)
        outcome = ours.run("ping", shut.address, "--timeout", "2", "--json", wrapper=network.outside.inside)
        assert outcome.code == 1, "the firewall is shut"
        shut.stop()
        daemon = ours.Daemon(listen, options=[*OPTIONS, "--port-mapping"], wrapper=network.home.inside)
        try:
            clock.wait_until(lambda: "router lets packets in" in daemon.log_text(), SOON, "a pinhole")
            outcome = ping(network, f"{listen}/p2p/{daemon.peer}")
            assert outcome.code == 0, outcome
        finally:
            code = daemon.stop()
        assert code == 0
        again = ours.Daemon(listen, options=["--no-port-mapping"], wrapper=network.home.inside)
        outcome = ours.run("ping", again.address, "--timeout", "2", "--json", wrapper=network.outside.inside)
        assert outcome.code == 1, "the firewall is shut again"
        again.stop()


def test_mapped_anew_by_a_router_that_has_forgotten():
    with home_network() as network:
        network.start()
        daemon = node(network)
        try:
            wait_for_mapped(daemon, 3)
            # A clock that is back after less than that may have been slow.
            time.sleep(5)
            network.reboot()
            network.wait_for_mappings(PORTS, timeout=SOON)
        finally:
            code = daemon.stop()
        assert code == 0


@pytest.mark.parametrize("options", [["--no-port-mapping"], []], ids=["told", "loopback"])
def test_nobody_is_asked(options):
    with home_network() as network:
        network.start()
        listen = LISTEN if options else ["/ip4/127.0.0.1/tcp/4001"]
        daemon = ours.Daemon(listen, options=options, wrapper=network.home.inside)
        outcome = ours.run("ping", daemon.address, "--count", "5", "--json", wrapper=network.home.inside)
        assert (outcome.code, daemon.stop()) == (0, 0), outcome
        assert network.mappings() == set()


HOSTILE = {
    "huge": "its answer is longer than 65536 bytes",
    "drip": "it does not answer in time",
    "nested": "its XML has more than 16 elements within each other",
    "redirect": "it answers with the status 302",
    "elsewhere": "it says that its description is at 45.33.0.9",
    "silent": "it does not answer in time",
    "entity": "its XML has a document type",
    "spin": "its answer is longer than 65536 bytes",
    "denies": "UPnP: 606 (not authorized)",
    "forged": "the router does not answer; no router answers to UPnP",
}
"""What each gateway is left for, as the log says."""


@pytest.fixture(scope="module")
def hostile():
    """All at once: each takes some seconds until it is given up."""
    with contextlib.ExitStack() as undo:
        nodes = {}
        for case in [*HOSTILE, "lies", "flood"]:
            network = undo.enter_context(home_network())
            network.play(case)
            nodes[case] = (network, node(network))
        yield nodes
        codes = {case: daemon.stop() for case, (_, daemon) in nodes.items()}
    assert set(codes.values()) == {0}, codes


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_gateway_is_given_up(hostile, case):
    network, daemon = hostile[case]
    clock.wait_until(lambda: HOSTILE[case] in daemon.log_text(), 30, HOSTILE[case])
    assert not any(item["addresses"] for item in daemon.process.all("reachability"))
    outcome = ours.run("ping", daemon.address, "--count", "1", "--json", wrapper=network.home.inside)
    assert outcome.code == 0, outcome
    assert daemon.stats()["rss_bytes"] < 100 * 1024 * 1024


@pytest.mark.parametrize("case", ["lies", "flood"])
def test_what_a_gateway_makes_up_is_not_announced(hostile, case):
    network, daemon = hostile[case]
    clock.wait_until(lambda: "behind_another_nat=true" in daemon.log_text(), 30, "the log says what the gateway maps")
    assert not any(item["addresses"] for item in daemon.process.all("reachability"))
    outcome = ours.run("ping", daemon.address, "--count", "1", "--json", wrapper=network.home.inside)
    assert outcome.code == 0, outcome


def test_a_listener_of_websockets_is_reached_from_outside():
    with home_network() as network:
        network.start()
        listener = Terminal([*network.home.inside, binary("WebEcho"), "--address", HOME, "--port", 4002, "--map"])
        try:
            listener.wait_for(rf"ws://{OUTER}:4002/ by pcp", timeout=SOON)
            assert network.mappings() == {("tcp", 4002)}
            visit = [*network.outside.inside, sys.executable, "-c", VISITOR, OUTER, "4002"]
            visited = subprocess.run(visit, capture_output=True, text=True, timeout=30, cwd=pathlib.Path(__file__).parent)
            assert visited.stdout == "same\n", visited
            listener.process.send_signal(signal.SIGTERM)
            assert listener.code() == 0
            network.wait_for_mappings(set(), timeout=2)
        finally:
            listener.close()
