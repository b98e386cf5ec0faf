"""What the tool promises to scripts: exit codes, errors, and an orderly end."""

import json
import os
import signal
import socket
import subprocess

import pytest

from conftest import STACKS
from peers import clock, ours
from peers.formats import Key
from peers.ports import free_port
from peers.processes import tied

STATS = {"connections", "streams", "pending", "fds", "tasks", "rss_bytes", "bytes_in", "bytes_out", "held_bytes"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["ping"],
        ["ping", "--no-such-option"],
        ["daemon", "--listen"],
        ["key", "new", "--type", "dsa"],
        ["daemon", "--security", "rot13"],
        ["daemon", "--security", "plaintext"],
        ["daemon", "--security", "noise", "--security", "noise"],
        ["daemon", "--security", "noise", "--insecure-plaintext"],
        ["daemon", "--muxer", "spdy"],
        ["daemon", "--muxer", "mplex", "--muxer", "mplex"],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_64(arguments):
    outcome = ours.run(*arguments)
    assert outcome.code == 64, outcome
    assert outcome.stderr and not outcome.stdout


@pytest.mark.parametrize("address", ["not an address", "/ip4/127.0.0.1/tcp/65536", "/ip4/300.0.0.1/tcp/1", "/tcp"])
def test_a_bad_address_is_an_error_that_says_so(address):
    outcome = ours.run("ping", address, "--count", 1, "--json")
    assert outcome.code in (1, 64), outcome
    assert outcome.stderr


@pytest.mark.parametrize(
    "command", [["ping", "--count", "1"], ["identify"], ["echo", "--message", "x"], ["perf", "--upload", "1"]]
)
def test_nobody_there_is_an_error_with_a_code(command, keys):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"/ip4/127.0.0.1/tcp/{reserved.getsockname()[1]}/p2p/{Key().peer}"
        outcome = ours.run(command[0], address, *command[1:], "--key", keys("ed25519"), "--json")
    assert outcome.code == 1, outcome
    assert outcome.error["code"] and address.split("/p2p/")[0] in outcome.error["message"], outcome


def test_a_timeout_is_kept(keys):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}/p2p/{Key().peer}"
        started = clock.now()
        outcome = ours.run("ping", address, "--count", 1, "--timeout", 2, "--key", keys("ed25519"), "--json")
        assert outcome.code == 1, outcome
        assert clock.now() - started < 9, "well before the upgrade deadline of 10 s"


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_the_daemon_says_goodbye(keys, signal_number):
    daemon = ours.Daemon(key=keys("ed25519"))
    pinger = ours.JSONProcess(
        [ours.BINARY, "ping", daemon.address, "--count", 1000, "--interval", 0.1, "--json"],
        environment=ours.environment(),
    )
    try:
        pinger.wait_for("pong")
        daemon.process.process.send_signal(signal_number)
        assert daemon.process.process.wait(10) == 0
        assert pinger.process.wait(10) == 1
    finally:
        pinger.stop()
        daemon.stop()


def test_the_daemon_listens_where_it_is_told(keys):
    daemon = ours.Daemon(["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"], key=keys("ed25519"))
    try:
        assert len(daemon.addresses) == 2
        for address in daemon.addresses:
            assert address.endswith(f"/p2p/{daemon.peer}") and "/tcp/0/" not in address
            assert ours.run("ping", address, "--count", 1, "--json").code == 0
    finally:
        assert daemon.stop() == 0


def test_a_taken_port_is_an_error(keys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = ours.run("daemon", "--listen", f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}", "--json", timeout=20)
    assert outcome.code == 1, outcome
    assert outcome.error["code"], outcome


def test_the_snapshot_counts(nodes):
    daemon = nodes.ours(STACKS[0])
    # With the first visitor everything is opened that is opened once: the thread that accepts, the libraries' files.
    picked = lambda stats: [stats[name] for name in ("connections", "streams", "pending", "fds")]  # noqa: E731
    assert ours.run("ping", daemon.address, "--count", 1, "--json").code == 0
    # Longer than the visitor's socket may wait for its end.
    before = clock.settled(daemon.stats, 1.5, picked)
    assert STATS <= before.keys()
    pinger = ours.JSONProcess(
        [ours.BINARY, "ping", daemon.address, "--count", 1000, "--interval", 0.05, "--json"],
        environment=ours.environment(),
    )
    try:
        pinger.wait_for(lambda item: item.get("sequence") == 3)
        during = daemon.stats()
        assert during["connections"] == before["connections"] + 1
        assert during["streams"] >= before["streams"] + 1
        # Whoever asks for the machine's networks has a descriptor more for that moment.
        clock.wait_until(lambda: daemon.stats()["fds"] == before["fds"] + 1, 5, "a descriptor for the connection")
        assert during["bytes_in"] > before["bytes_in"] and during["bytes_out"] > before["bytes_out"]
    finally:
        pinger.stop()
    clock.wait_until(lambda: picked(daemon.stats()) == picked(before), 5, "what was before")


def test_the_daemon_ends_although_nobody_reads_what_it_prints(keys):
    reader, writer = os.pipe()
    daemon = subprocess.Popen(
        tied([str(ours.BINARY), "daemon", "--json", "--listen", "/ip4/127.0.0.1/tcp/0", "--key", str(keys("ed25519"))]),
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.DEVNULL,
        env=ours.environment(),
    )
    try:
        said = b""
        while b'"ready"' not in said:
            said += os.read(reader, 65536)
        address = json.loads(said.splitlines()[0])["address"]
        # A description of its own: the daemon's standard output stays a blocking one.
        filler = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            for size in (4096, 1):
                try:
                    while True:
                        os.write(filler, b"x" * size)
                except BlockingIOError:
                    pass
        finally:
            os.close(filler)
        # It serves, and what it has to say about that is stuck.
        assert ours.run("ping", address, "--count", 1, "--json").code == 0
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(5) == 0
    finally:
        daemon.kill()
        daemon.wait()
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("command", [("ping", "--count", "1"), ("echo", "--message", "hello"), ("identify",), ("doctor",)])
def test_peers_to_meet_first(command):
    target, other = ours.Daemon(), ours.Daemon()
    gone = f"/ip4/127.0.0.1/tcp/{free_port()}/p2p/{other.peer}"
    try:
        name, *options = command
        found = ours.run(name, target.address, *options, "--bootstrap", other.address, "--bootstrap", gone, "--json")
        assert found.code == 0, found
        other.process.wait_for("connected")
        found = ours.run(name, target.address, *options, "--bootstrap", gone, "--json")
        assert found.code == 1 and found.error, "nobody was met"
    finally:
        assert (target.stop(), other.stop()) == (0, 0)
