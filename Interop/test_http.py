"""HTTP over streams: a local server served to peers, asked by our tool and by hand."""

import contextlib
import http.server
import json
import os
import socket
import threading

import pytest

from peers import ours, p2pd
from peers.processes import JSONProcess
from peers.tunnels import read_all, server, stopping

LISTEN = {"tcp": "/ip4/127.0.0.1/tcp/0", "quic-v1": "/ip4/127.0.0.1/udp/0/quic-v1"}
CONTENT = os.urandom(3_000_000)


class Serving(ours.Daemon):
    """`p2p http serve`."""

    def __init__(self, target, *, protocol="default", listen=LISTEN["tcp"], options=()):
        self.process = JSONProcess(
            [ours.BINARY, "http", "serve", protocol, target, "--json", "--listen", listen, *options], environment=ours.environment()
        )
        self.peer = self.process.wait_for("ready", timeout=30)["peer"]
        self.addresses = [item["address"] for item in self.process.all("listening")]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = CONTENT if self.path == "/file" else json.dumps(
            {"path": self.path, "fields": [[name.lower(), value] for name, value in self.headers.items()]}
        ).encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Forwarded-For", "untouched")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"127.0.0.1:{made.server_address[1]}"
        finally:
            made.shutdown()


@pytest.mark.parametrize("transport", LISTEN)
def test_a_local_server_is_asked_through_peers(transport):
    with web() as target:
        serving = Serving(target, listen=LISTEN[transport])
        with stopping(serving):
            got = ours.run("http", "get", f"{serving.address}/http-path/file")
            assert got.code == 0 and ours.digest(got.stdout) == ours.digest(CONTENT), got
            told = json.loads(ours.run("http", "get", f"{serving.address}/http-path/a%2Fb%3Fc=d").stdout)
            assert told["path"] == "/a/b?c=d", told
            none = ours.run("http", "get", f"{serving.address}/http-path/none", "--json")
            assert (none.code, none.event("response")["status"], none.error["code"]) == (1, 404, "httpStatus"), none
    refused = ours.run("http", "get", "/ip4/127.0.0.1/tcp/1")
    assert refused.code == 1, refused


def exchange(address, request, protocol="/http/1.1"):
    """What a go peer is answered to raw bytes."""
    node = p2pd.GoNode()
    try:
        peer = node.connect(address)
        with node.open(peer, protocol) as pipe:
            pipe.sendall(request)
            return read_all(pipe)
    finally:
        node.stop()


@pytest.mark.skipif(not p2pd.is_here(), reason="no go node")
def test_a_go_peer_can_neither_forge_who_it_is_nor_smuggle():
    with web() as target:
        serving = Serving(target)
        with stopping(serving):
            forged = exchange(
                serving.address,
                b"GET /x HTTP/1.1\r\nHost: evil\r\nX-Forwarded-For: 10.0.0.1\r\nX-Peer-Id: me\r\nConnection: X-Secret\r\n"
                b"X-Secret: 1\r\nForwarded: for=me\r\n\r\n",
            )
            head, _, body = forged.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), forged
            fields = dict(json.loads(body)["fields"])
            assert fields["x-forwarded-for"] == fields["x-peer-id"] and fields["x-peer-id"].startswith("1"), fields
            assert "x-secret" not in fields and "forwarded" not in fields and fields["host"] == target, fields
            for request, status in {
                b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": b"400",
                b"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd": b"400",
                b"GET / HTTP/1.1\nHost: a\n\n": b"400",
                b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n": b"400",
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n": b"501",
                b"GET / HTTP/1.1\r\nA: " + b"b" * 40_000 + b"\r\n\r\n": b"431",
            }.items():
                assert exchange(serving.address, request).startswith(b"HTTP/1.1 " + status + b" "), request[:80]


def test_servers_that_are_not_there_or_speak_otherwise_are_502():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        serving = Serving(f"127.0.0.1:{closed.getsockname()[1]}")
        with stopping(serving):
            got = ours.run("http", "get", serving.address, "--json")
            assert got.event("response")["status"] == 502, got
    with server(lambda pipe: pipe.sendall(b"SSH-2.0-nobody\r\n\r\n")) as target:
        serving = Serving(target, protocol="/x/web/http")
        with stopping(serving):
            got = ours.run("http", "get", serving.address, "--protocol", "/x/web/http", "--json")
            assert got.event("response")["status"] == 502, got
            assert ours.run("http", "get", serving.address, "--json").error["code"] == "unsupported"
