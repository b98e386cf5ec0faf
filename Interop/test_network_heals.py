"""A network that goes away and comes back: who is to stay connected is connected again within seconds."""

import contextlib
import time

import pytest

from conftest import local_network
from peers import ours

NOTICED = 60
"""A dead peer is noticed within 45 s; two busy cores take a little longer."""
SOON = 5


def the_cable(lan, near, far):
    """The far side's cable is pulled: nothing changes on this machine."""
    far.run("ip", "link", "set", "eth0", "down")
    return lambda: far.run("ip", "link", "set", "eth0", "up")


def the_interface(lan, near, far):
    """This machine's own interface goes away, and its address with it."""
    lan.unplug(near)
    return lambda: lan.plug_back(near)


WAYS = {"the-cable": the_cable, "the-interface": the_interface}


class Parted:
    """Two nodes of ours, of which one is to stay connected to the other, and whose network has been taken away."""

    def __init__(self, lan, take_away):
        near, far = lan.host(), lan.host()
        self.there = ours.Daemon(f"/ip4/{far.address}/tcp/0", wrapper=far.inside)
        self.here = ours.Daemon(f"/ip4/{near.address}/tcp/0", options=["--bootstrap", self.there.address], wrapper=near.inside)
        self.wait_until_connected(after=0)
        self.mark = self.here.process.mark()
        self.put_back = take_away(lan, near, far)

    def wait_until_connected(self, after):
        self.here.process.wait_for(
            lambda item: item.get("event") == "connected" and item["peer"] == self.there.peer, after=after, timeout=SOON
        )


@pytest.fixture(scope="module")
def parted():
    """Both at once: it takes a minute until they notice."""
    with contextlib.ExitStack() as undo:
        yield {name: Parted(undo.enter_context(local_network()), take_away) for name, take_away in WAYS.items()}


@pytest.mark.parametrize("way", WAYS)
def test_redialled_within_seconds_after_the_network_heals(parted, way):
    pair = parted[way]
    try:
        pair.here.process.wait_for("disconnected", after=pair.mark, timeout=NOTICED)
        time.sleep(5)
        mark = pair.here.process.mark()
        pair.put_back()
        pair.wait_until_connected(after=mark)
    finally:
        assert (pair.here.stop(), pair.there.stop()) == (0, 0)
