"""Floods against a QUIC socket; an honest peer beside them notices nothing."""

import os
import socket
import time

import pytest

from peers import ours

MIB = 1024 * 1024
RATE = 20_000


@pytest.fixture
def daemon(keys):
    node = ours.Daemon("/ip4/127.0.0.1/udp/0/quic-v1", key=keys("ed25519"))
    yield node
    assert node.stop() == 0, node.process.report()


@pytest.fixture
def honest(daemon, keys):
    arguments = ["ping", daemon.address, "--count", 1_000_000, "--interval", 0.2, "--json", "--key", keys("secp256k1")]
    process = ours.JSONProcess([ours.BINARY, *arguments], environment=ours.environment())
    process.wait_for(lambda item: item.get("sequence") == 3)
    yield process
    process.stop()


def endpoint(daemon):
    parts = daemon.address.split("/")
    return parts[2], int(parts[4])


def flood(daemon, make, seconds=3):
    """Sends what `make(number)` returns at RATE, and counts the bytes both ways."""
    sent = received = number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pipe:
        pipe.connect(endpoint(daemon))
        pipe.setblocking(False)
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            while number < RATE * elapsed:
                packet = make(number)
                number += 1
                try:
                    sent += pipe.send(packet)
                except (BlockingIOError, ConnectionRefusedError):
                    pass
            while True:
                try:
                    received += len(pipe.recv(65536))
                except (BlockingIOError, ConnectionRefusedError):
                    break
            time.sleep(0.001)
    return sent, received


def initial(number, version=1):
    """A padded Initial with a connection id of its own, and nonsense where its keys would be needed."""
    header = b"\xc3" + version.to_bytes(4, "big") + b"\x08" + number.to_bytes(8, "big") + b"\x08" + os.urandom(8)
    # No token; the rest of the datagram is its payload.
    payload = 1200 - len(header) - 3
    return header + b"\x00" + (0x4000 | payload).to_bytes(2, "big") + os.urandom(payload)


KINDS = {
    "noise": lambda number: os.urandom(64 + number % 1200),
    "initials": initial,
    "versions": lambda number: initial(number, version=0x1A2A3A4A),
    "short-headers": lambda number: b"\x40" + os.urandom(60),
    "handshakes": lambda number: b"\xe3" + initial(number)[1:],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_leaves_the_honest_alone(daemon, honest, keys, kind):
    before = daemon.stats()
    mark = len(honest.all("pong"))
    sent, received = flood(daemon, KINDS[kind])
    assert received <= 3 * sent, "nobody is amplified"
    honest.wait_for(lambda item: item.get("event") == "pong" and item["sequence"] > mark + 3, timeout=10)
    sequences = [pong["sequence"] for pong in honest.all("pong")]
    assert sequences == list(range(1, len(sequences) + 1)), "the honest peer lost pings"
    # Whoever proves the address still gets in.
    outcome = ours.run("ping", daemon.address, "--count", 1, "--key", keys("ecdsa"), "--json")
    assert outcome.code == 0, outcome
    deadline = time.monotonic() + 20
    while (stats := daemon.stats())["pending"] > before["pending"] or stats["connections"] > 1:
        assert time.monotonic() < deadline, f"left behind: {stats}"
        time.sleep(0.2)
    assert stats["fds"] == before["fds"]
    assert stats["rss_bytes"] - before["rss_bytes"] <= 16 * MIB


def test_garbage_on_a_live_connection_is_dropped(daemon, honest):
    """Packets from elsewhere that guess at connection ids change nothing."""
    flood(daemon, lambda number: b"\x40" + number.to_bytes(8, "big") + os.urandom(1100), seconds=1)
    mark = len(honest.all("pong"))
    honest.wait_for(lambda item: item.get("event") == "pong" and item["sequence"] > mark + 3, timeout=10)
    assert daemon.stats()["connections"] == 1
