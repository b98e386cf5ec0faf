#!/usr/bin/env python3
"""Our daemon next to a go-libp2p node, each dialled by its own kind and by the other; each node a process, all in one run.

The go node is driven through a control socket, which adds a local hop at each go end; ours is the tool itself. A ratio
above 1 says that ours does more, or takes less. Absolute figures depend on the machine.
"""

import argparse
import concurrent.futures
import contextlib
import pathlib
import statistics
import subprocess
import sys
import threading
import time
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Interop"))

from peers import ours, p2pd  # noqa: E402

SINK = "/bench/sink/1.0.0"
CHUNK = 1 << 18

# What is measured of each of the two nodes.
ONE_STREAM = "one stream from its own kind, MB/s"
EIGHT_STREAMS = "eight streams from its own kind, MB/s"
ECHO_BY_OURS = "echo that ours dials, MB/s each way"
ECHO_BY_GO = "echo that go dials, MB/s each way"
PING = "ping by its own kind, median ms"
CONNECT = "go connects to it, median ms"


class Stack(NamedTuple):
    """What both nodes of a pair speak; QUIC brings its own secure channel."""

    title: str
    listen: str
    security: str | None = None

    @property
    def options(self):
        return ["--security", self.security] if self.security else []

    @contextlib.contextmanager
    def go(self, listens=True):
        node = p2pd.GoNode(self.listen if listens else None, security=self.security or "noise")
        try:
            yield node
        finally:
            node.stop()

    @contextlib.contextmanager
    def ours(self):
        daemon = ours.Daemon(listen=self.listen, options=self.options)
        try:
            yield daemon
        finally:
            daemon.stop()


STACKS = {
    "noise": Stack("TCP, Noise, yamux", "/ip4/127.0.0.1/tcp/0", "noise"),
    "tls": Stack("TCP, TLS, yamux", "/ip4/127.0.0.1/tcp/0", "tls"),
    "quic": Stack("QUIC", "/ip4/127.0.0.1/udp/0/quic-v1"),
}


# By the go node


def drop(pipe, count):
    """Reads so many bytes and forgets them."""
    buffer = bytearray(CHUNK)
    while count > 0:
        read = pipe.recv_into(buffer, min(CHUNK, count))
        if read == 0:
            raise EOFError(f"ended {count} bytes too early")
        count -= read


def sink(pipe):
    """Takes the size that comes first, then so many bytes, and answers with one."""
    drop(pipe, int.from_bytes(p2pd.read_exactly(pipe, 8), "big"))
    pipe.sendall(b"\x01")
    # Whoever closes first here may cost the other the answer.
    pipe.recv(1)


def send(pipe, size):
    chunk = bytes(CHUNK)
    for _ in range(size // CHUNK):
        pipe.sendall(chunk)


def go_throughput(dialer, peer, size, streams):
    """Megabytes a second, by uploads to the sink of the other node."""
    share = size // streams // CHUNK * CHUNK

    def upload():
        with dialer.open(peer, SINK) as pipe:
            pipe.sendall(share.to_bytes(8, "big"))
            send(pipe, share)
            p2pd.read_exactly(pipe, 1)

    with concurrent.futures.ThreadPoolExecutor(streams) as pool:
        started = time.perf_counter()
        for done in [pool.submit(upload) for _ in range(streams)]:
            done.result()
    return share * streams / 1e6 / (time.perf_counter() - started)


def go_echo(dialer, peer, size):
    """Megabytes a second each way, both ways at once."""
    with dialer.open(peer, p2pd.ECHO) as pipe:
        sender = threading.Thread(target=send, args=(pipe, size))
        started = time.perf_counter()
        sender.start()
        drop(pipe, size)
        sender.join()
        return size / 1e6 / (time.perf_counter() - started)


def go_ping(dialer, peer, rounds):
    times = []
    with dialer.open(peer, p2pd.PING) as pipe:
        for _ in range(rounds):
            started = time.perf_counter()
            pipe.sendall(bytes(32))
            p2pd.read_exactly(pipe, 32)
            times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def connect_time(dialer, address):
    times = []
    for _ in range(50):
        started = time.perf_counter()
        peer = dialer.connect(address)
        times.append((time.perf_counter() - started) * 1e3)
        dialer.disconnect(peer)
    return statistics.median(times)


def dialled_by_go(stack, address, size):
    with stack.go(listens=False) as dialer:
        peer = dialer.connect(address)
        figures = {ECHO_BY_GO: go_echo(dialer, peer, size)}
        dialer.disconnect(peer)
        return figures | {CONNECT: connect_time(dialer, address)}


def measure_go(stack, size, rounds):
    with stack.go() as listener, stack.go(listens=False) as dialer:
        listener.serve(SINK, sink)
        peer = dialer.connect(listener.address)
        figures = {
            ONE_STREAM: go_throughput(dialer, peer, size, 1),
            EIGHT_STREAMS: go_throughput(dialer, peer, size, 8),
            PING: go_ping(dialer, peer, rounds),
            ECHO_BY_OURS: our_echo(stack, listener.address, size),
        }
        return figures | dialled_by_go(stack, listener.address, size)


# By our tool


def run(stack, command, address, *arguments, stdin=b""):
    outcome = ours.run(command, address, *arguments, "--json", *stack.options, stdin=stdin, timeout=600)
    assert outcome.code == 0, outcome
    return outcome


def our_throughput(stack, address, size, streams):
    report = run(stack, "perf", address, "--upload", size, "--streams", streams).event("perf")
    return report["upload_bytes"] / 1e6 / report["upload_seconds"]


def our_echo(stack, address, size):
    """Megabytes a second each way, both ways at once."""
    return size / 1e6 / run(stack, "echo", address, stdin=bytes(size)).event("echo")["seconds"]


def measure_ours(stack, size, rounds):
    with stack.ours() as daemon:
        pings = run(stack, "ping", daemon.address, "--count", rounds, "--interval", 0)
        return {
            ONE_STREAM: our_throughput(stack, daemon.address, size, 1),
            EIGHT_STREAMS: our_throughput(stack, daemon.address, size, 8),
            PING: pings.event("summary")["median_ms"],
            ECHO_BY_OURS: our_echo(stack, daemon.address, size),
        } | dialled_by_go(stack, daemon.address, size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=512, help="what a throughput run sends")
    parser.add_argument("--rounds", type=int, default=2000, help="pings")
    parser.add_argument("--stack", action="append", choices=STACKS, help="noise and quic by default")
    chosen = parser.parse_args()
    if not p2pd.is_here():
        sys.exit("compare: there is no go node here; .ci/peers brings it (Linux on x86-64)")
    size = chosen.mebibytes << 20
    for stack in [STACKS[name] for name in chosen.stack or ["noise", "quic"]]:
        print(stack.title, flush=True)
        mine, theirs = (measure(stack, size, chosen.rounds) for measure in (measure_ours, measure_go))
        for name, figure in mine.items():
            ratio = figure / theirs[name] if "MB/s" in name else theirs[name] / figure
            print(f"  {name:38} ours {figure:9.3f}   go {theirs[name]:9.3f}   ratio {ratio:5.2f}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(f"compare: {error}")
