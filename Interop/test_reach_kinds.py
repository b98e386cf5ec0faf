"""`p2p reach` behind routers of several kinds, with three peers to ask: what it calls them, and whether it says what to do."""

import contextlib
import json

import pytest

from peers import clock, nat_lab, ours
from peers.punches import LISTEN, address_of

pytestmark = pytest.mark.skipif(not nat_lab.is_possible(), reason="no network namespaces and routers here")


@pytest.mark.parametrize(
    "kind, state, diagnosis, tcp, advice",
    [
        ("open", "public", "open", "none", None),
        ("port", "private", "cone-nat", "cone", "forward TCP 4001 and UDP 4001 to 10.101.0.2"),
        ("symmetric", "private", "symmetric-nat", "symmetric", "hole punching fails with most peers"),
        ("udpblock", "private", "cone-nat", "cone", "lets no UDP out"),
        ("refuse", "private", "cone-nat", "cone", "forward TCP 4001 and UDP 4001 to 10.101.0.2"),
        ("double", "private", "cone-nat", "cone", "forward TCP 4001 and UDP 4001 to 10.101.0.2"),
    ],
)
def test_kinds(kind, state, diagnosis, tcp, advice):
    with nat_lab.Lab(kind) as lab, contextlib.ExitStack() as stack:
        servers = []
        for host in lab.observers:
            listens = [listen.format(host.address) for listen in LISTEN.values()]
            server = ours.Daemon(listens, options=["--no-port-mapping", "--autonat-service"], wrapper=host.inside)
            stack.callback(server.stop)
            servers.append(server)
        known = [option for server in servers for option in ("--bootstrap", address_of(server, "tcp"))]
        listens = [option for listen in LISTEN.values() for option in ("--listen", listen.format(lab.a.address))]
        found = ours.run("reach", "--json", "--no-port-mapping", *listens, *known, wrapper=lab.a.inside, timeout=90)
        told = found.event("reach")
        assert found.code == 0, found
        assert (told["state"], told["diagnosis"]) == (state, diagnosis), found
        assert advice is None and told["remedy"] == "" or advice and advice in told["remedy"], found
        assert told["tcp"] == tcp, found


@pytest.mark.parametrize("transport", LISTEN)
@pytest.mark.parametrize("kind, state, diagnosis", [("full", "public", "open"), ("address", "private", "cone-nat")])
def test_servers_over_one_transport(kind, state, diagnosis, transport):
    """An address-restricted router lets in whomever a port has spoken to, so not all of the servers may be met from there."""
    with nat_lab.Lab(kind) as lab, contextlib.ExitStack() as stack:
        known = []
        for host in lab.observers:
            options = ["--no-port-mapping", "--autonat-service"]
            server = ours.Daemon(LISTEN[transport].format(host.address), options=options, wrapper=host.inside)
            stack.callback(server.stop)
            known += ["--bootstrap", server.address]
        listen = LISTEN[transport].format(lab.a.address)
        found = ours.run("reach", "--json", "--no-port-mapping", "--listen", listen, *known, wrapper=lab.a.inside, timeout=90)
        assert found.code == 0, found
        told = found.event("reach")
        assert (told["state"], told["diagnosis"]) == (state, diagnosis), found
        verdict = {"public": "reachable", "private": "unreachable"}[state]
        assert {address["verdict"] for address in told["addresses"]} == {verdict}, found


def test_daemon_whose_servers_are_all_met_over_quic(tmp_path):
    """The port that listens has spoken to every one of them, and this router lets in just those: reached it is not, and it says what to do."""
    with nat_lab.Lab("address") as lab, contextlib.ExitStack() as stack:
        known = []
        for host in lab.observers:
            options = ["--no-port-mapping", "--autonat-service"]
            server = ours.Daemon(LISTEN["quic"].format(host.address), options=options, wrapper=host.inside)
            stack.callback(server.stop)
            known += ["--bootstrap", server.address]
        options = ["--no-port-mapping", "--data", tmp_path / "data", *known]
        home = ours.Daemon(LISTEN["quic"].format(lab.a.address), options=options, wrapper=lab.a.inside)
        stack.callback(home.stop)
        event = home.process.wait_for(lambda item: item.get("event") == "reachability" and item["state"] != "unknown", timeout=120)
        assert event["state"] == "private"
        assert {address["verdict"] for address in event["addresses"]} == {"unreachable"}

        def told():
            return json.loads(ours.run("reach", "--data", tmp_path / "data", "--json").stdout)

        clock.wait_until(lambda: told()["diagnosis"] == "cone-nat", 60, "cone-nat")
        assert "forward UDP 4001 to 10.101.0.2" in told()["remedy"]
