"""Local discovery, on networks that the tests make themselves: with ourselves, py-libp2p, kubo, avahi and python-zeroconf."""

import os
import pathlib
import sys
import time

import pytest

from conftest import make_kubo
from peers import avahi, ours
from peers.clock import wait_until
from peers.lan import Lan
from peers.processes import JSONProcess, ProcessEnded

HERE = pathlib.Path(__file__).parent
SOON = 5
"""Within so many seconds nodes must have found each other."""


class Started:
    """Processes of one test; what is ours must end with 0."""

    def __init__(self):
        self._daemons, self._others = [], []

    def daemon(self, host, *options, address=None):
        listen = f"/ip4/{address or host.address}/tcp/0"
        daemon = ours.Daemon(listen, options=["--mdns", *options], wrapper=host.inside)
        self._daemons.append(daemon)
        return daemon

    def discover(self, host, *options):
        return self.process([*host.inside, ours.BINARY, "discover", "--json", *options], ours.environment())

    def kubo(self, host, transport, **settings):
        node = make_kubo(host, transport, mdns=True, **settings)
        self._others.append(node)
        return node

    def process(self, arguments, environment=None):
        process = JSONProcess(arguments, environment=environment)
        self._others.append(process)
        return process

    def script(self, host, name, *arguments):
        process = self.process([*host.inside, sys.executable, HERE / "peers" / name, *arguments])
        process.ready = process.wait_for("ready", timeout=40)
        return process

    def stop(self):
        for process in self._others:
            process.stop()
        return [daemon.stop() for daemon in self._daemons]


@pytest.fixture
def started():
    processes = Started()
    yield processes
    codes = processes.stop()
    assert all(code == 0 for code in codes), codes


def sees(process, peer, event="discovered", timeout=SOON, after=0):
    return process.wait_for(
        lambda item: item.get("event") == event and item.get("peer") == peer, timeout=timeout, after=after
    )


def test_three_of_ours_find_and_connect(lan, started):
    daemons = [started.daemon(lan.host()) for _ in range(3)]
    for one in daemons:
        for other in daemons:
            if one is not other:
                found = sees(one.process, other.peer)
                assert other.address in found["addresses"]
                assert not any("127.0.0.1" in address for address in found["addresses"])
                sees(one.process, other.peer, event="connected")


def test_the_discover_command_lists_what_appears_and_is_not_seen(lan, started):
    first, second = lan.host(), lan.host()
    daemon = started.daemon(first)
    listing = started.discover(second)
    assert sees(listing, daemon.peer)["addresses"] == [daemon.address]
    late = started.daemon(lan.host())
    sees(listing, late.peer)
    sees(daemon.process, late.peer)
    assert {item["peer"] for item in daemon.process.all("discovered")} == {late.peer}
    bounded = ours.run("discover", "--timeout", "2", "--json", wrapper=second.inside)
    assert bounded.code == 0, bounded
    assert {item["peer"] for item in bounded.objects} == {daemon.peer, late.peer}


def test_loopback_addresses_stay_on_loopback(lan, started):
    host, neighbour = lan.host(), lan.host()
    daemon = ours.Daemon(
        ["/ip4/127.0.0.1/tcp/0", f"/ip4/{host.address}/tcp/0"], options=["--mdns"], wrapper=host.inside
    )
    try:
        outside = started.discover(neighbour)
        assert sees(outside, daemon.peer)["addresses"] == [daemon.addresses[1]]
        inside = started.discover(host, "--mdns-interface", "lo")
        assert set(sees(inside, daemon.peer)["addresses"]) == set(daemon.addresses)
    finally:
        assert daemon.stop() == 0


def test_an_interface_that_is_not_named_stays_silent(lan, started):
    host, neighbour = lan.host(), lan.host()
    daemon = started.daemon(host, "--mdns-interface", "lo")
    with pytest.raises(ProcessEnded):
        sees(started.discover(neighbour), daemon.peer, timeout=3)


def test_without_the_flag_a_daemon_is_silent(lan, started):
    host, neighbour = lan.host(), lan.host()
    daemon = ours.Daemon(f"/ip4/{host.address}/tcp/0", wrapper=host.inside)
    try:
        with pytest.raises(ProcessEnded):
            sees(started.discover(neighbour), daemon.peer, timeout=3)
    finally:
        assert daemon.stop() == 0


