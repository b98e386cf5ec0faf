"""WebSocket with every rule broken: heads, frames, masks, lengths. The honest peer pings over a WebSocket, too."""

import base64
import os
import time

import pytest

from .conftest import Target, times
from .websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket, frame, read_head, request
from .wire import ECHO, NOISE, YAMUX, Ended, Key, Link, Yamux, initiate, propose, token

MIB = 1024 * 1024
DEADLINE = 10
"""Seconds that a daemon gives an arrival for all of its handshakes."""
KEY = base64.b64encode(bytes(16)).decode()


@pytest.fixture(scope="module")
def target(keys):
    target = Target(keys, listen=["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"])
    yield target
    target.stop()


@pytest.fixture
def web(target):
    parts = target.address.split("/")
    return parts[2], int(parts[4])


def answer(web, data):
    """What the daemon says to bytes of a handshake; it must hang up behind it, at once."""
    with Link(web) as link:
        link.send(data)
        text = b""
        try:
            while True:
                text += link.receive()
        except Ended:
            return text


class TestHandshakes:
    def test_a_whole_conversation(self, attack, web):
        """What the other tests break works when nothing is broken."""
        with WebSocket(web) as socket:
            assert propose(socket, NOISE) == NOISE
            channel = initiate(socket, Key())
            assert propose(channel, YAMUX) == YAMUX
            stream = Yamux(channel).open(ECHO)
            stream.send(b"x" * 1000)
            assert stream.receive_exactly(1000) == b"x" * 1000

    def test_compression_is_not_agreed_to(self, attack, web):
        with WebSocket(web, fields=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]) as socket:
            assert b"extensions" not in socket.response.lower()
            assert propose(socket, NOISE) == NOISE

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"426"),
            (request(KEY).replace(b"GET", b"PUT"), b"405"),
            (request(KEY).replace(b"13", b"12"), b"426"),
            (request("AAAA"), b"400"),
            (request(KEY).replace(b"Host: localhost\r\n", b""), b"400"),
            (request(KEY, fields=["Content-Length: 5"]), b"400"),
        ],
        ids=["no-upgrade", "method", "version", "key", "host", "body"],
    )
    def test_refused(self, attack, web, data, status):
        assert answer(web, data).startswith(b"HTTP/1.1 " + status)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (token("/multistream/1.0.0"), "control character"),
            (bytes.fromhex("16030100c4010000c00303") + bytes(200), "control character"),
            (b"GET / HTTP/1.1\nHost: a\n\n", "without a carriage return"),
            (b"GET / HTTP/1.1\r\n" + b"a" * 20_000, "longer than 16384"),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2_000, "more than 100 fields"),
            (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", "is not a field"),
        ],
        ids=["raw-libp2p", "tls", "bare-lf", "huge", "many-fields", "folded"],
    )
    def test_malformed(self, attack, web, data, reason):
        attack.must_log(reason)
        assert answer(web, data) == b""

    def test_slow_heads_end_at_the_deadline(self, attack, web):
        attack.must_log("not done by their deadline")
        started = time.monotonic()
        links = [Link(web) for _ in range(20)]
        try:
            data = request(KEY)
            for index in range(DEADLINE + 4):
                for link in links:
                    try:
                        link.send(data[index : index + 1])
                    except Ended:
                        pass
                time.sleep(0.95)
            for link in links:
                assert link.how_it_ends(within=3) is not None
        finally:
            for link in links:
                link.close()
        assert time.monotonic() - started >= DEADLINE

    def test_one_byte_at_a_time(self, attack, web):
        with Link(web) as link:
            link.send_by_the_byte(request(KEY))
            assert read_head(link).startswith(b"HTTP/1.1 101 ")

    def test_cut_anywhere(self, attack, web):
        data = request(KEY)
        for cut in range(0, len(data), times(11, 1)):
            with Link(web) as link:
                link.send(data[:cut])
                link.reset()


