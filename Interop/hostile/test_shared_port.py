"""One port for all, and those who don't say what they are."""

import time

import pytest

from peers import ours

from .conftest import Target
from .websocket import WebSocket, request
from .wire import NOISE, Ended, Link, propose

WAITING = 256
"""Connections that may be silent at a time."""
PATIENCE = 10
"""Seconds that they have."""


@pytest.fixture(scope="module")
def target(keys):
    target = Target(keys, daemon_options=["--share-port"])
    yield target
    target.stop()


def say(endpoint, data):
    """What comes back until the daemon hangs up."""
    with Link(endpoint) as link:
        text = b""
        try:
            link.send(data)
            while True:
                text += link.receive()
        except Ended:
            return text


class TestFirstBytes:
    def test_each_kind(self, attack):
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
        with WebSocket(attack.endpoint) as socket:
            assert propose(socket, NOISE) == NOISE
        assert say(attack.endpoint, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 404 ")

    @pytest.mark.parametrize(
        "data",
        [b"\0", b"\x13/multistreax", b"\x16\x03\x01", b"get / HTTP/1.1\r\n", b"SSH-2.0-x\r\n\r\n", b"\xff" * 4096],
        ids=["zero", "almost-libp2p", "tls-without-a-certificate", "lower-case", "ssh", "ones"],
    )
    def test_what_is_nothing(self, attack, data):
        attack.must_log("came to nothing")
        assert say(attack.endpoint, data) == b""

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ("Content-Length: 99999999", b"413"),
            ("Content-Length: -5", b"413"),
            ("Content-Length: +5", b"413"),
            ("Content-Length: 5\r\nContent-Length: 6", b"413"),
            ("Transfer-Encoding: chunked", b"411"),
        ],
    )
    def test_content_that_is_too_much(self, attack, fields, status):
        data = f"POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n".encode()
        assert say(attack.endpoint, data).startswith(b"HTTP/1.1 " + status)

    def test_a_refusal_arrives_though_nobody_read_the_content(self, attack):
        data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n" + bytes(8 * 1024 * 1024)
        assert say(attack.endpoint, data).startswith(b"HTTP/1.1 413 ")

    def test_one_byte_at_a_time(self, attack):
        with Link(attack.endpoint) as link:
            link.send_by_the_byte(request("AAAAAAAAAAAAAAAAAAAAAA=="))
            assert link.receive_exactly(12) == b"HTTP/1.1 101"


def test_a_private_network_shares_no_port(tmp_path):
    key = tmp_path / "swarm.key"
    assert ours.run("key", "psk", "--out", key).code == 0
    outcome = ours.run("daemon", "--listen", "/ip4/127.0.0.1/tcp/0", "--share-port", "--psk", key)
    assert outcome.code != 0
    assert "shares no port" in outcome.stderr


@pytest.mark.memory(4)
def test_silence_has_a_bound_and_an_end(attack):
    attack.must_log("have not said yet what they are")
    started = time.monotonic()
    links = [Link(attack.endpoint) for _ in range(WAITING + 50)]
    try:
        time.sleep(2)
        assert sum(link.has_input() for link in links) == 50
        time.sleep(max(0, started + PATIENCE + 2 - time.monotonic()))
        assert all(link.has_input() for link in links)
        for link in links:
            assert link.how_it_ends(1) is not None
    finally:
        for link in links:
            link.close()
