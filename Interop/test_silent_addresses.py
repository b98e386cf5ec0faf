"""Addresses that swallow packets keep nobody from the one that works, and connections that died unnoticed keep no places."""

import os
import signal
import time

import pytest

from peers import ours

SOON = 5
"""A good address is reached within 2 s; two busy cores take a little longer."""
ROOM = 10
"""Dead connections are asked for 3 s."""


def _tcp(host):
    return f"/ip4/{host}/tcp/4001"


def _udp(host):
    return f"/ip4/{host}/udp/4001/quic-v1"


def _is_connected(peer):
    return lambda item: item.get("event") == "connected" and item["peer"] == peer


@pytest.mark.parametrize("dead", [[_tcp], [_udp, _tcp]], ids=["tcp", "udp-and-tcp"])
@pytest.mark.parametrize("count", [14, 100])
def test_the_address_that_works_is_reached_among_silent_ones(lan, count, dead):
    near, far = lan.host(), lan.host()
    # The far side forwards nothing, so whatever goes there vanishes.
    near.run("ip", "route", "add", "192.168.0.0/16", "via", far.address)
    there = ours.Daemon(f"/ip4/{far.address}/tcp/0", wrapper=far.inside)
    silent = [dead[n % len(dead)](f"192.168.{n}.2") + f"/p2p/{there.peer}" for n in range(1, count)]
    options = [part for address in [*silent, there.address] for part in ("--bootstrap", address)]
    here = ours.Daemon(f"/ip4/{near.address}/tcp/0", options=options, wrapper=near.inside)
    started = time.monotonic()
    try:
        here.process.wait_for(_is_connected(there.peer), timeout=SOON)
        print(f"connected after {time.monotonic() - started:.1f} s")
    finally:
        assert (here.stop(), there.stop()) == (0, 0)


def test_a_phone_that_changes_networks_is_let_in_again_and_again(lan, keys):
    near, far = lan.host(), lan.host()
    there = ours.Daemon(f"/ip4/{far.address}/tcp/0", wrapper=far.inside)
    key = keys("ed25519")
    try:
        for number in range(11):
            mark = there.process.mark()
            here = ours.Daemon(key=key, options=["--bootstrap", there.address], wrapper=near.inside)
            there.process.wait_for(_is_connected(here.peer), timeout=ROOM, after=mark)
            # The old network is gone before anything can be said over it.
            lan.unplug(near, f"eth{number}")
            os.kill(here.pid, signal.SIGKILL)
            here.process.process.wait()
            lan.plug(near, f"eth{number + 1}")
        assert there.stats()["connections"] <= 8
    finally:
        assert there.stop() == 0
