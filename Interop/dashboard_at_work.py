"""Draws Examples/Operations/dashboard.svg: what the dashboard shows of a node at work, over a minute and a half.

Nodes of ours dial it over TCP and QUIC, ping, echo and measure, some by a wrong name or for a protocol that it has not got; a real prometheus
scrapes it.
"""

import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile
import time

from peers import ours, ports, prometheus

SECONDS = 90
OPERATIONS = pathlib.Path(__file__).parents[1] / "Examples" / "Operations"


def work(node, until):
    """One neighbour, who does this and that until then."""
    turn = 0
    tcp, quic = node.addresses
    gone = f"/ip4/127.0.0.1/tcp/{ports.free_port()}/p2p/{node.peer}"
    wrong = tcp.rsplit("/", 1)[0] + "/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    while time.monotonic() < until:
        address = (tcp, quic)[turn % 2]
        ours.run("ping", "--count", "3", address)
        ours.run("echo", address, stdin=b"x" * 500_000)
        ours.run("perf", address, "--download", "8MiB")
        ours.run("identify", address)
        if turn % 3 == 0:
            ours.run("ping", "--count", "1", "--timeout", "2", wrong)
            ours.run("ping", "--count", "1", "--timeout", "2", gone)
        turn += 1


def main():
    if not prometheus.is_here():
        sys.exit("there is no prometheus here: .ci/setup test installs it on Debian")
    listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]
    others = [ours.Daemon(listen) for _ in range(2)]
    bootstrap = [option for other in others for option in ("--bootstrap", other.addresses[0])]
    node = ours.Daemon(listen, options=["--metrics", "127.0.0.1:0", *bootstrap])
    target = node.process.wait_for("metrics")["url"].split("/")[2]
    with tempfile.TemporaryDirectory() as folder:
        server = prometheus.Prometheus(target, pathlib.Path(folder))
        server.wait_for("up", 1.0)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            until = time.monotonic() + SECONDS
            neighbours = [pool.submit(work, node, until) for _ in range(2)]
            time.sleep(SECONDS / 2)
            others[0].stop()
            for neighbour in neighbours:
                neighbour.result()
        drawing = [sys.executable, OPERATIONS / "dashboard.py", "--draw", server.url, str(SECONDS), OPERATIONS / "dashboard.svg"]
        subprocess.run(drawing, check=True)
        server.stop()
    node.stop()
    others[1].stop()


if __name__ == "__main__":
    main()
