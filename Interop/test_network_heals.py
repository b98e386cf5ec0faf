"""A network that goes away and comes back: who is to stay connected is connected again within seconds."""

import time

import pytest

from peers import ours

NOTICED = 60
"""A dead peer is noticed within 45 s; two busy cores take a little longer."""
SOON = 5


def _the_cable(lan, near, far):
    """The far side's cable is pulled: nothing changes on this machine."""
    far.run("ip", "link", "set", "eth0", "down")
    return lambda: far.run("ip", "link", "set", "eth0", "up")


def _the_interface(lan, near, far):
    """This machine's own interface goes away, and its address with it."""
    lan.unplug(near)
    return lambda: lan.plug_back(near)


@pytest.mark.parametrize("takes_away", [_the_cable, _the_interface])
def test_redialled_within_seconds_after_the_network_heals(lan, takes_away):
    near, far = lan.host(), lan.host()
    there = ours.Daemon(f"/ip4/{far.address}/tcp/0", wrapper=far.inside)
    here = ours.Daemon(f"/ip4/{near.address}/tcp/0", options=["--bootstrap", there.address], wrapper=near.inside)
    try:
        here.process.wait_for(lambda item: item.get("event") == "connected" and item["peer"] == there.peer, timeout=SOON)
        mark = here.process.mark()
        put_back = takes_away(lan, near, far)
        here.process.wait_for("disconnected", after=mark, timeout=NOTICED)
        time.sleep(5)
        mark = here.process.mark()
        put_back()
        started = time.monotonic()
        here.process.wait_for(
            lambda item: item.get("event") == "connected" and item["peer"] == there.peer, after=mark, timeout=SOON
        )
        print(f"connected again {time.monotonic() - started:.1f} s after the network was back")
    finally:
        assert (here.stop(), there.stop()) == (0, 0)
