"""Rendezvous points: registering, finding, and what a point refuses."""


import os
import signal

import pytest

from peers import ours
from peers.clock import wait_until
from peers.ports import free_port
from peers.processes import JSONProcess
from peers.python_member import PythonMember


@pytest.fixture(scope="module")
def point():
    daemon = ours.Daemon(options=["--rendezvous"])
    try:
        yield daemon
    finally:
        assert daemon.stop() == 0, daemon.process.report()


LOOPBACK = ["--listen", "/ip4/127.0.0.1/tcp/0"]


def start(command, *arguments, at):
    """One that runs on."""
    return JSONProcess(
        [ours.BINARY, "rendezvous", command, *arguments, "--at", at.address, "--json"], environment=ours.environment()
    )


def rendezvous(command, *arguments, at):
    return ours.run("rendezvous", command, *arguments, "--at", at.address, "--json")


def events(outcome, name):
    return [item for item in outcome.objects if item.get("event") == name]


def test_whoever_registers_is_found(point):
    arguments = [ours.BINARY, "rendezvous", "register", "game", "--at", point.address, "--stay", "--json"]
    player = JSONProcess([*arguments, "--listen", "/ip4/127.0.0.1/tcp/0"], environment=ours.environment())
    try:
        registered = player.wait_for("registered", timeout=20)
        assert registered["ttl_s"] == 7200
        outcome = rendezvous("discover", "game", at=point)
        assert outcome.code == 0, outcome
        (found,) = events(outcome, "registration")
        assert (found["peer"], found["namespace"]) == (registered["peer"], "game")
        assert found["addresses"][0].startswith("/ip4/127.0.0.1/tcp/")
        assert ours.run("ping", found["addresses"][0], "--count", "1", "--json").code == 0
    finally:
        assert player.stop() == 0, player.report()


def test_nobody_is_found_under_another_name(point):
    outcome = rendezvous("discover", "nobody", at=point)
    assert outcome.code == 1, outcome
    assert outcome.error["code"] == "notFound"


def test_what_a_point_refuses_says_why(point):
    for arguments, code in ((["x" * 256], "invalidNamespace"), (["short", "--ttl", "1"], "refused")):
        outcome = rendezvous("register", *arguments, *LOOPBACK, at=point)
        assert outcome.code == 1, outcome
        assert outcome.error["code"] == code, outcome


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_stays_takes_it_back(point, number):
    name = f"short stay {number}"
    player = start("register", name, "--stay", *LOOPBACK, at=point)
    try:
        registered = player.wait_for("registered")
        assert rendezvous("discover", name, at=point).code == 0
        os.kill(player.pid, number)
        assert player.wait(within=5) == 0, player.report()
        (taken_back,) = player.all("unregistered")
        assert (taken_back["namespace"], taken_back["at"]) == (name, registered["at"])
        assert rendezvous("discover", name, at=point).error["code"] == "notFound"
    finally:
        player.stop()


def test_the_end_waits_for_no_point_that_hangs():
    daemon = ours.Daemon(options=["--rendezvous"])
    player = start("register", "hangs", "--stay", *LOOPBACK, at=daemon)
    try:
        player.wait_for("registered")
        os.kill(daemon.pid, signal.SIGSTOP)
        os.kill(player.pid, signal.SIGINT)
        assert player.wait(within=8) == 0, player.report()
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
        player.stop()
        daemon.stop()


