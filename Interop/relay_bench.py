"""Our relay next to go's, in one run: memory, CPU time and what it carries. `make relay-bench`, or with a tool that is built already

    P2P_BIN=… relay_bench.py [--peers 1000] [--circuits 200] [--seconds 10] [--json FILE]

The load (P2PRelayLoad, beside the tool) is one process with all of the peers. p2pd, a node of go-libp2p, gives 128 places, and its
limits of connections end a little earlier, so all are measured with 96 first, in turns; ours and kubo then with all of them. p2pd copies through
buffers of 16 MiB, as its makers have patched it; `kubo` is go's relay with the buffers that go-libp2p has (2 KiB), where its library and
network namespaces are. Figures are the relay process's own: resident memory at rest with all places taken beyond that at the start, the
most that it had while busy, and what of that it had asked for (the rest are pages of its program, which the system reads again when it wants
them), CPU seconds, and the bytes that it received for one end of a circuit and sent to the other.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import sys
import threading
import time

from peers import kubo, ours, p2pd
from peers.lan import Lan
from peers.processes import JSONProcess, ProcessEnded

GO_PLACES, GO_CIRCUITS = 96, 48
LOAD = ours.BINARY.with_name("P2PRelayLoad")
TICK = os.sysconf("SC_CLK_TCK")


def resident(pid, kind="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{kind}:"))


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Peak(threading.Thread):
    """The most memory that a process has, looked at ten times a second."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.own, self._over = pid, 0, 0, threading.Event()

    def run(self):
        while not self._over.wait(0.1):
            self.most = max(self.most, resident(self.pid))
            self.own = max(self.own, resident(self.pid, "RssAnon"))

    def stop(self):
        self._over.set()
        self.join()
        return self.most, self.own


def start_ours(peers, circuits):
    limits = {
        "relay.reservations": peers + 16,
        "relay.circuits": circuits + 16,
        "relay.duration": 3600,
        "relay.data": 0,
    }
    options = [part for name, value in limits.items() for part in ("--limit", f"{name}={value}")]
    return ours.Daemon(options=["--relay-service", *options])


def limit_of(relay):
    """The bytes that a circuit through that relay may carry each way; 0 where it gives no place."""
    asking = ours.Daemon(options=["--relay", relay.address])
    try:
        return asking.process.wait_for("reserved", timeout=20)["limit_bytes"] or math.inf
    except ProcessEnded:
        return 0
    finally:
        asking.stop()


def start_go(peers, circuits):
    """p2pd comes up with the limits of its makers or with go-libp2p's (8 places for an address, 128 KiB a circuit), as its two ways of making a
    relay race: it is started until it has its own."""
    for _ in range(20):
        relay = p2pd.GoNode(security="any", flags=["-autonat", "-forceReachabilityPublic"])
        if limit_of(relay) > 128 * 1024:
            return relay
        relay.stop()
    raise RuntimeError("p2pd came up with go-libp2p's limits 20 times")


class KuboRelay(kubo.Kubo):
    """kubo with a relay service whose only limit is its buffers."""

    def __init__(self):
        self._lan = Lan()
        try:
            super().__init__(self._lan.host(), "tcp")
        except BaseException:
            self._lan.remove()
            raise
        self.inside = self.host.inside

    @property
    def _settings(self):
        settings = super()._settings
        most = 1_000_000
        names = ("Reservations", "Circuits", "ReservationsPerPeer", "ReservationsPerIP", "ReservationsPerASN")
        limits = {f"Max{name}": most for name in names}
        endless = {"ConnectionDurationLimit": "1h", "ConnectionDataLimit": 1 << 50}
        settings["Swarm"] |= {
            "RelayService": {"Enabled": True, **limits, **endless},
            "ResourceMgr": {"Enabled": False},
            "ConnMgr": {"Type": "none"},
        }
        return settings | {"Internal": {"Libp2pForceReachability": "public"}}

    @property
    def pid(self):
        return self._process.process.pid

    def stop(self):
        super().stop()
        self._lan.remove()


