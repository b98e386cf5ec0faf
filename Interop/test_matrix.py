"""Every real node, in both directions, on every stack, with every key type of ours."""

import os

import pytest

from conftest import CELLS
from peers import ours

MIB = 1024 * 1024
PROTOCOLS = {"/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/echo/1.0.0"}

SECURITY = {"noise": "/noise", "tls": "/tls/1.0.0", "plaintext": "/plaintext/2.0.0"}
MUXER = {"yamux": "/yamux/1.0.0", "mplex": "/mplex/6.7.0"}

pytestmark = pytest.mark.parametrize(("stack", "peer", "key_type"), CELLS)


def size_of_a_large_echo(stack, peer, key_type):
    """Many windows and records. py-libp2p takes some seconds for 10 MiB, and its QUIC many; a key is proved before the first byte of them."""
    return (2 if peer == "py" and (key_type != "ed25519" or stack.transport == "quic-v1") else 10) * MIB


def dial(command, address, stack, key, *arguments, **settings):
    outcome = ours.run(command, address, "--key", key, *stack.options, *arguments, **settings)
    assert outcome.code == 0, outcome
    return outcome


class TestWeDial:
    def test_ping(self, nodes, keys, stack, peer, key_type):
        node = nodes.peer(peer, stack)
        outcome = dial("ping", node.address, stack, keys(key_type), "--count", 3, "--interval", 0.05, "--json")
        assert [pong["sequence"] for pong in outcome.objects if pong["event"] == "pong"] == [1, 2, 3]
        summary = outcome.event("summary")
        assert (summary["peer"], summary["sent"], summary["received"]) == (node.peer, 3, 3)
        assert 0 < summary["min_ms"] <= summary["median_ms"] <= summary["max_ms"]
        if stack.security:
            assert summary["security"] == SECURITY[stack.security]
            assert summary["muxer"] == MUXER[stack.muxer]
            assert summary["early_muxer"] in ([False] if stack.security == "plaintext" else [True, False])

    def test_identify(self, nodes, keys, stack, peer, key_type):
        node = nodes.peer(peer, stack)
        about = dial("identify", node.address, stack, keys(key_type), "--json").objects[-1]
        assert about["peer"] == node.peer
        assert about["agent"].startswith(node.agent)
        assert PROTOCOLS <= set(about["protocols"])
        if peer == "py" and stack.transport in ("ws", "wss"):
            # It does not know where a WebSocket comes from.
            assert about["observed"] is None
        else:
            assert about["observed"].startswith("/ip4/127.0.0.1/")
        port = node.address.split("/p2p/")[0]
        assert any(address.startswith(port) for address in about["addresses"])
        assert about["signed_record"] is True

    def test_echo(self, nodes, keys, stack, peer, key_type):
        node = nodes.peer(peer, stack)
        outcome = dial("echo", node.address, stack, keys(key_type), "--message", "hello over there")
        assert outcome.stdout.rstrip(b"\n") == b"hello over there"

    def test_a_large_echo(self, nodes, keys, stack, peer, key_type):
        node, payload = nodes.peer(peer, stack), os.urandom(size_of_a_large_echo(stack, peer, key_type))
        outcome = dial("echo", node.address, stack, keys(key_type), stdin=payload, timeout=100)
        assert len(outcome.stdout) == len(payload)
        assert ours.digest(outcome.stdout) == ours.digest(payload)


class TestWeListen:
    def test_ping(self, nodes, stack, peer, key_type):
        daemon = nodes.ours(stack, key_type)
        assert len(nodes.dialer(peer, stack).ping(daemon.address, count=3)) == 3

    def test_identify(self, nodes, stack, peer, key_type):
        daemon = nodes.ours(stack, key_type)
        about = nodes.dialer(peer, stack).identify(daemon.address)
        assert about["peer"] == daemon.peer
        assert "p2p" in about["agent"]
        assert PROTOCOLS <= set(about["protocols"])
        assert about["observed"].startswith("/ip4/127.0.0.1/")
        assert daemon.address.split("/p2p/")[0] in [address.split("/p2p/")[0] for address in about["addresses"]]
        assert about["signed_record"] is True

    def test_a_large_echo(self, nodes, stack, peer, key_type):
        size = size_of_a_large_echo(stack, peer, key_type)
        sent, received = nodes.dialer(peer, stack).echo(nodes.ours(stack, key_type).address, size)
        assert received == sent

    def test_events(self, nodes, stack, peer, key_type):
        daemon, node = nodes.ours(stack, key_type), nodes.dialer(peer, stack)
        # A node that is connected still would ping over that connection.
        daemon.wait_until_without(node.peer)
        mark = daemon.process.mark()
        node.ping(daemon.address, count=1)
        from_peer = lambda event: lambda item: item.get("event") == event and item.get("peer") == node.peer  # noqa: E731
        connected = daemon.process.wait_for(from_peer("connected"), after=mark)
        assert connected["direction"] == "inbound"
        assert connected["address"].startswith("/ip4/127.0.0.1/")
        if stack.security:
            assert (connected["security"], connected["muxer"]) == (SECURITY[stack.security], MUXER[stack.muxer])
        disconnected = daemon.process.wait_for(from_peer("disconnected"), after=mark)
        assert disconnected["reason"]
