"""`--metrics`: the numbers are the true ones, real readers take the page, and nobody else does."""

import json
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest

from conftest import PEERS, Stack, make_peer
from peers import clock, ours, prometheus

STACKS = [Stack("tcp", "noise", "yamux"), Stack("quic-v1")]
DASHBOARD = pathlib.Path(__file__).parents[1] / "Examples" / "Operations" / "grafana.json"
ECHOED = 300_000


class Watched:
    """A daemon with metrics."""

    def __init__(self, stack=STACKS[0], options=()):
        self.daemon = ours.Daemon(stack.listen, options=["--metrics", "127.0.0.1:0", *options])
        self.url = self.daemon.process.wait_for("metrics")["url"]
        self.port = int(self.url.split(":")[2].split("/")[0])

    def page(self):
        return prometheus.fetch(self.url)

    def settled(self):
        """A page between whose beginning and end nobody came or went, and no stream lived; how many had come and gone."""
        deadline = clock.Deadline(20)
        while True:
            before = self._events()
            page = self.page()
            is_quiet = page.sum("p2p_streams") == 0 and page.sum("p2p_pending_arrivals") == 0
            if is_quiet and before == self._events() == (page.sum("p2p_connections_opened_total"), page.sum("p2p_connections_closed_total")):
                return page, *before
            assert not deadline.is_over, (before, page.text)
            time.sleep(0.05)

    def _events(self):
        return tuple(len(self.daemon.process.all(event)) for event in ("connected", "disconnected"))


@pytest.fixture
def watched():
    node = Watched()
    yield node
    assert node.daemon.stop() == 0


@pytest.mark.parametrize("stack", STACKS, ids=str)
@pytest.mark.parametrize("kind", PEERS)
def test_the_numbers_are_the_true_ones(kind, stack):
    node = Watched(stack)
    peer = make_peer(kind, stack)
    try:
        peer.ping(node.daemon.address, count=3)
        peer.echo(node.daemon.address, ECHOED)
        transport = "quic" if stack.transport == "quic-v1" else "tcp"
        page, came, went = node.settled()
        assert came > 0
        assert page.sum("p2p_connections_opened_total", direction="inbound", transport=transport) == came
        assert page.sum("p2p_connections_opened_total") == came
        assert page.sum("p2p_connections_closed_total") == went
        assert page.sum("p2p_connections") == came - went
        assert page.sum("p2p_arrivals_total", outcome="success", transport=transport) == came
        assert page.sum("p2p_arrival_duration_seconds_count", outcome="success") == came
        assert page.sum("p2p_limit_use", limit="connections") == came - went
        pings = page.sum("p2p_streams_opened_total", protocol="/ipfs/ping/1.0.0", direction="inbound")
        assert pings >= 1
        assert page.sum("p2p_protocol_bytes_total", protocol="/ipfs/ping/1.0.0", direction="inbound") == 3 * 32
        assert page.sum("p2p_protocol_bytes_total", protocol="/ipfs/ping/1.0.0", direction="outbound") == 3 * 32
        for direction in ("inbound", "outbound"):
            assert page.sum("p2p_protocol_bytes_total", protocol="/echo/1.0.0", direction=direction) == ECHOED
            # Within encryption, frames of the muxer included.
            assert page.sum("p2p_bytes_total", transport=transport, direction=direction) > ECHOED
        assert page.sum("p2p_peers_identified_total") >= 1
        assert page.sum("process_resident_memory_bytes") > 1_000_000
        ids = [{item["connection"] for item in node.daemon.process.all(event)} for event in ("connected", "disconnected")]
        assert len(ids[0]) == came and ids[1] <= ids[0], ids
        code, said = prometheus.check(page.text) if prometheus.is_here() else (0, "")
        assert code == 0, said
    finally:
        peer.stop()
        assert node.daemon.stop() == 0