def start_kubo(peers, circuits):
    relay = KuboRelay()
    relay.relay_address = relay.address("tcp")
    return relay


def measure(name, start, peers, circuits, seconds):
    relay = start(peers, circuits)
    load = None
    try:
        pid = relay.process.pid if name == "go" else relay.pid
        address = relay.relay_address if name == "kubo" else relay.address
        time.sleep(1)
        before = resident(pid)
        load = JSONProcess(
            [*getattr(relay, "inside", []), LOAD, "--relay", address, "--peers", peers, "--circuits", circuits, "--seconds", seconds],
            environment=ours.environment(),
        )
        taken = load.wait_for("reserved", timeout=180)
        time.sleep(2)
        rest = resident(pid)
        load.wait_for("busy", timeout=300)
        peak, began = Peak(pid), cpu(pid)
        peak.start()
        done = load.wait_for("done", timeout=seconds + 300)
        used, (most, own) = cpu(pid) - began, peak.stop()
        return {
            "relay": name,
            "places": peers,
            "circuits": circuits,
            "seconds_to_take_places": round(taken["seconds"], 1),
            "start_mib": before / 2**20,
            "place_kib": (rest - before) / peers / 1024,
            "rest_mib": rest / 2**20,
            "busy_mib": most / 2**20,
            "busy_own_mib": own / 2**20,
            "mib_per_second": done["bytes"] / done["seconds"] / 2**20,
            "cpu_seconds": used,
            "mib_per_cpu_second": done["bytes"] / max(used, 0.01) / 2**20,
        }
    finally:
        if load:
            load.stop()
        relay.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=1000)
    parser.add_argument("--circuits", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if not LOAD.exists():
        sys.exit(f"no load at {LOAD}: build the product P2PRelayLoad beside the tool")
    few = min(GO_PLACES, arguments.peers)
    relays = {"ours": start_ours, **({"go": start_go} if p2pd.is_here() else {}), **({"kubo": start_kubo} if kubo.is_here() else {})}
    found = []
    sizes = [(few, min(GO_CIRCUITS, arguments.circuits), list(relays))]
    if arguments.peers > few:
        sizes.append((arguments.peers, arguments.circuits, [name for name in relays if name != "go"]))
    for places, circuits, names in sizes:
        for name in names * arguments.turns:
            try:
                found.append(measure(name, relays[name], places, circuits, arguments.seconds))
                show(found[-1])
            except Exception as error:
                print(f"{name}: {error}", file=sys.stderr)
    for places in sorted({row["places"] for row in found}):
        compare(found, places)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1))


def compare(found, places):
    medians = {
        name: {
            key: statistics.median(row[key] for row in found if (row["relay"], row["places"]) == (name, places))
            for key in ("busy_mib", "busy_own_mib", "rest_mib", "mib_per_cpu_second")
        }
        for name in {row["relay"] for row in found if row["places"] == places}
    }
    for other in sorted(medians.keys() - {"ours"}) if "ours" in medians else ():
        mine, theirs = medians["ours"], medians[other]
        print(
            f"ours to {other}, medians with {places} places: {mine['mib_per_cpu_second'] / theirs['mib_per_cpu_second']:.2f} x the bytes for a CPU "
            f"second, {mine['busy_mib'] / theirs['busy_mib']:.2f} x the memory when busy "
            f"({mine['busy_own_mib'] / theirs['busy_own_mib']:.2f} x what is asked for), {mine['rest_mib'] / theirs['rest_mib']:.2f} x at rest"
        )


def show(row):
    print(
        f"{row['relay']:4} {row['places']:5} places, {row['circuits']} circuits: {row['mib_per_second']:.0f} MiB/s, "
        f"{row['mib_per_cpu_second']:.0f} MiB a CPU second; {row['start_mib']:.0f} MiB at the start, {row['rest_mib']:.0f} at rest "
        f"({row['place_kib']:.1f} KiB a place), {row['busy_mib']:.0f} busy ({row['busy_own_mib']:.0f} asked for)",
        flush=True,
    )


if __name__ == "__main__":
    main()
