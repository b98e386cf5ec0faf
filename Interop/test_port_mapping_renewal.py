"""A mapping that lasts two minutes, the shortest that miniupnpd gives, is renewed after one. A file of its own, since it takes so long."""

import re

import pytest

from peers import clock
from peers import router as routers
from test_port_mapping import PORTS, home_network, node, wait_for_mapped

pytestmark = pytest.mark.skipif(not (routers.MINIUPNPD and routers.NFT), reason="no miniupnpd or nft here")


def test_renewed_before_its_end():
    with home_network() as network:
        leases = network.room / "leases"
        network.start(max_lifetime="121", lease_file=leases)
        daemon = node(network)

        def ends():
            """When each mapping ends, as the router has written."""
            lines = re.findall(r"^(TCP|UDP):(\d+):[^:]+:\d+:(\d+):", leases.read_text(), re.MULTILINE)
            return {(protocol.lower(), int(port)): int(end) for protocol, port, end in lines}

        try:
            wait_for_mapped(daemon, 3)
            first = ends()
            assert set(first) == PORTS, leases.read_text()
            clock.wait_until(lambda: all(ends().get(port, 0) >= first[port] + 50 for port in PORTS), 100, "each is renewed")
            assert network.mappings() == PORTS
        finally:
            code = daemon.stop()
        assert code == 0
        network.wait_for_mappings(set(), timeout=2)
