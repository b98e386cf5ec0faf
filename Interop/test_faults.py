"""System calls that fail once, or now and then: no errno ends a service. strace makes them fail."""

import shutil
import subprocess
import time

import pytest

from peers import ours

TCP, QUIC = "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"
PASSING = ["EPROTO", "EPERM", "ENETDOWN", "EHOSTUNREACH", "EOPNOTSUPP", "ENOBUFS", "EMFILE"]
"""What accept may fail with, as its manual page says, and the socket is as good as before."""


def _can_trace():
    try:
        return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], timeout=20).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


pytestmark = pytest.mark.skipif(not _can_trace(), reason="strace is not here, or may not trace")


class Faulty(ours.Daemon):
    """Our daemon, in which system calls fail; `faults` are strace's (`accept4:error=EPROTO:when=2`), counted for each thread."""

    def __init__(self, *faults, listen, options=(), wrapper=()):
        calls = ",".join(fault.partition(":")[0] for fault in faults)
        wrapper = [*wrapper, shutil.which("strace"), "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}"]
        for fault in faults:
            wrapper += ["-e", f"inject={fault}"]
        super().__init__(listen, options=options, wrapper=wrapper)


def pings(address, count=4):
    for number in range(count):
        outcome = ours.run("ping", address, "--count", 1, "--json", timeout=30)
        assert outcome.code == 0, (number, outcome)


@pytest.mark.parametrize("error", PASSING)
def test_an_accept_that_fails_now_and_then_refuses_nobody(error):
    daemon = Faulty(f"accept4:error={error}:when=1+2", listen=TCP)
    try:
        pings(daemon.address)
        assert not daemon.process.all("stopped_listening")
    finally:
        assert daemon.stop() == 0, daemon.process.report()


@pytest.mark.parametrize("listen, call", [(TCP, "accept4"), (QUIC, "recvmmsg")])
def test_a_socket_that_is_none_any_more_is_bound_again_on_its_port_and_the_daemon_says_so(listen, call):
    daemon = Faulty(f"{call}:error=EINVAL:when=3", listen=listen)
    try:
        mark = daemon.process.mark()
        deadline = time.monotonic() + 30
        while not daemon.process.all("stopped_listening") and time.monotonic() < deadline:
            ours.run("ping", daemon.address, "--count", 1, "--timeout", 3, timeout=30)
        daemon.process.wait_for("stopped_listening", after=mark, timeout=1)
        again = daemon.process.wait_for("listening", after=mark, timeout=10)
        assert again["address"] == daemon.address
        pings(daemon.address, 2)
    finally:
        assert daemon.stop() == 0, daemon.process.report()


@pytest.mark.parametrize("call", ["recvmmsg", "sendmsg"])
@pytest.mark.parametrize("error", ["EIO", "EPERM", "ENOBUFS", "ECONNREFUSED"])
def test_datagrams_that_can_t_be_read_or_sent_now_and_then_end_nothing(call, error):
    daemon = Faulty(f"{call}:error={error}:when=2+5", listen=QUIC)
    try:
        pings(daemon.address)
        assert not daemon.process.all("stopped_listening")
    finally:
        assert daemon.stop() == 0, daemon.process.report()
