"""A node behind a router takes places at relays that it meets, keeps a spare, and comes back from the loss of one."""

import contextlib

import pytest

from peers import nat_lab, ours
from peers.punches import LISTEN

pytestmark = pytest.mark.skipif(not nat_lab.is_possible(), reason="no network namespaces and routers here")


def test_places_are_found_and_a_spare_takes_over():
    with nat_lab.Lab("port", "port", observers=2) as lab, contextlib.ExitStack() as stack:

        def keep(node):
            stack.callback(node.stop)
            return node

        hosts = [lab.relay, *lab.observers]
        options = ["--relay-service", "--no-port-mapping"]
        relays = [keep(ours.Daemon(LISTEN["tcp"].format(host.address), options=options, wrapper=host.inside)) for host in hosts]
        known = [option for relay in relays for option in ("--bootstrap", relay.address)]
        node = keep(
            ours.Daemon(
                LISTEN["tcp"].format(lab.b.address),
                options=["--autorelay", "--no-port-mapping", *known],
                wrapper=lab.b.inside,
            )
        )
        first = node.process.wait_for("reserved")
        second = node.process.wait_for(lambda item: item.get("event") == "reserved" and item["relay"] != first["relay"])
        held = {first["relay"], second["relay"]}
        lost = next(relay for relay in relays if relay.peer == first["relay"])
        spare = next(relay for relay in relays if relay.peer not in held)
        mark = node.process.mark()
        lost.stop()
        node.process.wait_for(
            lambda item: item.get("event") == "reserved" and item["relay"] == spare.peer, after=mark, timeout=40
        )
        found = ours.run("ping", f"{spare.address}/p2p-circuit/p2p/{node.peer}", "--count", 1, "--json", wrapper=lab.a.inside)
        assert found.code == 0 and found.event("summary")["received"] == 1, found