class TestFrames:
    @pytest.mark.parametrize(
        ("data", "code", "reason"),
        [
            (frame(BINARY, b"x", rsv=4), 1002, "reserved bits"),
            (frame(BINARY, b"x", rsv=2), 1002, "reserved bits"),
            (frame(BINARY, b"x", rsv=1), 1002, "reserved bits"),
            (frame(3, b"x"), 1002, "reserved opcode 0x3"),
            (frame(15, b"x"), 1002, "reserved opcode 0xf"),
            (frame(BINARY, b"x", masked=False), 1002, "not masked"),
            (frame(TEXT, b"x"), 1003, "text frame"),
            (frame(CONTINUATION, b"x"), 1002, "continues nothing"),
            (frame(BINARY, b"\x13", fin=False) + frame(BINARY, b"x"), 1002, "new message begins"),
            (frame(PING, fin=False), 1002, "fragmented"),
            (frame(PING, bytes(126)), 1002, "longer than 125"),
            (frame(BINARY, length=1), 1002, "instead of fewer"),
            (frame(BINARY, length=1 << 63), 1002, "highest bit"),
            (frame(BINARY, length=(1 << 64) - 1), 1002, "highest bit"),
            (frame(CLOSE, b"\x03"), 1002, "half a code"),
            (frame(CLOSE, b"\x03\xec"), 1002, "code 1004"),
            (frame(CLOSE, b"\x03\xe8\xff"), 1007, "not UTF-8"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_refused(self, attack, web, data, code, reason):
        attack.must_log(reason)
        with WebSocket(web) as socket:
            socket.link.send(data)
            assert socket.close_code() == code
            assert socket.link.how_it_ends(5) is not None

    def test_a_frame_of_2_to_the_63(self, attack, web):
        """Its bytes are used as they come; nothing is reserved for the rest."""
        with WebSocket(web) as socket:
            socket.send_frame(BINARY, length=(1 << 63) - 1, key=bytes(4))
            socket.link.send(token("/multistream/1.0.0") + token(NOISE))
            assert propose_answered(socket)

    def test_fragments_without_end(self, attack, web):
        with WebSocket(web) as socket:
            socket.send_frame(BINARY, fin=False)
            for byte in token("/multistream/1.0.0") + token(NOISE):
                socket.send_frame(CONTINUATION, bytes([byte]), fin=False)
                socket.send_frame(PING, b"?")
            assert propose_answered(socket)

    def test_empty_frames_without_end(self, attack, web):
        attack.must_log("carried nothing")
        with WebSocket(web) as socket:
            flood(socket, frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) * 2_000)
            assert socket.close_code() == 1008

    @pytest.mark.parametrize("opcode", [PING, PONG])
    def test_control_frames_without_end(self, attack, web, opcode):
        attack.must_log("carried nothing")
        with WebSocket(web) as socket:
            flood(socket, frame(opcode, bytes(125)) * 2_000)
            assert socket.close_code() == 1008

    def test_pings_are_answered(self, attack, web):
        with WebSocket(web) as socket:
            for index in range(50):
                payload = os.urandom(index)
                socket.send_frame(PING, payload)
                assert socket.receive_frame() == (PONG, payload)

    def test_a_close_is_answered(self, attack, web):
        with WebSocket(web) as socket:
            socket.send_frame(CLOSE, b"\x03\xe8bye")
            assert socket.close_code() == 1000
            assert socket.link.how_it_ends(2) is not None

    def test_cut_anywhere(self, attack, web):
        data = frame(BINARY, token("/multistream/1.0.0") + token(NOISE))
        for cut in range(0, len(data), times(5, 1)):
            with WebSocket(web) as socket:
                socket.link.send(data[:cut])
                socket.link.reset()


def propose_answered(socket):
    expected = token("/multistream/1.0.0") + token(NOISE)
    return socket.receive_exactly(len(expected)) == expected


def flood(socket, data):
    """The daemon may hang up in the middle."""
    try:
        socket.link.send(data)
    except Ended:
        pass
