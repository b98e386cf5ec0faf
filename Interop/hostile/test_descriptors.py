"""No file descriptors left: existing connections go on, and accepting resumes after relief."""

import os
import resource
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


def test_running_out_of_descriptors(starved):
    pid = starved.daemon.pid
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (LIMIT, LIMIT)
    friend = session(starved.endpoint, Key())
    stream = friend.open(PING)
    links = []
    try:
        # More than there is room for; the rest waits in the listener's queue.
        for _ in range(LIMIT + 40):
            links.append(Link(starved.endpoint, timeout=5))
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
