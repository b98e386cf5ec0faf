"""Servers that are no WebSockets, or bad ones, to whom we dial."""

import base64
import hashlib
import socket
import threading
import time

import pytest

from peers import ours

from .websocket import BINARY, CLOSE, GUID, PING, TEXT, frame

PEER = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
TIMEOUT = 3


class Server:
    """Takes one connection, reads the request, waits for what may come too early, and then does what it likes."""

    def __init__(self, answer):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self.request, self.early = b"", b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return f"/ip4/127.0.0.1/tcp/{self._listener.getsockname()[1]}/ws/p2p/{PEER}"

    def _serve(self):
        link, _ = self._listener.accept()
        with link:
            while not self.request.endswith(b"\r\n\r\n"):
                self.request += link.recv(1)
            link.settimeout(0.3)
            try:
                self.early = link.recv(1)
            except TimeoutError:
                pass
            try:
                self._answer(link, self.fields)
                link.settimeout(TIMEOUT + 5)
                while link.recv(65536):
                    pass
            except OSError:
                pass

    @property
    def fields(self):
        lines = self.request.decode().split("\r\n")[1:-2]
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    def finish(self):
        self._thread.join(TIMEOUT + 10)
        assert not self._thread.is_alive()
        self._listener.close()


def switch(link, fields, extra=""):
    accept = base64.b64encode(hashlib.sha1(fields["Sec-WebSocket-Key"].encode() + GUID).digest()).decode()
    head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    link.sendall((head + extra + "\r\n").encode())


def says(data):
    return lambda link, fields: link.sendall(data)


def switches_with(extra):
    return lambda link, fields: switch(link, fields, extra)


def switches_and_says(data):
    def answer(link, fields):
        switch(link, fields)
        link.sendall(data)

    return answer


def dribbles(link, fields):
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" + b"a: b\r\n" * 1000:
        link.sendall(bytes([byte]))
        time.sleep(0.2)


def plain(opcode, payload=b"", **options):
    return frame(opcode, payload, masked=False, **options)


ACCEPT = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
CASES = {
    "multistream": (says(b"\x13/multistream/1.0.0\n"), "WebSocket"),
    "no-switch": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "200 OK"),
    "another-key": (says(f"HTTP/1.1 101 x\r\n{ACCEPT}s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n".encode()), "does not answer our key"),
    "compression": (switches_with("Sec-WebSocket-Extensions: permessage-deflate\r\n"), "not offered"),
    "subprotocol": (switches_with("Sec-WebSocket-Protocol: chat\r\n"), "not offered"),
    "huge-head": (says(b"HTTP/1.1 101 x\r\n" + b"a: " + b"b" * 20_000), "WebSocket"),
    "slow-head": (dribbles, "deadline"),
    "silence": (lambda link, fields: None, "deadline"),
    "hangs-up": (lambda link, fields: link.close(), "ended"),
    "masked": (switches_and_says(frame(BINARY, b"x")), "masked"),
    "reserved-bits": (switches_and_says(plain(BINARY, b"x", rsv=4)), "reserved bits"),
    "reserved-opcode": (switches_and_says(plain(5)), "reserved opcode"),
    "text": (switches_and_says(plain(TEXT, b"x")), "text frame"),
    "highest-bit": (switches_and_says(plain(BINARY, length=1 << 63)), "highest bit"),
    "long-ping": (switches_and_says(plain(PING, length=126)), "longer"),
    "closes": (switches_and_says(plain(CLOSE, b"\x03\xe8")), "p2p:"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_server(case):
    answer, reason = CASES[case]
    server = Server(answer)
    started = time.monotonic()
    outcome = ours.run("ping", server.address, "--timeout", TIMEOUT)
    assert outcome.code not in (0, None) and outcome.code > 0, outcome
    assert reason in outcome.stderr, outcome
    assert time.monotonic() - started < TIMEOUT + 3
    server.finish()
    # Only what the RFC needs, and nothing of ours before the server has proved what it is.
    assert set(server.fields) == {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}
    assert server.early == b""
