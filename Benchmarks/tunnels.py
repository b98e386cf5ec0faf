#!/usr/bin/env python3
"""What a tunnel costs: next to a bare stream of the same nodes, to `ssh -L`, and to no tunnel at all, in one run.

Everything is on this machine, each node and each program a process. What is compared takes turns, and the medians are shown with their
aims. Absolute figures depend on the machine, and on two processors programs and nodes are in each other's way: a bare stream has both for its
two nodes, a tunnel shares them with two programs and two more sockets. So what the nodes took of the processors is shown as well.
"""

import argparse
import contextlib
import getpass
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Interop"))

from peers import ours  # noqa: E402
from peers.clock import wait_until  # noqa: E402
from peers.ports import free_port  # noqa: E402
from peers.tunnels import Forwarding, Serving, listens, program  # noqa: E402

LISTEN = {"tcp": "/ip4/127.0.0.1/tcp/0", "quic": "/ip4/127.0.0.1/udp/0/quic-v1"}
CHUNK = 1 << 18
MIB = 1 << 20

# A server in a process of its own: the first byte of a connection says what it does.
SERVER = """
import socket, sys, threading
def serve(pipe):
    pipe.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    room = bytearray(1 << 18)
    what = pipe.recv(1)
    if what == b"e":
        while count := pipe.recv_into(room):
            pipe.sendall(memoryview(room)[:count])
    else:
        left = int.from_bytes(pipe.recv(8, socket.MSG_WAITALL))
        if what == b"u":
            while left > 0:
                count = pipe.recv_into(room)
                if not count: return
                left -= count
            pipe.sendall(b"!")
        else:
            while left > 0:
                left -= pipe.send(memoryview(room)[:left])
        pipe.recv(1)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

# Counts datagrams until one says that it is the last, and answers that with how many came.
COUNTER = """
import socket, sys
counter = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
counter.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
counter.bind(("127.0.0.1", int(sys.argv[1])))
room, count = bytearray(65536), 0
while True:
    size, source = counter.recvfrom_into(room)
    if size == 4:
        counter.sendto(count.to_bytes(8), source)
    elif size == 5:
        count = 0
    else:
        count += 1
"""


def python(source, *arguments, until):
    return program(sys.executable, "-c", source, *arguments, until=until)


def say(text):
    print(text, flush=True)


def show(name, value, unit, aim=None, holds=None):
    verdict = "" if aim is None else f"   aim {aim}: {'yes' if holds else 'NO'}"
    say(f"  {name:58} {value:10.1f} {unit}{verdict}")


# Connections


def connect(port):
    pipe = socket.create_connection(("127.0.0.1", port), 60)
    pipe.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return pipe


def upload(port, size):
    """Megabytes a second to the server, until it says that all is there."""
    chunk = bytes(CHUNK)
    with connect(port) as pipe:
        started = time.perf_counter()
        pipe.sendall(b"u" + size.to_bytes(8))
        for _ in range(size // CHUNK):
            pipe.sendall(chunk)
        assert pipe.recv(1) == b"!"
        return size / 1e6 / (time.perf_counter() - started)


def download(port, size):
    room = bytearray(CHUNK)
    with connect(port) as pipe:
        started = time.perf_counter()
        pipe.sendall(b"d" + size.to_bytes(8))
        left = size
        while left > 0:
            count = pipe.recv_into(room)
            assert count, "it ended too early"
            left -= count
        return size / 1e6 / (time.perf_counter() - started)


def round_trip(port, count):
    """The median of a byte's way there and back, in microseconds."""
    times = []
    with connect(port) as pipe:
        pipe.sendall(b"e")
        for _ in range(count):
            started = time.perf_counter()
            pipe.sendall(b"x")
            pipe.recv(1)
            times.append((time.perf_counter() - started) * 1e6)
    return statistics.median(times)


def machine_time():
    """Seconds that this machine's processors have worked, in anything; of use where it does nothing else."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, interrupts, soft = map(int, fields[:7])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def processor_time(*processes):
    """Seconds that processes have had of the processors."""
    total = 0
    for process in processes:
        with open(f"/proc/{process.process.pid}/stat") as status:
            total += sum(map(int, status.read().rpartition(")")[2].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def nodes_time(*nodes):
    """Seconds that the nodes have had of the processors, and the programs that were started and are over."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return processor_time(*nodes) + children.ru_utime + children.ru_stime


