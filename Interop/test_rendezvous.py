"""Rendezvous points: registering, finding, and what a point refuses."""


import pytest

from peers import ours
from peers.processes import JSONProcess
from peers.python_member import PythonMember


@pytest.fixture(scope="module")
def point():
    daemon = ours.Daemon(options=["--rendezvous"])
    try:
        yield daemon
    finally:
        assert daemon.stop() == 0, daemon.process.report()


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
    listen = ["--listen", "/ip4/127.0.0.1/tcp/0"]
    for arguments, code in ((["x" * 256], "invalidNamespace"), (["short", "--ttl", "1"], "refused")):
        outcome = rendezvous("register", *arguments, *listen, at=point)
        assert outcome.code == 1, outcome
        assert outcome.error["code"] == code, outcome


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
