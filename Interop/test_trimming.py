"""Connections that are worth their place stay; others make room, and their peers come back when they want."""

import os
import resource
import stat
import threading
import time

import pytest

from conftest import Stack, make_peer
from hostile.wire import PING, Ended, session
from peers import ours
from peers.formats import Key
from peers.python_node import Refused

IS_SOAK = os.environ.get("SOAK") == "1"
YOUTH = 5
"""Seconds in which no connection is closed for another."""
IDENTITIES, EACH = 512 if IS_SOAK else 16, 8
SOON = 1 if IS_SOAK else 3
"""Seconds that a new peer may take; on an idle machine it is a few milliseconds."""


def limits(*settings):
    return [word for setting in settings for word in ("--limit", setting)]


def is_open(near):
    """Whether the daemon has left the connection alone; what it says is taken."""
    try:
        while near.link.has_input():
            near.receive_frame()
    except Ended:
        return False
    return near.go_away is None


def ping(near):
    stream = near.open(PING)
    stream.send(bytes(32))
    assert stream.receive_exactly(32) == bytes(32)


@pytest.mark.timeout(600)
def test_a_new_peer_gets_in_where_idle_connections_hold_every_place():
    places = IDENTITIES * EACH
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    daemon = ours.Daemon(options=limits(f"connections={places}"))
    held = {}
    try:
        for _ in range(IDENTITIES):
            key = Key()
            held[key.peer] = [session(daemon.endpoint, key) for _ in range(EACH)]
            for near in (near for sessions in held.values() for near in sessions):
                assert is_open(near)
        last = time.monotonic()
        while (count := daemon.stats()["connections"]) < places:
            assert time.monotonic() < last + YOUTH, count
        while time.monotonic() < last + YOUTH + 1:
            for near in (near for sessions in held.values() for near in sessions):
                assert is_open(near)
            time.sleep(0.2)
        for _ in range(2):
            began = time.monotonic()
            new = session(daemon.endpoint, Key())
            ping(new)
            assert time.monotonic() - began < SOON
            held[f"new {began}"] = [new]
        stats = daemon.stats()
        high = next(row for row in stats["limits"] if row["limit"] == "connectionsHigh")
        assert stats["connections"] <= places and high["refusals"] >= 2, high
        # Redundant ones have gone: no peer has lost its last.
        time.sleep(0.5)
        left = {peer: sum(map(is_open, sessions)) for peer, sessions in held.items()}
        assert all(left.values()) and sum(left.values()) < places + 2, left
    finally:
        for near in (near for sessions in held.values() for near in sessions):
            near.link.close()
        assert daemon.stop() == 0, daemon.process.report()


class Busy(threading.Thread):
    """A peer that pings all the time."""

    def __init__(self, endpoint):
        super().__init__(daemon=True)
        self.key = Key()
        self.near = session(endpoint, self.key)
        self.stream = self.near.open(PING)
        self.failure, self.is_over = None, threading.Event()
        self.start()

    def run(self):
        try:
            while not self.is_over.wait(0.2):
                self.stream.send(bytes(32))
                assert self.stream.receive_exactly(32) == bytes(32)
        except Exception as error:  # noqa: BLE001
            self.failure = error

    def stop(self):
        self.is_over.set()
        self.join()
        self.near.link.close()


def ping_again(py, address):
    """py-libp2p finds out that a connection has gone when it wants to use it, and dials the next time."""
    for attempt in range(3):
        try:
            return py.ping(address)
        except Refused:
            assert attempt < 2
            time.sleep(0.5)


