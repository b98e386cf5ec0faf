"""Web pages reach programs through a node's WebSocket ports: a local one, and one behind a peer; pages of other origins do not."""

import contextlib
import json
import select
import shutil
import socket
import sys
import threading

import pytest

from hostile.websocket import WebSocket, read_head, request
from hostile.wire import Ended, Link
from peers import ours
from peers.processes import JSONProcess
from peers.tunnels import Serving, server, stopping
from test_browser import lonely_network, visit  # noqa: F401

ORIGIN = "http://pages.example"
TERMINAL = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 7000))
print('{"event": "ready"}', flush=True)
def serve(pipe):
    pipe.sendall(b"login: ")
    for line in pipe.makefile("rb"):
        pipe.sendall(b"hello " + line)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
PAGE = """<!doctype html><script>
const talk = (url) => new Promise((done) => {
    const socket = new WebSocket(url, "binary");
    socket.binaryType = "arraybuffer";
    let heard = "";
    let isTyped = false;
    socket.onerror = () => done("refused");
    socket.onmessage = (event) => {
        heard += new TextDecoder().decode(event.data);
        if (heard.startsWith("login: ") && !isTyped) { isTyped = true; socket.send(new TextEncoder().encode("me\\n")); }
        if (heard.endsWith("\\n")) done(socket.protocol + " " + heard);
    };
});
(async () => {
    const results = {};
    for (const [name, url] of Object.entries(URLS)) results[name] = await talk(url);
    await fetch("/result", { method: "POST", body: JSON.stringify(results) });
})();
</script>"""


def greet(pipe):
    pipe.sendall(b"login: ")
    for line in pipe.makefile("rb"):
        pipe.sendall(b"hello " + line)


def refusal(endpoint, path, *fields):
    """The status and the body of what answers a request for a WebSocket."""
    with Link(endpoint) as link:
        link.send(request("AAAAAAAAAAAAAAAAAAAAAA==", path=path, fields=fields))
        head, body = read_head(link), b""
        try:
            while True:
                body += link.receive()
        except Ended:
            return int(head.split()[1]), body


def test_bytes_go_both_ways_and_only_for_pages_of_named_origins():
    with server(greet) as target:
        serving = Serving("/x/term", target)
        options = ["--gateway", f"/local={target}", "--gateway", f"/peer={serving.address},/x/term", "--gateway-origin", ORIGIN]
        options += ["--gateway", "/gone=127.0.0.1:1"]
        gateway = ours.Daemon("/ip4/127.0.0.1/tcp/0/ws", options=options)
        with stopping(gateway, serving):
            for path in ("/local", "/peer"):
                with Link(gateway.endpoint) as link:
                    link.send(request("AAAAAAAAAAAAAAAAAAAAAA==", path=path, fields=[f"Origin: {ORIGIN}", "Sec-WebSocket-Protocol: x, binary"]))
                    head = read_head(link)
                    assert head.startswith(b"HTTP/1.1 101 ") and b"Sec-WebSocket-Protocol: binary" in head, head
                    page = WebSocket.__new__(WebSocket)
                    super(WebSocket, page).__init__()
                    page.link = link
                    assert page.receive_exactly(7) == b"login: "
                    page.send(b"me\n")
                    assert page.receive_exactly(9) == b"hello me\n"
            assert refusal(gateway.endpoint, "/local") == (403, b"origin (none) is not allowed\n")
            for origin in ("https://pages.example", "http://pages.example.evil", "null", "http://pages.example:80"):
                said = refusal(gateway.endpoint, "/local", f"Origin: {origin}")
                assert said == (403, f"origin {origin} is not allowed\n".encode())
            gone = refusal(gateway.endpoint, "/gone", f"Origin: {ORIGIN}")
            assert gone == (502, b"the service does not answer\n")
            # Peers still get through on the same port.
            assert ours.run("ping", gateway.address, "--count", 1).code == 0


class HeldLine:
    """A port that leads to another, once it is let."""

    def __init__(self, target):
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.is_asked, self._is_let = threading.Event(), threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near):
        self.is_asked.set()
        if not self._is_let.wait(30):
            return
        far = socket.create_connection(self._target)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def let(self):
        self._is_let.set()

    def close(self):
        self._server.close()


def test_who_asks_while_the_peer_is_being_dialled_waits_for_it():
    with server(greet) as target:
        serving = Serving("/x/term", target)
        with contextlib.closing(HeldLine(serving.endpoint)) as line:
            there = f"/ip4/127.0.0.1/tcp/{line.port}/p2p/{serving.peer}"
            options = ["--gateway", f"/peer={there},/x/term", "--gateway-origin", ORIGIN]
            gateway = ours.Daemon("/ip4/127.0.0.1/tcp/0/ws", options=options)
            with stopping(gateway, serving):
                assert line.is_asked.wait(20)
                with Link(gateway.endpoint) as link:
                    link.send(request("AAAAAAAAAAAAAAAAAAAAAA==", path="/peer", fields=[f"Origin: {ORIGIN}"]))
                    answered, _, _ = select.select([link.socket], [], [], 0.5)
                    assert not answered, read_head(link)
                    line.let()
                    assert read_head(link).startswith(b"HTTP/1.1 101 ")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
def test_a_page_plays_terminal_to_a_service_of_a_peer_and_one_of_another_origin_does_not(lonely_network):  # noqa: F811
    terminal = JSONProcess([*lonely_network, sys.executable, "-c", TERMINAL])
    try:
        terminal.wait_for("ready")
        serving = Serving("/x/term", "127.0.0.1:7000", wrapper=lonely_network)

        def gateway(origin):
            options = ["--share-port", "--gateway", f"/term={serving.address},/x/term", "--gateway-origin", origin]
            return ours.Daemon("/ip4/127.0.0.1/tcp/0", options=options, wrapper=lonely_network)

        own, other = gateway("http://127.0.0.1:8000"), gateway("https://elsewhere.example")
        with stopping(own, other, serving):
            urls = {name: f"ws://127.0.0.1:{node.endpoint[1]}/term" for name, node in (("own", own), ("other", other))}
            results = visit(lonely_network, PAGE.replace("URLS", json.dumps(urls)))
            assert results == {"own": "binary login: hello me\n", "other": "refused"}
    finally:
        terminal.stop()
