"""Local discovery among enemies: garbage, pointer loops, floods of questions and of invented peers, senders from elsewhere."""

import pathlib
import sys
import time

import pytest

from peers import clock, ours

ATTACK = pathlib.Path(__file__).with_name("mdns_attack_main.py")
MIB = 1024 * 1024


def sent_by(host):
    """Packets that a host has sent on its interface so far."""
    return int(host.run("cat", "/sys/class/net/eth0/statistics/tx_packets").stdout)


def attack(host, *arguments):
    finished = host.run(sys.executable, ATTACK, *arguments)
    return int(finished.stdout)


def held(daemon, *more):
    stats = daemon.stats()
    return {name: stats[name] for name in ("fds", "connections", "pending", *more)}


def settled(daemon):
    clock.settled(lambda: held(daemon, "tasks"), 0.2)
    return held(daemon)


def refusals(daemon):
    return [line for line in daemon.log_text().splitlines() if "local discovery was ignored" in line]


@pytest.mark.parametrize(
    ("kind", "reason"), [("garbage", ""), ("loops", "pointer"), ("queries", "more packets"), ("peers", None)]
)
def test_a_flood(lan, kind, reason):
    host, enemy = lan.host(), lan.host()
    daemon = ours.Daemon(f"/ip4/{host.address}/tcp/0", options=["--mdns"], wrapper=host.inside)
    try:
        time.sleep(3)
        before, memory, sent = settled(daemon), daemon.stats()["rss_bytes"], sent_by(host)
        started = clock.now()
        # On a busy machine the system may drop so many packets that a flood is none.
        for _ in range(5):
            # Nobody is at the address that invented peers name, and the host itself says so at once.
            assert attack(enemy, kind, enemy.address, host.address) >= 5_000
            time.sleep(0.5)
            if reason is None or refusals(daemon):
                break
        if kind == "queries":
            # What it may send at once and each second, and what the system sends by itself.
            allowed = 15 + (clock.now() - started) + 30
            assert sent_by(host) - sent <= allowed, "a question must not make it send without end"
        started = clock.now()
        neighbour = ours.Daemon(f"/ip4/{lan.host().address}/tcp/0", options=["--mdns"], wrapper=lan.hosts[-1].inside)
        try:
            daemon.process.wait_for(
                lambda item: item.get("event") == "connected" and item["peer"] == neighbour.peer, timeout=20
            )
            assert clock.now() - started < 8
        finally:
            assert neighbour.stop() == 0
        clock.wait_until(lambda: held(daemon) == before, 20, "what it held before")
        # Up to 256 invented peers wait for a dial each while they are vouched for.
        assert daemon.stats()["rss_bytes"] - memory <= 8 * MIB
        if reason is not None:
            lines = refusals(daemon)
            assert 1 <= len(lines) <= 2, daemon.log_text()
            assert reason in lines[0]
    finally:
        assert daemon.stop() == 0


def test_a_sender_from_another_network_is_not_heard(lan):
    host, enemy = lan.host(), lan.host()
    foreign = lan.plug(enemy, "eth1", prefix="192.168.55")
    daemon = ours.Daemon(f"/ip4/{host.address}/tcp/0", options=["--mdns"], wrapper=host.inside)
    try:
        time.sleep(1)
        attack(enemy, "peers", foreign)
        time.sleep(1)
        assert daemon.process.all("discovered") == []
        assert "the sender is not on the link" in daemon.log_text()
        assert attack(enemy, "peers", enemy.address) > 0
        daemon.process.wait_for("discovered", timeout=5)
    finally:
        assert daemon.stop() == 0
