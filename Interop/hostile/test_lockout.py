"""Strangers who take all places for arrivals keep nobody out: whoever has shown least for longest makes room."""

import contextlib
import pathlib
import subprocess
import sys
import time

import pytest

from peers import ours

from .conftest import times

ATTACK = pathlib.Path(__file__).with_name("lockout_main.py")
DIAL = times(in_ci=10, in_soak=2)
"""Seconds that an honest dial may take; on an idle machine it is a few milliseconds, and somebody who is kept out never comes in."""
FEW, MANY = 4, 250
KINDS = {
    # What is listened on, what is attacked: addresses, connections of each.
    "silent": ("/tcp/4001", (), "silent", FEW, 64),
    "silent-on-a-shared-port": ("/tcp/4001", ("--share-port",), "silent", FEW, 64),
    "drips": ("/tcp/4001", (), "drips", FEW, 250),
    "connects": ("/tcp/4001", (), "connects", MANY, 16),
    "connects-on-a-shared-port": ("/tcp/4001", ("--share-port",), "connects", MANY, 16),
    "upgrades": ("/tcp/4001/ws", (), "upgrades", FEW, 100),
    "upgrades-on-a-shared-port": ("/tcp/4001", ("--share-port",), "upgrades", FEW, 100),
    "quic": ("/udp/4001/quic-v1", (), "quic", FEW, 64),
}


@pytest.fixture
def network(lan):
    """Three hosts that see each other, and the addresses that the third has."""
    near, strangers, friend = lan.host(), lan.host(), lan.host()
    for host in (near, strangers, friend):
        host.run("ip", "route", "add", "10.78.0.0/16", "dev", "eth0")
    sources = [f"10.78.1.{number + 1}" for number in range(MANY)]
    batch = "".join(f"address add {source}/32 dev eth0\n" for source in sources)
    subprocess.run([*strangers.inside, "ip", "-batch", "-"], input=batch, text=True, check=True, timeout=20)
    friend.run("ip", "address", "add", "10.78.2.1/32", "dev", "eth0")
    return near, strangers, friend, sources


@contextlib.contextmanager
def attacked(network, listen, options, attack, sources, count):
    """A daemon, while each of those addresses of the strangers attacks it; it has to end by itself under the attack, too."""
    near, strangers, _, _ = network
    daemon = ours.Daemon(f"/ip4/{near.address}{listen}", options=options, wrapper=near.inside)
    arguments = [sys.executable, ATTACK, attack, near.address, 4001, count, 60, *sources]
    attacker = subprocess.Popen([*strangers.inside, *map(str, arguments)], stdout=subprocess.DEVNULL)
    try:
        yield daemon
    finally:
        code = daemon.stop(grace=times(in_ci=15, in_soak=5))
        attacker.kill()
        attacker.wait()
        assert code == 0, daemon.process.report()


def dial_as_a_friend(daemon, friend):
    for _ in range(3):
        outcome = ours.run("ping", daemon.address, "--count", 1, "--timeout", DIAL, "--json", wrapper=friend.inside)
        assert outcome.code == 0, outcome


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_dial_comes_through(network, kind):
    _, _, friend, sources = network
    listen, options, attack, addresses, count = KINDS[kind]
    with attacked(network, listen, options, attack, sources[:addresses], count) as daemon:
        deadline = time.monotonic() + 20
        while daemon.stats()["pending"] < 200 and attack != "quic" and "--share-port" not in options:
            assert time.monotonic() < deadline, daemon.stats()
            time.sleep(0.2)
        time.sleep(1)
        dial_as_a_friend(daemon, friend)


def test_places_of_their_own_for_those_who_are_allowed(network):
    """With a single place for strangers, which they fight for, a friend's is its own."""
    _, _, friend, sources = network
    options = ["--limit", "pendingInbound=1", "--allow", f"{friend.address}/32"]
    with attacked(network, "/tcp/4001", options, "silent", sources[:FEW], 16) as daemon:
        time.sleep(1)
        dial_as_a_friend(daemon, friend)