def test_who_runs_on_outlives_the_point(keys):
    """The point is away where a registration is made again, and comes back with nothing."""
    listen = f"/ip4/127.0.0.1/tcp/{free_port()}"
    daemon = ours.Daemon(listen, key=keys("ed25519"), options=["--rendezvous"])
    player = start("register", "game", "--stay", "--ttl", "60", *LOOPBACK, at=daemon)
    follower = start("discover", "game", "--follow", "--interval", "0.5", at=daemon)
    try:
        peer = player.wait_for("registered")["peer"]
        assert follower.wait_for("registration")["peer"] == peer
        assert daemon.stop() == 0
        failed = follower.wait_for("point_failed", timeout=30)
        assert failed["code"] and failed["message"] and failed["retry_s"] == 15, failed
        # Half a minute before the end.
        player.wait_for("point_failed", timeout=50)
        daemon = ours.Daemon(listen, key=keys("ed25519"), options=["--rendezvous"])
        newcomer = start("register", "game", "--stay", *LOOPBACK, at=daemon)
        try:
            other = newcomer.wait_for("registered")["peer"]
            follower.wait_for(lambda item: item.get("event") == "registration" and item["peer"] == other, timeout=40)
            wait_until(lambda: len(player.all("registered")) == 2, within=40, what="the registration")
        finally:
            assert newcomer.stop() == 0, newcomer.report()
        for process in (player, follower):
            assert len(process.all("point_failed")) == len(process.all("point_back")) == 1, process.report()
    finally:
        codes = [player.stop(), follower.stop()]
        daemon.stop()
    assert codes == [0, 0]


def test_what_is_told_from_the_start_again_is_printed_once():
    daemon = ours.Daemon(options=["--rendezvous"])
    player = start("register", "game", "--stay", *LOOPBACK, at=daemon)
    follower = newcomer = None
    try:
        player.wait_for("registered")
        follower = start("discover", "game", "--follow", "--interval", "0.5", at=daemon)
        first = follower.wait_for("registration")["peer"]
        os.kill(daemon.pid, signal.SIGSTOP)
        follower.wait_for("point_failed", timeout=30)
        os.kill(daemon.pid, signal.SIGCONT)
        follower.wait_for("point_back", timeout=40)
        newcomer = start("register", "game", "--stay", *LOOPBACK, at=daemon)
        second = newcomer.wait_for("registered")["peer"]
        follower.wait_for(lambda item: item.get("event") == "registration" and item["peer"] == second)
        assert [item["peer"] for item in follower.all("registration")] == [first, second], follower.report()
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
        for process in (player, follower, newcomer):
            if process:
                process.stop()
        daemon.stop()


@pytest.mark.parametrize("arguments", [["register", "game", "--stay", *LOOPBACK], ["discover", "game", "--follow"]])
def test_a_point_that_was_never_reached_is_an_error(keys, arguments):
    daemon = ours.Daemon(key=keys("ed25519"), options=["--rendezvous"])
    daemon.stop()
    outcome = rendezvous(*arguments, at=daemon)
    assert outcome.code == 1 and outcome.error["code"], outcome


@pytest.mark.parametrize("arguments", [["register", "game", *LOOPBACK], ["discover", "game"], ["discover", "game", "--follow"]])
def test_a_peer_that_is_no_point_is_called_so(arguments):
    daemon = ours.Daemon()
    try:
        outcome = rendezvous(*arguments, at=daemon)
    finally:
        daemon.stop()
    assert outcome.code == 1, outcome
    assert outcome.error["code"] == "protocolNotSupported", outcome
    assert "no rendezvous point" in outcome.error["message"] and "p2p daemon --rendezvous" in outcome.error["message"]


@pytest.mark.parametrize("limit", ["--limit=0", "--limit=-1"])
def test_a_limit_is_at_least_one(point, limit):
    outcome = rendezvous("discover", "game", limit, at=point)
    assert outcome.code == 64 and "at least 1" in outcome.stderr, outcome


@pytest.fixture(scope="module")
def python():
    member = PythonMember()
    yield member
    member.stop()


def test_with_py_only_questions_meet(point, python):
    """py speaks the older dialect, whose registrations are unsigned addresses: each refuses the other's by its number, and understands all else."""
    outcome = rendezvous("register", "py", "--listen", "/ip4/127.0.0.1/tcp/0", at=python)
    assert outcome.code == 1, outcome
    assert outcome.error["code"] == "refused" and "notAuthorized" in outcome.error["message"]
    outcome = rendezvous("discover", "py", at=python)
    assert outcome.code == 1 and outcome.error["code"] == "notFound", outcome

    refusal = python.do("register", address=point.address, namespace="py")
    assert refusal["status"] == 101, refusal
    peers, cookie = python.do("discover", address=point.address, namespace="py")
    assert peers == [] and cookie[16:] == b"py".hex()
