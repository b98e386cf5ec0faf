"""A real browser, in a network that has only loopback, talks to an application behind our listeners."""

import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid

import pytest

from peers import ours
from peers.lan import Host
from peers.processes import tied

PAGE = """<!doctype html><script>
const talk = async (url) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    await new Promise((done, failed) => { socket.onopen = done; socket.onerror = () => failed("refused"); });
    const sent = new Uint8Array(300000).map((_, index) => index * 7);
    const received = [];
    const finished = new Promise((done, failed) => {
        socket.onclose = (event) => failed("closed with " + event.code);
        socket.onmessage = (event) => {
            received.push(...new Uint8Array(event.data));
            if (received.length >= sent.length) done();
        };
    });
    socket.send(sent.slice(0, 10));
    socket.send(sent.slice(10));
    await finished;
    const closed = new Promise((done) => { socket.onclose = (event) => done([event.code, event.wasClean]); });
    socket.close(1000);
    return { same: received.every((byte, index) => byte === sent[index]), count: received.length, closed: await closed };
};
(async () => {
    const results = {};
    for (const [name, url] of Object.entries(URLS)) {
        try { results[name] = await talk(url); } catch (error) { results[name] = String(error); }
    }
    await fetch("/result", { method: "POST", body: JSON.stringify(results) });
})();
</script>"""

SERVER = """
import http.server, sys
page = sys.stdin.read().encode()
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.answer(page if self.path == "/" else b"")
    def do_POST(self):
        print(self.rfile.read(int(self.headers["content-length"])).decode(), flush=True)
        self.answer(b"")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler)
print("ready", flush=True)
server.serve_forever()
"""


@pytest.fixture
def lonely_network():
    """A namespace with nothing but lo."""
    try:
        host = Host(f"p2p-{os.getpid()}-{uuid.uuid4().hex[:4]}")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    yield host.inside
    host.remove()


def visit(inside, page, server=("-c", SERVER)):
    """Shows the page of a server at port 8000 to a headless chromium; returns what the page reports, which the server prints."""
    profile = tempfile.mkdtemp(prefix="p2p-chromium-")
    server = subprocess.Popen(tied([*inside, "python3", *server]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    server.stdin.write(page)
    server.stdin.close()
    assert server.stdout.readline() == "ready\n"
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        "--remote-debugging-port=0",
    ]
    browser = subprocess.Popen(
        [*inside, "chromium", *options, "http://127.0.0.1:8000/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    answers = queue.Queue()
    threading.Thread(target=lambda: answers.put(server.stdout.readline()), daemon=True).start()
    try:
        return json.loads(answers.get(timeout=90))
    finally:
        os.killpg(browser.pid, signal.SIGTERM)
        browser.wait()
        server.terminate()
        server.wait()
        shutil.rmtree(profile, ignore_errors=True)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
def test_a_page_talks_to_an_application(lonely_network, keys):
    listens = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]
    options = ["--share-port", "--web-echo", "/echo"]
    daemon = ours.Daemon(listens, key=keys("ed25519"), options=options, wrapper=lonely_network)
    ports = {"shared": daemon.addresses[0].split("/")[4], "websocket": daemon.addresses[-1].split("/")[4]}
    assert ports["shared"] != ports["websocket"]
    urls = {name: f"ws://127.0.0.1:{port}/echo" for name, port in ports.items()}
    results = visit(lonely_network, PAGE.replace("URLS", json.dumps(urls)))
    good = {"same": True, "count": 300_000, "closed": [1000, True]}
    assert results == {"shared": good, "websocket": good}
    # Peers still get through on the same ports.
    for address in daemon.addresses:
        outcome = ours.run("ping", address, "--count", 1, wrapper=lonely_network)
        assert outcome.code == 0, outcome
    assert daemon.stop() == 0
