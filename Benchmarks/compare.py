#!/usr/bin/env python3
"""The same work by two nodes of ours and by two go-libp2p nodes, each node a process, all in one run.

The go node is driven through a control socket, which adds a local hop at each end; ours is the tool itself. A ratio
above 1 says that ours does more, or takes less. Absolute figures depend on the machine.
"""

import argparse
import contextlib
import pathlib
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Interop"))

from peers import ours, p2pd  # noqa: E402

SINK = "/bench/sink/1.0.0"
CONNECT = "go connects to it, ms"
CHUNK = 1 << 18


@contextlib.contextmanager
def go_node(**options):
    node = p2pd.GoNode(**options)
    try:
        yield node
    finally:
        node.stop()


def sink(pipe):
    """Takes the size that comes first, then so many bytes, and answers with one."""
    left = int.from_bytes(p2pd.read_exactly(pipe, 8), "big")
    buffer = bytearray(CHUNK)
    while left > 0:
        count = pipe.recv_into(buffer)
        if count == 0:
            return
        left -= count
    pipe.sendall(b"\x01")


def go_throughput(dialer, peer, size, streams):
    """Megabytes a second, by uploads to the sink of the other node."""
    chunk = bytes(CHUNK)

    def upload(share):
        with dialer.open(peer, SINK) as pipe:
            pipe.sendall(share.to_bytes(8, "big"))
            for _ in range(share // CHUNK):
                pipe.sendall(chunk)
            p2pd.read_exactly(pipe, 1)

    share = size // streams // CHUNK * CHUNK
    threads = [threading.Thread(target=upload, args=(share,)) for _ in range(streams)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return share * streams / 1e6 / (time.perf_counter() - started)


def connect_time(dialer, address):
    """Milliseconds that a go node takes to connect."""
    times = []
    for _ in range(50):
        started = time.perf_counter()
        peer = dialer.connect(address)
        times.append((time.perf_counter() - started) * 1e3)
        dialer.disconnect(peer)
    return statistics.median(times)


def go_pair(security, size, rounds):
    with go_node(security=security) as listener, go_node(listen=None, security=security) as dialer:
        listener.serve(SINK, sink)
        peer = dialer.connect(listener.address)
        figures = {
            "one stream, MB/s": go_throughput(dialer, peer, size, 1),
            "eight streams, MB/s": go_throughput(dialer, peer, size, 8),
        }
        times = []
        with dialer.open(peer, p2pd.PING) as pipe:
            for _ in range(rounds):
                started = time.perf_counter()
                pipe.sendall(bytes(32))
                p2pd.read_exactly(pipe, 32)
                times.append((time.perf_counter() - started) * 1e3)
        figures["ping, median ms"] = statistics.median(times)
        dialer.disconnect(peer)
        figures[CONNECT] = connect_time(dialer, listener.address)
        return figures


def our_pair(security, size, rounds, transport):
    chosen = ["--security", security]
    daemon = ours.Daemon(listen=transport, options=chosen)
    try:

        def perf(streams):
            outcome = ours.run(
                "perf", daemon.address, "--upload", size, "--streams", streams, "--json", *chosen, timeout=300
            )
            report = outcome.event("perf")
            assert outcome.code == 0 and report, outcome
            return report["upload_bytes"] / 1e6 / report["upload_seconds"]

        def ping():
            outcome = ours.run(
                "ping", daemon.address, "--count", rounds, "--interval", 0, "--json", *chosen, timeout=300
            )
            assert outcome.code == 0, outcome
            return outcome.event("summary")["median_ms"]

        with go_node(listen=None, security=security) as dialer:
            connect = connect_time(dialer, daemon.address)
        return {
            "one stream, MB/s": perf(1),
            "eight streams, MB/s": perf(8),
            "ping, median ms": ping(),
            CONNECT: connect,
        }
    finally:
        daemon.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=1024, help="what a throughput run sends")
    parser.add_argument("--rounds", type=int, default=2000, help="pings")
    parser.add_argument("--security", action="append", choices=["noise", "tls"], help="noise by default")
    chosen = parser.parse_args()
    if not p2pd.is_here():
        sys.exit("compare: there is no go node here; .ci/peers brings it (Linux on x86-64)")
    size = chosen.mebibytes << 20
    for security in chosen.security or ["noise"]:
        print(f"TCP, {security}, yamux: ours to ours, and go to go, each node a process")
        mine = our_pair(security, size, chosen.rounds, "/ip4/127.0.0.1/tcp/0")
        theirs = go_pair(security, size, chosen.rounds)
        for name, figure in mine.items():
            ratio = figure / theirs[name] if name.endswith("MB/s") else theirs[name] / figure
            print(f"  {name:24} ours {figure:9.3f}   go {theirs[name]:9.3f}   ratio {ratio:5.2f}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(f"compare: {error}")
