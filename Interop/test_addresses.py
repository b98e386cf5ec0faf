"""Which addresses a node tells, keeps and dials, on networks that the tests make themselves."""

import subprocess
import sys
import time

from peers import ours
from peers.lan import Lan

EVERYWHERE = ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"]


def stored(host, data, peer, within=10):
    """The addresses that the data directory has of a peer, once that has introduced itself."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        listing = ours.run("peers", "--data", data, "--json", wrapper=host.inside)
        for item in listing.objects:
            if item.get("peer") == peer and item.get("agent"):
                return item["addresses"]
        time.sleep(0.2)
    raise AssertionError(f"{peer} has not introduced itself: {listing}")


def told(host, address):
    """What a node tells who asks from there."""
    answer = ours.run("identify", address, "--json", wrapper=host.inside)
    assert answer.code == 0, answer
    return next(item["addresses"] for item in answer.objects if "addresses" in item)


class Service:
    """Something of the host's own that listens, and ends with the first connection to it."""

    CODE = "import socket, sys; s = socket.create_server((sys.argv[1], int(sys.argv[2]))); print(flush=True); s.accept()"

    def __init__(self, host, address, port):
        arguments = [*host.inside, sys.executable, "-c", self.CODE, address, str(port)]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert self._process.stdout.readline(), "it does not listen"

    def is_bothered(self, within=0):
        try:
            self._process.wait(within)
            return True
        except subprocess.TimeoutExpired:
            return False

    def stop(self):
        self._process.kill()
        self._process.wait()


def test_a_neighbour_is_told_this_networks_addresses_alone_and_keeps_no_others(lan, tmp_path):
    near, far = lan.host(), lan.host()
    other = Lan("10.78.0")
    try:
        other.plug(far, "eth1")
        daemon = ours.Daemon(EVERYWHERE, wrapper=far.inside)
        address = f"/ip4/{far.address}/tcp/4001/p2p/{daemon.peer}"
        try:
            addresses = told(near, address)
            assert addresses and all(text.startswith(f"/ip4/{far.address}/") for text in addresses), addresses
            assert any(text.startswith("/ip4/127.0.0.1/") for text in told(far, f"/ip4/127.0.0.1/tcp/4001/p2p/{daemon.peer}"))
            node = ours.Daemon(
                f"/ip4/{near.address}/tcp/0", options=["--data", tmp_path / "near", "--bootstrap", address], wrapper=near.inside
            )
            node.process.wait_for("connected", timeout=10)
            kept = stored(near, tmp_path / "near", daemon.peer)
            assert node.stop() == 0
            assert kept and all(text.startswith(f"/ip4/{far.address}/") for text in kept), kept
        finally:
            assert daemon.stop() == 0
    finally:
        other.remove()


def test_what_was_learnt_in_another_network_is_left_alone_in_this_one(lan, tmp_path):
    near, far = lan.host(), lan.host()
    daemon = ours.Daemon(f"/ip4/{far.address}/tcp/4001", wrapper=far.inside)
    data = tmp_path / "near"
    address = f"/ip4/{far.address}/tcp/4001/p2p/{daemon.peer}"
    node = ours.Daemon(f"/ip4/{near.address}/tcp/0", options=["--data", data, "--bootstrap", address], wrapper=near.inside)
    node.process.wait_for("connected", timeout=10)
    assert stored(near, data, daemon.peer)
    assert node.stop() == 0
    assert daemon.stop() == 0
    # The same host in another network, where somebody else has that address.
    near.run("ip", "address", "flush", "dev", "eth0")
    near.run("ip", "address", "add", "192.168.9.2/24", "dev", "eth0")
    near.run("ip", "address", "add", f"{far.address}/32", "dev", "lo")
    service = Service(near, far.address, 4001)
    try:
        node = ours.Daemon("/ip4/192.168.9.2/tcp/0", options=["--data", data], wrapper=near.inside)
        time.sleep(3)
        assert node.stop() == 0
        assert not service.is_bothered()
        # What is given by hand is dialled all the same.
        assert ours.run("ping", address, "--count", "1", "--timeout", "1", wrapper=near.inside).code != 0
        assert service.is_bothered(within=2)
    finally:
        service.stop()