def test_two_interfaces_of_one_host(lan, started):
    host, neighbour = lan.host(), lan.host()
    other = Lan("10.78.0")
    try:
        second = other.plug(host, "eth1")
        far = other.host()
        daemon = ours.Daemon(
            [f"/ip4/{host.address}/tcp/0", f"/ip4/{second}/tcp/0"], options=["--mdns"], wrapper=host.inside
        )
        try:
            one, two = started.daemon(neighbour), started.daemon(far)
            for side in (one, two):
                sees(daemon.process, side.peer, event="connected")
                sees(side.process, daemon.peer)
        finally:
            assert daemon.stop() == 0
        assert not any(item["peer"] == two.peer for item in one.process.all("discovered"))
    finally:
        other.remove()


def test_an_interface_that_goes_and_comes_back(lan, started):
    host = lan.host()
    daemon = started.daemon(host)
    first = started.daemon(lan.host())
    sees(daemon.process, first.peer, event="connected")
    lan.unplug(host)
    time.sleep(2)
    missed = started.daemon(lan.host())
    with pytest.raises(ProcessEnded):
        sees(daemon.process, missed.peer, timeout=3)
    mark = missed.process.mark()
    lan.plug_back(host)
    sees(daemon.process, missed.peer, timeout=SOON)
    sees(missed.process, daemon.peer, timeout=SOON, after=mark)
    sees(daemon.process, missed.peer, event="connected", timeout=SOON)


def test_an_interface_that_comes_later(lan, started):
    host = lan.host()
    daemon = ours.Daemon("/ip4/0.0.0.0/tcp/0", options=["--mdns"], wrapper=host.inside)
    other = Lan("10.79.0")
    try:
        far = other.host()
        neighbour = started.daemon(far)
        other.plug(host, "eth1")
        sees(daemon.process, neighbour.peer, event="connected")
    finally:
        assert daemon.stop() == 0
        other.remove()


def test_with_py_libp2p(lan, started):
    one, two = lan.host(), lan.host()
    python = started.script(two, "mdns_python_main.py", f"/ip4/{two.address}/tcp/4100")
    daemon = started.daemon(one)
    found = sees(daemon.process, python.ready["peer"], timeout=20)
    assert any("/tcp/4100/" in address for address in found["addresses"]), found
    sees(daemon.process, python.ready["peer"], event="connected", timeout=20)
    seen = sees(python, daemon.peer, timeout=20)
    assert daemon.address.split("/p2p/")[0] in seen["addresses"]


def test_we_find_kubo_and_dial_it(lan, started):
    one, two = lan.host(), lan.host()
    listing = started.discover(one)
    # It knows of us, but can't dial an address of UDP.
    daemon = ours.Daemon(f"/ip4/{one.address}/udp/0/quic-v1", options=["--mdns"], wrapper=one.inside)
    try:
        kubo = started.kubo(two, "tcp", dials=["tcp"])
        assert kubo.address("tcp") in sees(listing, kubo.peer)["addresses"]
        sees(daemon.process, kubo.peer)
        assert sees(daemon.process, kubo.peer, event="connected")["direction"] == "outbound"
        wait_until(lambda: daemon.peer in kubo.peers(), SOON, "our dial")
    finally:
        assert daemon.stop() == 0


def test_kubo_finds_us_and_dials_us(lan, started):
    one, two = lan.host(), lan.host()
    daemon = started.daemon(one)
    # WebTransport is nothing that we dial.
    kubo = started.kubo(two, "webtransport")
    assert sees(daemon.process, kubo.peer, event="connected")["direction"] == "inbound"
    late = started.daemon(lan.host())
    assert sees(late.process, kubo.peer, event="connected")["direction"] == "inbound"


def test_kubo_of_a_private_network_is_met_under_the_name_it_uses(lan, started, tmp_path):
    """It announces under the public network's name; ours in a private network has to be told so."""
    one, two = lan.host(), lan.host()
    psk = tmp_path / "swarm.key"
    outcome = ours.run("key", "psk", "--out", psk)
    assert outcome.code == 0, outcome
    daemon = started.daemon(one, "--psk", psk, "--mdns-service", "_p2p")
    kubo = started.kubo(two, "tcp", psk=psk)
    assert kubo.address("tcp") in sees(daemon.process, kubo.peer)["addresses"]
    sees(daemon.process, kubo.peer, event="connected")
    wait_until(lambda: daemon.peer in kubo.peers(), SOON, "kubo's connection")