def test_dials_and_refusals_have_their_reasons():
    target = ours.Daemon()
    node = Watched(options=["--bootstrap", target.address, "--limit", "connections=1"])
    try:
        node.daemon.process.wait_for("connected")
        page = node.page()
        assert page.sum("p2p_dials_total", outcome="success", reason="none") == 1
        assert page.sum("p2p_dial_attempts_total", outcome="success", transport="tcp") == 1
        assert page.sum("p2p_connections", direction="outbound", security="noise", muxer="yamux") == 1
        assert page.sum("p2p_upgrade_step_duration_seconds_count", step="secure", outcome="success") == 1
        outcome = ours.run("ping", "--count", "1", "--timeout", "3", node.daemon.address)
        assert outcome.code != 0, outcome
        page = node.page()
        assert page.sum("p2p_limit_refusals_total", limit="connections") >= 1
        assert page.sum("p2p_arrivals_total", outcome="failure", reason="resourceLimit") >= 1
        assert target.peer not in page.text and "127.0.0.1" not in page.text, "no peer and no address is in a label"
    finally:
        assert node.daemon.stop() == 0
        assert target.stop() == 0


def test_a_real_prometheus_scrapes_it_and_takes_every_query_of_the_dashboard(watched, tmp_path):
    if not prometheus.is_here():
        pytest.skip("no prometheus here")
    assert ours.run("ping", "--count", "2", watched.daemon.address).code == 0
    server = prometheus.Prometheus(f"127.0.0.1:{watched.port}", tmp_path)
    try:
        server.wait_for("up", 1.0)
        server.wait_for('sum(p2p_protocol_bytes_total{protocol="/ipfs/ping/1.0.0",direction="inbound"})', 64.0)
        for query in dashboard_queries():
            server.query(query)
    finally:
        assert server.stop() == 0


def test_the_dashboard_asks_for_what_is_exported(watched):
    subprocess.run([sys.executable, DASHBOARD.with_name("dashboard.py"), "--check"], check=True)
    assert ours.run("ping", "--count", "1", watched.daemon.address).code == 0
    catalogue = set(re.findall(r"p2p_\w+|process_\w+", (DASHBOARD.parents[2] / "Specs" / "Metrics.md").read_text()))
    exported = watched.page()
    asked = {name for query in dashboard_queries() for name in re.findall(r"\b(?:p2p|process)_\w+", query)}
    assert asked, "the dashboard asks for nothing"
    for name in asked:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert base in catalogue, f"{name} is in no metric that Specs/Metrics.md has"
    # What this node has not had to count yet, such as dials, is in the page below in Specs alone.
    for name in exported.kinds:
        assert name in catalogue, f"{name} is exported, and not in Specs/Metrics.md"


def dashboard_queries():
    board = json.loads(DASHBOARD.read_text())
    return [target["expr"].replace("$__rate_interval", "1m") for panel in board["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n", b"403"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
        (b"GET /secrets HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 30_000 + b"\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
    ],
)
def test_what_is_no_request_for_metrics_is_refused(watched, request_text, status):
    with socket.create_connection(("127.0.0.1", watched.port), timeout=10) as connection:
        connection.sendall(request_text)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    assert answer.split(b" ")[1] == status, answer
    assert b"p2p_" not in answer


def test_who_keeps_all_places_keeps_nobody_out_for_long(watched):
    held = [socket.create_connection(("127.0.0.1", watched.port), timeout=30) for _ in range(32)]
    try:
        # Each has some seconds, whatever it says.
        for connection in held:
            while connection.recv(65_536):
                pass
        assert watched.page().sum("p2p_tasks") > 0
    finally:
        for connection in held:
            connection.close()


def test_it_is_for_this_machine_unless_told_otherwise():
    for options in (["--metrics", "0.0.0.0:0"], ["--metrics", "[::]:0"], ["--metrics", "nonsense"], ["--metrics-name", "a.example"]):
        outcome = ours.run("daemon", "--listen", "/ip4/127.0.0.1/tcp/0", *options)
        assert outcome.code == 64, outcome
    node = Watched(options=["--metrics-name", "node.example"])
    try:
        with socket.create_connection(("127.0.0.1", node.port), timeout=10) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: node.example\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        taken = ours.run("daemon", "--json", "--listen", "/ip4/127.0.0.1/tcp/0", "--metrics", f"127.0.0.1:{node.port}")
        assert taken.code == 1 and taken.error["code"] == "metricsFailed", taken
    finally:
        assert node.daemon.stop() == 0
