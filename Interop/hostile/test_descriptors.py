"""No file descriptors left: existing connections go on, and accepting resumes after relief."""

import os
import resource
import signal
import time

import pytest

from peers import clock
from peers.formats import Key

from .conftest import IS_SOAK, Target
from .wire import PING, Link, session

LIMIT = 64


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def starved(keys):
    target = Target(keys, wrapper=["prlimit", f"--nofile={LIMIT}:{LIMIT}", "--"])
    yield target
    target.stop()


def fill(endpoint):
    """More connections than there is room for; the rest waits in the listener's queue."""
    return [Link(endpoint, timeout=5) for _ in range(LIMIT + 40)]


def test_running_out_of_descriptors(starved):
    pid = starved.daemon.pid
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (LIMIT, LIMIT)
    friend = session(starved.endpoint, Key())
    stream = friend.open(PING)
    links = []
    try:
        links = fill(starved.endpoint)
        time.sleep(1)
        before, started = cpu_seconds(pid), clock.now()
        for _ in range(10):
            stream.send(bytes(32))
            assert stream.receive_exactly(32) == bytes(32), "an existing connection goes on"
            time.sleep(0.2)
        share = (cpu_seconds(pid) - before) / (clock.now() - started)
        assert share < (0.05 if IS_SOAK else 0.5), f"{share:.0%} of a core while there is nothing to accept with"
    finally:
        for link in links:
            link.close()
    deadline = clock.Deadline(10)
    while True:
        try:
            relieved = session(starved.endpoint, Key(), timeout=3)
            break
        except Exception:
            assert not deadline.is_over, "accepting does not resume"
            time.sleep(0.1)
    with relieved.link:
        assert relieved.is_alive()
    friend.link.close()
    starved.assert_unharmed(0, starved.daemon.stats()["rss_bytes"], 1 << 20)


def test_some_descriptors_are_never_given_to_connections(starved):
    """The runtime itself opens files now and then, and traps when it can't: when it finds, once a second, that tasks wait for a thread. Here they
    do, since a stopped process has missed several timers."""
    pid = starved.daemon.pid
    friend = session(starved.endpoint, Key())
    stream = friend.open(PING)
    links = fill(starved.endpoint)
    try:
        for _ in range(4):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(1.1)
            os.kill(pid, signal.SIGCONT)
            stream.send(bytes(32))
            assert stream.receive_exactly(32) == bytes(32), "an existing connection goes on"
        used = len(os.listdir(f"/proc/{pid}/fd"))
        assert LIMIT // 2 < used <= LIMIT - LIMIT // 8 + 2, f"{used} of {LIMIT} descriptors are taken"
    finally:
        for link in links:
            link.close()
    friend.link.close()