def milliseconds_per_gigabyte(size, measure, spent):
    """What a run takes of the processors, by a count of the seconds spent."""
    before = spent()
    measure()
    return (spent() - before) * 1e3 / (size / 1e9)


def perf(address, option, size):
    report = ours.run("perf", address, option, size, "--json", timeout=600).event("perf")
    kind = option.removeprefix("--")
    return report[f"{kind}_bytes"] / 1e6 / report[f"{kind}_seconds"]


@contextlib.contextmanager
def ssh(target):
    """`ssh -L` to the target: the port, and what serves it; None where there is no OpenSSH.

    Another server would do only if it took the file of keys as an option: nothing is written into anybody's home.
    """
    server = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
    if not (server and shutil.which("ssh") and shutil.which("ssh-keygen")):
        yield None, None
        return
    with tempfile.TemporaryDirectory(prefix="tunnels-") as path, contextlib.ExitStack() as stack:
        room = pathlib.Path(path)
        for name in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", room / name], check=True)
        port, local = free_port(), free_port()
        keys = room / "authorized"
        keys.write_bytes((room / "key.pub").read_bytes())
        # Its unprivileged part wants this directory, which a service manager makes elsewhere.
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        settings = [f"ListenAddress=127.0.0.1:{port}", "PidFile=none", f"AuthorizedKeysFile={keys}", "UsePAM=no", "StrictModes=no"]
        command = [server, "-D", "-e", "-f", "/dev/null", "-h", room / "host", *(part for item in settings for part in ("-o", item))]
        stack.enter_context(program(*command, until=listens(port)))
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR", "ExitOnForwardFailure=yes"]
        client = ["ssh", "-F", "none", "-N", "-i", room / "key", "-p", port, "-L", f"127.0.0.1:{local}:{target}"]
        client += [part for item in options for part in ("-o", item)] + [f"{getpass.getuser()}@127.0.0.1"]
        stack.enter_context(program(*client, until=listens(local)))
        yield local, pathlib.Path(server).name


def in_turns(rounds, **measures):
    """The medians of measures that take turns."""
    found = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: statistics.median(figures) for name, figures in found.items()}


@contextlib.contextmanager
def tunnel(transport, port):
    """Two nodes and a tunnel to that port of this machine.

    Each row has new ones, as each bare stream has a new connection: over QUIC the library's window for congestion depends on what a connection
    has seen before (Specs/QUIC.md), above all where a round trip takes no time.
    """
    with contextlib.ExitStack() as stack:
        serving = Serving("/x/bench", f"127.0.0.1:{port}", listen=LISTEN[transport])
        stack.callback(serving.stop)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/bench")
        stack.callback(forwarding.stop)
        yield serving, forwarding


def connections(transport, chosen):
    port = free_port()
    with python(SERVER, port, until=listens(port)), ssh(f"127.0.0.1:{port}") as (local, kind):
        say(f"One connection over {transport}, {chosen.mebibytes} MiB, {chosen.rounds} rounds")
        for name, measure, option in (("up", upload, "--upload"), ("down", download, "--download")):
            with tunnel(transport, port) as nodes:
                throughput(name, measure, option, port, nodes, (local, kind), chosen)
        with tunnel(transport, port) as nodes:
            latency(port, nodes, (local, kind), chosen)


