"""Thousands of peers that are connected and say nothing cost a node little, and none of them is lost."""

import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import pytest

from .conftest import IS_SOAK, MIB, Target, report, times

PEERS = pathlib.Path(__file__).with_name("idle_main.py")
COUNTS = {"tcp": times(in_ci=60, in_soak=10_000), "quic": times(in_ci=20, in_soak=5_000)}
SECONDS = times(in_ci=3, in_soak=float(os.environ.get("SOAK_SECONDS", 600)))
MOST_RESIDENT = 400 * MIB
MOST_OF_A_CORE = 0.05


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", COUNTS)
def test_idle_connections_cost_little_and_none_is_lost(keys, kind):
    count = COUNTS[kind]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target = Target(
        keys,
        daemon_options=("--limit", f"connections={count + 100}", "--limit", "memory=2GiB"),
        listen=["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"],
    )
    daemon, idle = target.daemon, None
    try:
        before, pongs = daemon.stats()["rss_bytes"], len(target.pongs())
        parts = next(address for address in daemon.addresses if f"/{'udp' if kind == 'quic' else 'tcp'}/" in address).split("/")
        idle = subprocess.Popen(
            [sys.executable, PEERS, kind, parts[2], parts[4], str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        connected = json.loads(idle.stdout.readline())
        # What was opened to get acquainted is over.
        time.sleep(times(in_ci=0.5, in_soak=15))
        began, used = time.monotonic(), processor_seconds(daemon.pid)
        resident = 0
        while time.monotonic() < began + SECONDS:
            resident = max(resident, daemon.stats()["rss_bytes"])
            time.sleep(min(30, SECONDS / 4))
        share = (processor_seconds(daemon.pid) - used) / (time.monotonic() - began)
        stats = daemon.stats()
        done = json.loads(idle.communicate(timeout=60)[0])
        assert done["alive"] == count and stats["connections"] == count + 1, (done, stats["connections"])
        report(
            f"{count} idle connections over {kind}",
            made_in_seconds=connected["seconds"],
            before_mib=before / MIB,
            resident_mib=resident / MIB,
            kib_each=(resident - before) / count / 1024,
            percent_of_a_core=share * 100,
            seconds=SECONDS,
        )
        if IS_SOAK:
            assert resident <= MOST_RESIDENT, f"{resident / MIB:.0f} MiB are resident"
            assert share <= MOST_OF_A_CORE, f"{share:.1%} of a core"
        target.assert_unharmed(pongs, before, times(in_ci=8, in_soak=64) * MIB)
    finally:
        if idle:
            idle.kill()
            idle.wait()
        target.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