def test_python_zeroconf_reads_our_answers(lan, started):
    one, two = lan.host(), lan.host()
    browser = started.script(two, "zeroconf_main.py", "browse", two.address)
    daemon = ours.Daemon(f"/ip4/{one.address}/tcp/0", options=["--mdns"], wrapper=one.inside)
    try:
        found = browser.wait_for("found", timeout=10)
        assert found["texts"]["dnsaddr"] == daemon.address
        assert found["addresses"] == [one.address]
        assert str(found["port"]) == daemon.address.split("/")[4]
        assert 32 <= len(found["name"].split(".")[0]) <= 63
    finally:
        assert daemon.stop() == 0
    assert browser.wait_for("removed", timeout=10)["name"] == found["name"]


def test_we_read_python_zeroconf(lan, started):
    one, two = lan.host(), lan.host()
    peer = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
    address = f"/ip4/{two.address}/tcp/4500/p2p/{peer}"
    started.script(two, "zeroconf_main.py", "advertise", two.address, address)
    assert sees(started.discover(one), peer)["addresses"] == [address]


@pytest.mark.skipif(not avahi.is_here(), reason="no avahi here")
def test_beside_avahi_which_sees_the_service(lan, started, tmp_path):
    """avahi runs on the same host as one of our nodes, and on the same port."""
    one, two = lan.host(), lan.host()
    near, far = started.daemon(one), started.daemon(two)
    responder = avahi.Avahi(one, tmp_path)
    try:
        wanted = {near.address, far.address}
        end = time.monotonic() + 20
        while time.monotonic() < end:
            lines = [line for line in responder.browse("_p2p._udp") or [] if line.startswith("=")]
            if all(any(f"dnsaddr={address}" in line for line in lines) for address in wanted):
                break
            time.sleep(0.5)
        else:
            pytest.fail("\n".join(lines))
        assert any("_p2p._udp" in line for line in responder.browse("--all") or [])
        late = started.daemon(lan.host())
        sees(near.process, late.peer, event="connected")
    finally:
        responder.stop()


def test_over_ipv6_alone(lan, started):
    """No IPv4 at all: the packets go to ff02::fb, from link-local addresses."""
    daemons, hosts = [], [lan.host() for _ in range(3)]
    for number, host in enumerate(hosts, 1):
        host.run("ip", "-4", "address", "flush", "dev", "eth0")
        host.run("ip", "-6", "address", "add", f"fd77::{number}/64", "dev", "eth0", "nodad")
        daemon = ours.Daemon(f"/ip6/fd77::{number}/tcp/0", options=["--mdns"], wrapper=host.inside)
        daemons.append(daemon)
    try:
        # The link-local addresses have to be found unique first, which takes a second or two.
        for one in daemons:
            for other in daemons:
                if one is not other:
                    assert sees(one.process, other.peer, timeout=10)["addresses"] == [other.address]
                    sees(one.process, other.peer, event="connected", timeout=10)
    finally:
        assert [daemon.stop() for daemon in daemons] == [0, 0, 0]


def test_a_private_network_is_among_itself(lan, started, tmp_path):
    key = tmp_path / "swarm.key"
    assert ours.run("key", "psk", "--out", key).code == 0
    public = started.daemon(lan.host())
    members = [started.daemon(lan.host(), "--psk", key) for _ in range(2)]
    sees(members[0].process, members[1].peer, event="connected")
    sees(members[1].process, members[0].peer)
    late = started.daemon(lan.host())
    sees(public.process, late.peer)
    assert {item["peer"] for item in public.process.all("discovered")} == {late.peer}
    for member, other in (members, members[::-1]):
        assert {item["peer"] for item in member.process.all("discovered")} == {other.peer}


def test_idle_nodes_are_quiet(lan, started):
    """At most 20 packets a minute of each; measured once the first questions are over."""
    seconds = 300 if os.environ.get("SOAK") else 18
    first, watcher = lan.host(), lan.host()
    daemon = started.daemon(first)
    others = [started.daemon(lan.host()) for _ in range(2)]
    for other in others:
        sees(daemon.process, other.peer)
    time.sleep(8)
    counter = started.script(watcher, "mdns_count_main.py", watcher.address, seconds, first.address)
    counted = counter.wait_for("counted", timeout=seconds + 20)
    assert counted["packets"] <= 20 * seconds / 60, counted
    print(f"{counted['packets']} packets in {seconds} s")
    # It heard the others, so it would have heard this one.
    mark = others[0].process.mark()
    late = started.daemon(lan.host())
    sees(daemon.process, late.peer)
    sees(others[0].process, late.peer, after=mark)
