#!/usr/bin/env python3
"""A look-up in one network of go nodes by a client of ours and by one of go's: messages, and time.

Every node is a process on this machine. Both clients join while all are alive; then some are stopped (SIGSTOP), which leaves their
connections open and silent. Messages are counted where they arrive, in the logs of the go servers, so the same way for both; those to
stopped nodes are counted by ours alone, which says how many peers it has asked.
"""

import argparse
import contextlib
import hashlib
import os
import pathlib
import signal
import statistics
import sys
import tempfile
import time

# Before any go node starts: its servers say which message came from whom.
os.environ["GOLOG_LOG_LEVEL"] = "error,dht=debug"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Interop"))

from peers import ours, p2pd  # noqa: E402
from peers.formats import Key  # noqa: E402
from peers.processes import JSONProcess  # noqa: E402


class OurClient:
    """`p2p dht closest --stdin`: a key a line, a summary each."""

    name = "ours"

    def __init__(self, way):
        self.room = tempfile.TemporaryDirectory()
        key = Key("ed25519")
        path = pathlib.Path(self.room.name) / "node.key"
        path.write_bytes(key.private_message)
        path.chmod(0o600)
        self.peer = key.peer
        arguments = [ours.BINARY, "dht", "closest", "--stdin", "--json", "--key", path, "--bootstrap", way]
        self.process = JSONProcess(arguments, environment=ours.environment(), stdin=True)

    def look_up(self, key):
        mark = self.process.mark()
        self.process.process.stdin.write(f"hex:{key.hex()}\n")
        self.process.process.stdin.flush()
        summary = self.process.wait_for("summary", after=mark, timeout=90)
        return summary["ms"] / 1000, summary["found"], summary["messages"]

    def stop(self):
        self.process.stop()
        self.room.cleanup()


class GoClient:
    name = "go"

    def __init__(self, way):
        self.node = p2pd.GoNode(flags=["-dhtClient"])
        self.peer = self.node.peer
        self.node.connect(way)

    def look_up(self, key):
        began = time.monotonic()
        found = self.node.dht(p2pd.GET_CLOSEST_PEERS, key=key, timeout=90)
        return time.monotonic() - began, len(found), None

    def stop(self):
        self.node.stop()


class Arrivals:
    """Messages that have arrived at the go servers from a client since they were last counted."""

    def __init__(self, servers):
        self.places = {server: 0 for server in servers}

    def count(self, peer):
        found = 0
        for server, place in self.places.items():
            with server._log.open(errors="replace") as log:
                log.seek(place)
                text = log.read()
                self.places[server] = log.tell()
            found += sum("handling message" in line and peer in line for line in text.splitlines())
        return found


def measure(client, servers, keys):
    arrivals = Arrivals(servers)
    arrivals.count(client.peer)
    times, messages, asked, found = [], [], [], []
    for key in keys:
        seconds, count, own = client.look_up(key)
        times.append(seconds)
        found.append(count)
        asked.append(own)
        time.sleep(0.2)
        messages.append(arrivals.count(client.peer))
    asked_text = f", {statistics.median(asked):.0f} asked" if asked[0] is not None else ""
    print(
        f"{client.name:>5}: median {statistics.median(times) * 1000:.1f} ms (worst {max(times) * 1000:.0f}), "
        f"{statistics.median(messages):.0f} messages arrived{asked_text}, {statistics.median(found):.0f} found"
    )
    return statistics.median(times), statistics.median(messages)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=30)
    parser.add_argument("--silent", type=float, default=0.3, help="the part of the nodes that is stopped for the second measurement")
    parser.add_argument("--lookups", type=int, default=20)
    arguments = parser.parse_args()
    keys = [b"\x12\x20" + hashlib.sha256(number.to_bytes(4)).digest() for number in range(2 * arguments.lookups)]
    with contextlib.ExitStack() as stack:
        servers = []
        for _ in range(arguments.nodes):
            server = p2pd.GoNode(flags=["-dhtServer"])
            stack.callback(server.stop)
            if servers:
                server.connect(servers[0].address)
            servers.append(server)
        time.sleep(5)
        # Those who came first have not met those who came last.
        for server in servers:
            with contextlib.suppress(p2pd.Refused):
                server.dht(p2pd.GET_CLOSEST_PEERS, key=hashlib.sha256(server.peer.encode()).digest())
        clients = [kind(servers[0].address) for kind in (GoClient, OurClient)]
        for client in clients:
            stack.callback(client.stop)
        time.sleep(3)
        for client in clients:
            # Connections are there then, as in a node that has run for a while.
            for number in range(5):
                client.look_up(hashlib.sha256(bytes([200 + number])).digest())
        print(f"{arguments.nodes} go nodes, all alive, {arguments.lookups} look-ups each")
        alive = [measure(client, servers, keys[: arguments.lookups]) for client in clients]
        stopped = servers[1 : 1 + round(arguments.nodes * arguments.silent)]
        for server in stopped:
            os.kill(server.process.pid, signal.SIGSTOP)
            stack.callback(os.kill, server.process.pid, signal.SIGCONT)
        print(f"{len(stopped)} of them silent")
        silent = [measure(client, servers, keys[arguments.lookups :]) for client in reversed(clients)][::-1]
    for title, ((go_time, go_messages), (our_time, our_messages)) in (("all alive", alive), ("some silent", silent)):
        print(f"{title}: time ours/go {our_time / go_time:.2f}, messages ours/go {our_messages / max(1, go_messages):.2f}")


if __name__ == "__main__":
    main()