@pytest.mark.parametrize("transport", ["tcp", "quic-v1"])
def test_real_nodes_that_are_trimmed_come_back(transport):
    stack = Stack("tcp", "noise", "yamux") if transport == "tcp" else Stack("quic-v1")
    daemon = ours.Daemon(
        [stack.listen, "/ip4/127.0.0.1/tcp/0"], options=limits("connectionsHigh=1", "connectionsLow=0", "connectionGrace=1")
    )
    tcp = next(address for address in daemon.addresses if "/tcp/" in address).split("/")
    go, py = make_peer("go", stack), make_peer("py", stack)
    busy = Busy((tcp[2], int(tcp[4])))
    try:
        mark = daemon.process.mark()
        peer = go.connect(daemon.address)
        py.ping(daemon.address, stays=True)
        for name in (go.peer, py.peer):
            ended = daemon.process.wait_for(
                lambda item, name=name: item.get("event") == "disconnected" and item["peer"] == name, after=mark, timeout=50
            )
            assert ended["reason"] == "closed", ended
        deadline = time.monotonic() + 10
        while daemon.peer in go.peers():
            assert time.monotonic() < deadline, "go has not noticed"
            time.sleep(0.1)
        # They are welcome again.
        sent, received = go.echo(daemon.address, 10_000)
        assert sent == received and peer
        assert len(ping_again(py, daemon.address)) == 3
        assert busy.failure is None and is_open(busy.near)
    finally:
        busy.stop()
        go.stop()
        py.stop()
        assert daemon.stop() == 0, daemon.process.report()


def test_a_peer_on_the_list_has_a_place_that_no_stranger_takes(keys):
    friend = Key()
    daemon = ours.Daemon(options=[*limits("connections=1", "connectionsAllowed=1"), "--allow", friend.peer])
    sessions = []
    try:
        sessions.append(session(daemon.endpoint))
        ping(sessions[0])
        try:
            refused = session(daemon.endpoint)
            assert refused.how_it_ends(within=5)[0]
            # The daemon waits for that before it says so.
            refused.link.close()
        except Ended:
            pass
        sessions.append(session(daemon.endpoint, friend))
        ping(sessions[1])
        rows = {row["limit"]: row for row in daemon.stats()["limits"]}
        assert (rows["connections"]["use"], rows["connectionsAllowed"]["use"]) == (1, 1)
        assert rows["connections"]["refusals"] >= 1 and rows["connectionsAllowed"]["refusals"] == 0
        deadline = time.monotonic() + 15
        while "the limit connections of 1 is reached: 1 in use by the host" not in daemon.log_text():
            assert time.monotonic() < deadline, daemon.log_text()
            time.sleep(0.1)
    finally:
        for near in sessions:
            near.link.close()
        assert daemon.stop() == 0, daemon.process.report()


def test_a_daemon_that_runs_says_how_near_its_limits_are_and_what_each_connection_is_worth(tmp_path):
    data = tmp_path / "node"
    assert ours.run("limits", "--data", data, "--json").error["code"] == "notRunning"
    daemon = ours.Daemon(options=["--data", data, *limits("connectionsPerPeer=7")])
    try:
        assert stat.S_IMODE(os.stat(data / "control").st_mode) == 0o600
        key = Key()
        near = session(daemon.endpoint, key)
        ping(near)
        asked = ours.run("limits", "--data", data, "--json")
        rows = {row["limit"]: row for row in asked.objects}
        assert asked.code == 0 and rows["connectionsPerPeer"] == {
            "event": "limit", "limit": "connectionsPerPeer", "value": 7, "unit": "count", "use": 1, "peak": 1, "refusals": 0,
            "setting": "--limit connectionsPerPeer=VALUE",
        }  # fmt: skip
        shown = ours.run("limits", "--data", data).stdout.decode().splitlines()
        assert shown[0].split() == ["limit", "value", "use", "at", "most", "refused", "unit", "setting"]
        assert any(line.split()[:5] == ["connectionsPerPeer", "7", "1", "1", "0"] for line in shown)
        (connection,) = ours.run("connections", "--data", data, "--json").objects
        assert connection["peer"] == key.peer and connection["direction"] == "inbound" and connection["hold"] == "young"
        assert connection["worth"] == sum(reason["points"] for reason in connection["reasons"])
        assert f"{key.peer} /ip4/127.0.0.1/tcp/" in ours.run("connections", "--data", data).stdout.decode()
        near.link.close()
        daemon.wait_until_without(key.peer)
        assert ours.run("connections", "--data", data).stdout == b"no connections\n"
    finally:
        assert daemon.stop() == 0, daemon.process.report()
    assert not (data / "control").exists()
    gone = ours.run("connections", "--data", data, "--json")
    assert gone.code == 1 and gone.error["code"] == "notRunning"
