"""A WebSocket client made by hand, so that it can be made to lie."""

import base64
import hashlib
import os
import struct

from .wire import Buffered, Link

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def request(key, *, path="/", host="localhost", fields=()):
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *fields,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(opcode, payload=b"", *, fin=True, rsv=0, masked=True, length=None, key=None):
    """A frame; `length` says another one than the payload has, in eight bytes."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask = 0x80 if masked else 0
    if length is not None:
        head += bytes([mask | 127]) + struct.pack(">Q", length)
    elif len(payload) < 126:
        head += bytes([mask | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([mask | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4) if key is None else key
    spread = (key * (len(payload) // 4 + 1))[: len(payload)]
    return head + key + bytes(a ^ b for a, b in zip(payload, spread))


class WebSocket(Buffered):
    """A link whose handshake is done; as a source and sink of bytes it can carry everything that `wire` makes."""

    def __init__(self, endpoint, *, fields=()):
        super().__init__()
        self.link = Link(endpoint)
        key = base64.b64encode(os.urandom(16)).decode()
        self.link.send(request(key, fields=fields))
        self.response = read_head(self.link)
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
        assert self.response.startswith(b"HTTP/1.1 101 "), self.response
        assert b"Sec-WebSocket-Accept: " + accept in self.response, self.response

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def patience(self, seconds):
        return self.link.patience(seconds)

    def has_input(self):
        return bool(self._buffer) or self.link.has_input()

    def send(self, data):
        self.link.send(frame(BINARY, data))

    def send_frame(self, opcode, payload=b"", **options):
        self.link.send(frame(opcode, payload, **options))

    def receive_frame(self):
        """Opcode and payload of the next frame, which must keep to the rules."""
        first, second = self.link.receive_exactly(2)
        assert first & 0x70 == 0, f"reserved bits in {first:#x}"
        assert second & 0x80 == 0, "a server does not mask"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.link.receive_exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.link.receive_exactly(8))
        return first & 0x0F, self.link.receive_exactly(length)

    def _more(self):
        while True:
            opcode, payload = self.receive_frame()
            if opcode in (BINARY, CONTINUATION) and payload:
                return payload

    def close_code(self):
        """The code of the close frame that comes next, other frames aside."""
        while True:
            opcode, payload = self.receive_frame()
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0] if payload else None


def read_head(link):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += link.receive_exactly(1)
    return head
