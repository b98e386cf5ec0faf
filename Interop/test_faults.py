"""System calls that fail once, or now and then: no errno ends a service. strace makes them fail."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from peers import clock, faults, ours
from peers.clock import wait_until
from peers.processes import tied

TCP, QUIC = "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"
PASSING = ["EPROTO", "EPERM", "ENETDOWN", "EHOSTUNREACH", "EOPNOTSUPP", "ENOBUFS", "EMFILE"]
"""What accept may fail with, as its manual page says, and the socket is as good as before."""

pytestmark = pytest.mark.skipif(not faults.can_trace(), reason="strace is not here, or may not trace")


class Faulty(ours.Daemon):
    """Our daemon, in which system calls fail from its start on."""

    def __init__(self, *failing, listen, options=(), wrapper=()):
        wrapper = [*wrapper, shutil.which("strace"), "-D", *faults.options(failing)]
        super().__init__(listen, options=options, wrapper=wrapper)


def pings(address, count=4):
    for number in range(count):
        outcome = ours.run("ping", address, "--count", 1, "--json", timeout=30)
        assert outcome.code == 0, (number, outcome)


def answers(address, **options):
    return ours.run("ping", address, "--count", 1, "--timeout", 2, "--json", timeout=30, **options).code == 0


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
@pytest.mark.parametrize("error", ["EPERM", "ECONNREFUSED"])
def test_datagrams_that_can_t_be_read_or_sent_now_and_then_end_nothing(call, error):
    daemon = Faulty(f"{call}:error={error}:when=2+5", listen=QUIC)
    try:
        pings(daemon.address)
        assert not daemon.process.all("stopped_listening")
    finally:
        assert daemon.stop() == 0, daemon.process.report()


LISTENING = ["accept4", "setsockopt", "getsockopt", "getsockname", "getpeername", "shutdown", "recvmmsg", "sendmsg", "sendto"]
"""But for recvmsg: where getsockname fails, too, glibc takes it for an error of its own, and aborts."""
CONNECTED = ["read", "readv", "write", "writev", "recvfrom", "close"]
DIALING = ["socket", "bind", "connect", *LISTENING[1:]]


@pytest.mark.parametrize("error", ["EIO", "ENOBUFS", "ETIMEDOUT"])
class TestEveryCall:
    """Each of them fails at every third time, in all threads; what the peers of that moment see of it is theirs."""

    def test_of_sockets_that_listen(self, error):
        daemon = ours.Daemon([TCP, QUIC])
        try:
            with faults.failing(daemon.pid, *(f"{call}:error={error}:when=2+3" for call in LISTENING)):
                for address in daemon.addresses * 2:
                    answers(address)
            for address in daemon.addresses:
                wait_until(lambda address=address: answers(address), 20, address)
        finally:
            assert daemon.stop() == 0, daemon.process.report()

    def test_of_one_connection(self, error):
        """On its descriptor alone: event loops, signals and the log read and write, too."""
        daemon = ours.Daemon(TCP)
        dialer = ours.JSONProcess(
            [ours.BINARY, "ping", daemon.address, "--count", 3000, "--interval", 0.01, "--json"], environment=ours.environment()
        )
        try:
            dialer.wait_for("pong", timeout=20)
            port = daemon.endpoint[1]
            with faults.failing(
                daemon.pid, *(f"{call}:error={error}:when=5" for call in CONNECTED), only=sockets_at(daemon.pid, port)
            ):
                daemon.process.wait_for("disconnected", timeout=10)
            pings(daemon.address, 1)
        finally:
            dialer.stop()
            assert daemon.stop() == 0, daemon.process.report()

    def test_of_dials(self, error, keys):
        far = ours.Daemon([TCP, QUIC], key=keys("ed25519"))
        near = ours.Daemon(TCP, options=[part for address in far.addresses for part in ("--bootstrap", address)])
        try:
            near.process.wait_for("connected", timeout=10)
            with faults.failing(near.pid, *(f"{call}:error={error}:when=1+2" for call in DIALING)):
                os.kill(far.pid, signal.SIGKILL)
                far.process.process.wait()
                far = ours.Daemon([address.split("/p2p/")[0] for address in far.addresses], key=keys("ed25519"))
                time.sleep(2)
            assert not near.process.all("stopped_listening")
            wait_until(lambda: connections(near) > 0, 20, "a connection")
        finally:
            assert [near.stop(), far.stop()] == [0, 0], near.process.report()


def connections(daemon):
    return daemon.stats()["connections"]


def sockets_at(pid, port):
    """The connections of a process at that port of its own, as strace names them."""
    inodes = set()
    for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port and fields[3] == "01":
            inodes.add(f"socket:[{fields[9]}]")
    held = {os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    assert inodes & held
    return sorted(inodes & held)


def found(one, other, timeout=15):
    one.process.wait_for(lambda item: item.get("event") == "discovered" and item["peer"] == other.peer, timeout=timeout)


@pytest.mark.parametrize("error", ["ENETDOWN", "EPERM"])
def test_local_discovery_lives_with_calls_that_fail(lan, error):
    """Those by which the kernel is asked for the interfaces are among them."""
    near, far = lan.host(), lan.host()
    failing = [f"{call}:error={error}:when=5+7" for call in ("recvmsg", "sendmsg", "sendto")]
    daemons = [
        Faulty(*failing, listen=f"/ip4/{near.address}/tcp/0", options=["--mdns"], wrapper=near.inside),
        ours.Daemon(f"/ip4/{far.address}/tcp/0", options=["--mdns"], wrapper=far.inside),
    ]
    try:
        found(*daemons)
        found(*reversed(daemons))
    finally:
        assert [daemon.stop() for daemon in daemons] == [0, 0], daemons[0].process.report()


def left(daemon):
    """Open descriptors but for those of connections."""
    stats = daemon.stats()
    return stats["fds"] - stats["connections"] - stats["pending"]


def settled(daemon):
    """The same, once it is the same for four seconds: an IPv6 address of a new interface, and its socket, come late."""
    return clock.settled(lambda: left(daemon), 4)


@pytest.mark.parametrize("error", ["ENOBUFS", "EIO"])
def test_local_discovery_outlives_its_sockets(lan, error):
    near, far = lan.host(), lan.host()
    daemons = [ours.Daemon(f"/ip4/{near.address}/tcp/0", options=["--mdns"], wrapper=near.inside)]
    try:
        held = settled(daemons[0])
        calls = ("recvmsg", "sendmsg", "sendto", "setsockopt", "bind", "socket")
        with faults.failing(daemons[0].pid, *(f"{call}:error={error}:when=1+2" for call in calls)):
            time.sleep(3)
        daemons.append(ours.Daemon(f"/ip4/{far.address}/tcp/0", options=["--mdns"], wrapper=far.inside))
        found(*daemons)
        found(*reversed(daemons))
        # A socket that can't be opened is not left behind; each connection has one, and both may have dialled.
        wait_until(lambda: left(daemons[0]) <= held, 10, "as many descriptors as before")
    finally:
        assert [daemon.stop() for daemon in daemons] == [0] * len(daemons), daemons[0].process.report()


@pytest.mark.parametrize("call", ["epoll_create", "epoll_create1", "eventfd2", "timerfd_create", "epoll_ctl"])
@pytest.mark.parametrize("when", ["", ":when=1"], ids=["always", "once"])
def test_what_event_loops_wait_with_is_a_reason(call, when):
    command = ["strace", *faults.options([f"{call}:error=EPERM{when}"]), ours.BINARY, "daemon", "--listen", TCP]
    ended = subprocess.run(tied(command), env=ours.environment(), capture_output=True, text=True, timeout=20)
    name = call.rstrip("2") if call.startswith("eventfd") else call
    assert ended.returncode == 1 and f"refuses {name}: Operation not permitted" in ended.stderr, ended