def throughput(name, measure, option, port, nodes, ssh, chosen):
    (serving, forwarding), (local, kind), size = nodes, ssh, chosen.mebibytes * MIB
    measures = {
        "none": lambda: measure(port, size),
        "stream": lambda: perf(serving.address, option, size),
        "tunnel": lambda: measure(forwarding.port, size),
    }
    if local:
        measures["ssh"] = lambda: measure(local, size)
    found = in_turns(chosen.rounds, **measures)
    show(f"{name}: no tunnel", found["none"], "MB/s")
    show(f"{name}: a bare stream (p2p perf)", found["stream"], "MB/s")
    show(f"{name}: the tunnel", found["tunnel"], "MB/s")
    part = 100 * found["tunnel"] / found["stream"]
    show(f"{name}: the tunnel, of the bare stream", part, "%", ">= 85", part >= 85)
    bare = milliseconds_per_gigabyte(size, measures["stream"], lambda: nodes_time(serving))
    through = milliseconds_per_gigabyte(size, measures["tunnel"], lambda: nodes_time(serving, forwarding))
    show(f"{name}: processors, both nodes of a bare stream", bare, "ms/GB")
    show(f"{name}: processors, both nodes of the tunnel", through, "ms/GB")
    rows = {"none": "no tunnel", "stream": "a bare stream", "tunnel": "the tunnel"}
    taken = in_turns(chosen.rounds, **{row: lambda row=row: milliseconds_per_gigabyte(size, measures[row], machine_time) for row in rows})
    for row, what in rows.items():
        show(f"{name}: all processors, {what}", taken[row], "ms/GB")
    # Each byte of a tunnel also passes two connections of this machine: from the program, and to the service. An estimate: two of their four ends
    # are the nodes' own.
    most = os.cpu_count() * 1e6 / (taken["stream"] + 2 * taken["none"])
    show(f"{name}: {os.cpu_count()} processors give a bare stream and two more, about", most, "MB/s")
    show(f"{name}: the tunnel, of that", 100 * found["tunnel"] / most, "%")
    if local:
        show(f"{name}: ssh -L ({kind})", found["ssh"], "MB/s")
        times = found["tunnel"] / found["ssh"]
        show(f"{name}: the tunnel, of ssh -L", times, "times", ">= 3", times >= 3)
        show(f"{name}: the bare stream, of ssh -L", found["stream"] / found["ssh"], "times")


def latency(port, nodes, ssh, chosen):
    (serving, forwarding), (local, kind) = nodes, ssh
    ping = [serving.address, "--count", 1_000, "--interval", 0, "--json"]
    measures = {
        "none": lambda: round_trip(port, 2_000),
        "stream": lambda: 1e3 * ours.run("ping", *ping).event("summary")["median_ms"],
        "tunnel": lambda: round_trip(forwarding.port, 2_000),
    }
    if local:
        measures["ssh"] = lambda: round_trip(local, 2_000)
    found = in_turns(chosen.rounds, **measures)
    show("a byte there and back: no tunnel", found["none"], "us")
    show("a byte there and back: a bare stream (p2p ping)", found["stream"], "us")
    show("a byte there and back: the tunnel", found["tunnel"], "us")
    if local:
        show(f"a byte there and back: ssh -L ({kind})", found["ssh"], "us")
    added = found["tunnel"] - found["stream"]
    show("added to the bare stream", added, "us", "<= 100", added <= 100)
    # The tunnel has two sockets more, of the program and of the service, and each is a process to wake.
    show("two more connections without a tunnel would add", 2 * found["none"], "us")


# Memory


