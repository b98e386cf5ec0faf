"""`Examples/Servers`: others' servers, served to peers."""

import json
import os
import re
import subprocess
import urllib.request

import pytest

from peers import ours
from peers.processes import tied
from peers.terminal import Terminal
from peers.tunnels import Forwarding, stopping
from test_examples import binary


@pytest.fixture
def serve():
    """Starts a program that serves; the address that it prints, and what it shows."""
    terminals = []

    def start(name):
        terminals.append(Terminal([binary(name)]))
        return terminals[-1].wait_for(rf"swift run {name} (/ip4/\S+)")[1], terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def run(name, *arguments):
    return subprocess.run(
        tied([str(binary(name)), *arguments]), capture_output=True, text=True, timeout=60, env=ours.environment()
    )


def test_a_hummingbird_router_is_served_to_peers(serve):
    address, terminal = serve("Guestbook")
    first = run("Guestbook", address, "here I was")
    assert first.returncode == 0 and first.stdout.startswith("201 "), first
    second = run("Guestbook", address)
    entries, over_http2 = second.stdout.splitlines()
    (entry,) = json.loads(entries)
    assert over_http2 == "over HTTP/2: " + " ".join(["200"] * 25 + ["404"] * 25), second
    assert entry["text"] == "here I was" and re.fullmatch(r"12D3Koo\w+", entry["author"])
    assert run("Guestbook", address, "").stdout.startswith("400 ")

    # The tool asks as any peer does, and the router answers what it has no route for.
    greeting = ours.run("http", "get", address)
    assert re.fullmatch(rb"Welcome, 12D3Koo\w+\n", greeting.stdout), greeting
    assert ours.run("http", "get", f"{address}/http-path/none", "--json").event("response")["status"] == 404

    # The same on the local port, and bodies as they come, both ways.
    base = terminal.wait_for(r"(http://127\.0\.0\.1:\d+)/entries")[1]
    assert json.load(urllib.request.urlopen(f"{base}/entries", timeout=20)) == [entry]
    body = os.urandom(3_000_000)
    assert urllib.request.urlopen(f"{base}/echo", body, timeout=20).read() == body


def test_others_clients_of_http2_reach_a_peer_through_a_tunnel(serve):
    """nghttp2's: its load generator, and curl."""
    address, _ = serve("Guestbook")
    forwarding = Forwarding("127.0.0.1:0", address, "/x/guestbook")
    with stopping(forwarding):
        base = f"http://127.0.0.1:{forwarding.port}"
        body = os.urandom(3_000_000)
        echo = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "-H", "Expect: 100-continue", "-w", "%{stderr}%{http_version} %{http_code}",
             "--data-binary", "@-", f"{base}/echo"], input=body, capture_output=True, timeout=60, check=True)
        assert (echo.stdout == body, echo.stderr) == (True, b"2 200"), echo.stderr
        load = subprocess.run(
            ["h2load", "-n", "1000", "-c", "2", "-m", "50", "-p", "h2c", f"{base}/entries"], capture_output=True, text=True, timeout=60)
        assert "1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout" in load.stdout, load
        assert "status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx" in load.stdout, load


def test_grpc_calls_between_peers(serve):
    address, _ = serve("Calls")
    for name in ("Ada", "Bob"):
        called = run("Calls", address, name)
        assert called.returncode == 0, called
        assert re.search(rf"Hello {name}, you are unix:12D3Koo\w+\n", called.stdout), called
        assert "repeated: 20 calls, 1005300 bytes" in called.stdout, called
    refused = run("Calls", address)
    assert "refused: invalidArgument" in refused.stdout and refused.returncode == 0, refused
    somebody_else = address.rpartition("/")[0] + "/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    assert run("Calls", somebody_else, "Eve").returncode != 0, "a node under another name must not be believed"
