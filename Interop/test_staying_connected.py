"""A daemon with `--bootstrap` finds its peer when it comes, and again after every loss."""

import os
import signal
import time

from peers import ours
from peers.ports import free_port

SOON = 5


def connected(daemon, peer, after=0):
    return daemon.process.wait_for(
        lambda item: item.get("event") == "connected" and item["peer"] == peer, timeout=SOON, after=after
    )


def test_a_lost_peer_is_dialled_again(keys):
    key = keys("ed25519")
    listen = f"/ip4/127.0.0.1/tcp/{free_port()}"
    far = ours.Daemon(listen, key=key)
    address, peer = far.address, far.peer
    near = ours.Daemon(options=["--bootstrap", address])
    try:
        connected(near, peer)
        for end in (signal.SIGTERM, signal.SIGKILL):
            mark = near.process.mark()
            os.kill(far.pid, end)
            near.process.wait_for("disconnected", after=mark, timeout=SOON)
            far.process.process.wait()
            # Long enough for several dials to fail.
            time.sleep(4)
            mark = near.process.mark()
            far = ours.Daemon(listen, key=key)
            connected(near, peer, after=mark)
    finally:
        codes = near.stop(), far.stop()
    assert codes == (0, 0)


def test_a_peer_that_is_not_there_yet(keys):
    listen = f"/ip4/127.0.0.1/tcp/{free_port()}"
    first = ours.Daemon(listen, key=keys("secp256k1"))
    address, peer = first.address, first.peer
    assert first.stop() == 0
    near = ours.Daemon(options=["--bootstrap", address])
    try:
        time.sleep(3)
        far = ours.Daemon(listen, key=keys("secp256k1"))
        try:
            connected(near, peer)
        finally:
            assert far.stop() == 0
    finally:
        assert near.stop() == 0


def test_a_bootstrap_address_must_name_its_peer():
    outcome = ours.run("daemon", "--bootstrap", "/ip4/127.0.0.1/tcp/4001")
    assert outcome.code == 64
    assert "/p2p/" in outcome.stderr


def test_what_is_dialled_at_the_start_leaves_from_the_port_that_listens():
    """It isn't dialled before: a router would keep another port open, and peers would tell of that."""
    far = ours.Daemon("/ip4/127.0.0.1/udp/0/quic-v1")
    nears = []
    try:
        for _ in range(8):
            mark = far.process.mark()
            near = ours.Daemon("/ip4/127.0.0.1/udp/0/quic-v1", options=["--bootstrap", far.address])
            nears.append(near)
            assert far.process.wait_for("connected", after=mark, timeout=SOON)["address"] == near.address.split("/p2p/")[0]
    finally:
        codes = [daemon.stop() for daemon in [*nears, far]]
    assert codes == [0] * 9