def resident(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def idle(transport, chosen):
    """Tunnels that say nothing. A peer may have 256 flows, so several nodes bring them."""
    port, nodes, each = free_port(), 4, 250
    with python(SERVER, port, until=listens(port)), contextlib.ExitStack() as stack:
        serving = Serving("/x/bench", f"127.0.0.1:{port}", listen=LISTEN[transport])
        stack.callback(serving.stop)
        forwardings = [Forwarding("127.0.0.1:0", serving.address, "/x/bench") for _ in range(nodes)]
        for forwarding in forwardings:
            stack.callback(forwarding.stop)

        def open_all(count):
            """A few at a time: of those that are being opened a node takes 64."""
            pipes = []
            for _ in range(count):
                fresh = [stack.enter_context(connect(forwarding.port)) for forwarding in forwardings]
                for pipe in fresh:
                    pipe.sendall(b"ex")
                for pipe in fresh:
                    assert pipe.recv(1) == b"x"
                pipes += fresh
            return pipes

        # What is made once is no tunnel's.
        for pipe in open_all(20):
            pipe.close()
        wait_until(lambda: serving.stats()["streams"] == 0, 20, "the end of the first")
        before = [resident(serving), *(resident(forwarding.process) for forwarding in forwardings)]
        open_all(each)
        time.sleep(2)
        after = [resident(serving), *(resident(forwarding.process) for forwarding in forwardings)]
        say(f"{nodes * each} idle tunnels over {transport}, from {nodes} nodes to one")
        grown = after[0] - before[0]
        show("the node that serves them grew by", grown / MIB, "MiB", "<= 16", grown <= 16 * MIB)
        grown = sum(after[1:]) - sum(before[1:])
        show(f"the {nodes} nodes that forward them grew by, together", grown / MIB, "MiB", "<= 16", grown <= 16 * MIB)


# Datagrams


def send_paced(port, rate, seconds, size):
    """Sends so many a second, a millisecond's worth at a time; how many were sent, how many came, and the rate that came about."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        sender.settimeout(0.5)
        ask(sender, bytes(5), expects=False)
        payload, sent, started = bytes(size), 0, time.perf_counter()
        while (now := time.perf_counter() - started) < seconds:
            due = int(now * rate)
            for _ in range(due - sent):
                sender.send(payload)
            sent = max(sent, due)
            time.sleep(0.001)
        rate = sent / (time.perf_counter() - started)
        time.sleep(0.5)
        return sent, ask(sender, bytes(4)), rate


def ask(sender, question, expects=True):
    """The counter's answer, which may be lost as anything may."""
    for _ in range(10):
        sender.send(question)
        if not expects:
            time.sleep(0.2)
            return None
        with contextlib.suppress(TimeoutError):
            while True:
                answer = sender.recv(65_536)
                if len(answer) == 8:
                    return int.from_bytes(answer)
    raise AssertionError("the counter does not answer")


def datagrams(transport, chosen):
    port = free_port()

    def counts():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.connect(("127.0.0.1", port))
            try:
                probe.send(bytes(4))
                return len(probe.recv(8)) == 8
            except OSError:
                return False

    with tempfile.TemporaryDirectory(prefix="tunnels-", dir="/tmp") as room, contextlib.ExitStack() as stack:
        os.environ["P2P_RUNTIME_DIR"] = f"{room}/run"
        stack.callback(lambda: os.environ.pop("P2P_RUNTIME_DIR"))
        stack.enter_context(python(COUNTER, port, until=counts))
        serving = Serving("/x/bench", f"127.0.0.1:{port}", listen=LISTEN[transport], options=["--udp"])
        stack.callback(serving.stop)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/bench", "--udp")
        stack.callback(forwarding.stop)
        lost_before = lost_in_tunnels()
        for rate, aim in ((20_000, 0), (50_000, None)):
            say(f"{rate} datagrams of {chosen.datagram} bytes a second over {transport}, for {chosen.seconds} s")
            for name, where in (("no tunnel", port), ("the tunnel", forwarding.port)):
                sent, came, real = send_paced(where, rate, chosen.seconds, chosen.datagram)
                show(f"{name}: sent, a second", real, "")
                share = 100 * (sent - came) / sent
                if name == "no tunnel":
                    show(f"{name}: lost, {sent - came} of {sent}", share, "%")
                    continue
                lost = lost_in_tunnels()
                counted, lost_before = lost - lost_before, lost
                show(f"{name}: lost, {sent - came} of {sent}", share, "%", None if aim is None else "none", sent == came)
                show(f"{name}: of these the nodes have counted", counted, "")


def lost_in_tunnels():
    return sum(item["lost_datagrams"] for item in ours.run("tunnel", "ls").objects)


PARTS = {"connections": connections, "idle": idle, "datagrams": datagrams}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--transport", action="append", choices=LISTEN, help="tcp and quic by default")
    parser.add_argument("--mebibytes", type=int, default=512, help="what a run of throughput sends")
    parser.add_argument("--rounds", type=int, default=3, help="of what takes turns")
    parser.add_argument("--seconds", type=int, default=5, help="of datagrams at each rate")
    parser.add_argument("--datagram", type=int, default=512, help="the bytes of one")
    chosen = parser.parse_args()
    say(f"the tool: {ours.BINARY}")
    for part in chosen.part or PARTS:
        for transport in chosen.transport or LISTEN:
            PARTS[part](transport, chosen)


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(f"tunnels: {error}")
