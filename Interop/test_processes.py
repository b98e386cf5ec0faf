"""The tool as others start it and leave it: streams that nobody reads, closed descriptors, few descriptors, odd signals, missing families."""

import errno
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time

import pytest

from peers import clock, denied, ours
from peers.ports import free_port
from peers.processes import tied

LISTEN = "/ip4/127.0.0.1/tcp/0"
filtered = pytest.mark.skipif(not denied.IS_HERE, reason="filters of system calls are for Linux on x86-64")


def start(*arguments, prepare=None, **options):
    """A daemon by hand."""
    command = [str(ours.BINARY), "daemon", "--json", *arguments]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    return subprocess.Popen(tied(command), env=ours.environment(), preexec_fn=prepare, **streams)


def ends(process, code=0, within=5):
    """SIGTERM ends it in time, with that code."""
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(within) == code
    finally:
        process.kill()
        process.wait()


class FullPipe:
    """A pipe into which nothing more goes, until somebody reads."""

    def __init__(self):
        self.reader, self.writer = os.pipe()

    def fill(self):
        # A description of its own: the process's stays a blocking one.
        filler = os.open(f"/proc/self/fd/{self.writer}", os.O_WRONLY | os.O_NONBLOCK)
        for size in (4096, 1):
            try:
                while True:
                    os.write(filler, b"x" * size)
            except BlockingIOError:
                pass
        os.close(filler)

    def read(self, until, timeout=10):
        """Reads until that text has come; returns all of it."""
        said, deadline = b"", time.monotonic() + timeout
        while until not in said and time.monotonic() < deadline:
            if select.select([self.reader], [], [], 0.2)[0]:
                said += os.read(self.reader, 65536)
        return said

    def close(self):
        for end in (self.reader, self.writer):
            os.close(end)


@pytest.fixture
def pipe():
    made = FullPipe()
    yield made
    made.close()


@pytest.fixture
def other():
    made = FullPipe()
    yield made
    made.close()


def address_in(said):
    return next(json.loads(line)["address"] for line in said.splitlines() if b'"listening"' in line)


class TestNobodyReads:
    @pytest.mark.parametrize("full", ["stdout", "stderr", "both"])
    def test_it_serves_and_ends(self, pipe, other, full):
        """At debug level, where it has the most to say."""
        streams = {"stdout": pipe.writer, "stderr": other.writer}
        daemon = start("--listen", LISTEN, "--log-level", "debug", **streams)
        address = address_in(pipe.read(b'"ready"'))
        if full != "stderr":
            pipe.fill()
        if full != "stdout":
            other.fill()
        assert ours.run("ping", address, "--count", 3, "--interval", 0.01, "--json").code == 0
        ends(daemon)

    def test_it_starts_with_full_streams(self, pipe):
        pipe.fill()
        port = free_port()
        daemon = start("--listen", f"/ip4/127.0.0.1/tcp/{port}", stdout=pipe.writer, stderr=pipe.writer)
        clock.wait_until(
            lambda: ours.run("ping", f"/ip4/127.0.0.1/tcp/{port}", "--any-peer", "--count", 1).code == 0, 20, "it serves"
        )
        ends(daemon)

    def test_a_command_ends_when_it_is_told_to(self, pipe, keys):
        daemon = ours.Daemon(key=keys("ed25519"))
        pipe.fill()
        for command in (["identify", daemon.address], ["ping", daemon.address, "--count", "100"], ["key", "show", keys("ed25519")]):
            process = subprocess.Popen(
                tied([str(ours.BINARY), *map(str, command)]), stdout=pipe.writer, stderr=pipe.writer, env=ours.environment()
            )
            time.sleep(1)
            assert process.poll() is None, "it waits for its reader"
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            finally:
                process.kill()
                process.wait()
        assert daemon.stop() == 0

    def test_a_stopped_terminal_stops_nothing(self):
        master, terminal = pty.openpty()
        daemon = start("--listen", LISTEN, stdin=terminal, stdout=terminal, stderr=terminal)
        said = b""
        while b'"ready"' not in said:
            said += os.read(master, 4096)
        address = address_in(said)
        os.write(master, b"\x13")  # ^S
        assert ours.run("ping", address, "--count", 1, "--json").code == 0
        assert ours.run("ping", address, "--count", 1, "--json").code == 0
        ends(daemon)
        for end in (master, terminal):
            os.close(end)

    @pytest.mark.parametrize("closed", ["stdout", "stderr"])
    def test_a_closed_pipe_ends_the_printing_alone(self, closed):
        port = free_port()
        daemon = start("--listen", f"/ip4/127.0.0.1/tcp/{port}", "--log-level", "debug", **{closed: subprocess.PIPE})
        (daemon.stdout if closed == "stdout" else daemon.stderr).close()
        address = f"/ip4/127.0.0.1/tcp/{port}"
        clock.wait_until(lambda: ours.run("ping", address, "--any-peer", "--count", 1).code == 0, 20, "it serves")
        assert ours.run("ping", address, "--any-peer", "--count", 1).code == 0
        ends(daemon)

    def test_who_reads_gets_all_in_order(self, keys):
        daemon = ours.Daemon(key=keys("ed25519"))
        for _ in range(30):
            ours.run("ping", daemon.address, "--count", 1, timeout=20)
        clock.wait_until(lambda: len(daemon.process.all("disconnected")) == 30, 10, "every end")
        kinds = [item["event"] for item in daemon.process.objects if item["event"] in ("connected", "disconnected")]
        assert kinds == ["connected", "disconnected"] * 30
        assert daemon.stop() == 0


class TestDescriptors:
    @pytest.mark.parametrize("closed", [(0,), (1,), (0, 1), (1, 2), (0, 1, 2)], ids=str)
    def test_standard_streams_may_be_closed(self, closed):
        port = free_port()
        addresses = [f"/ip4/127.0.0.1/tcp/{port}", f"/ip4/127.0.0.1/udp/{port}/quic-v1"]

        def prepare():
            for descriptor in closed:
                os.close(descriptor)

        daemon = start(*[part for address in addresses for part in ("--listen", address)], prepare=prepare)
        for address in addresses:
            clock.wait_until(
                lambda address=address: ours.run("ping", address, "--any-peer", "--count", 1, "--timeout", 2).code == 0, 20, address
            )
        for descriptor in closed:
            assert "socket" not in os.readlink(f"/proc/{daemon.pid}/fd/{descriptor}")
        ends(daemon)

    def test_a_command_without_standard_output_says_that_it_printed_nothing(self):
        outcome = ours.run("key", "new", wrapper=["sh", "-c", 'exec "$@" >&-', "sh"])
        assert outcome.code == 1 and "nobody reads" in outcome.stderr, outcome

    @pytest.mark.parametrize("limit", [4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20])
    def test_too_few_are_a_reason(self, limit):
        for command in (["daemon", "--listen", LISTEN], ["ping", f"{LISTEN[:-1]}1", "--any-peer"], ["discover"]):
            outcome = ours.run(*command, wrapper=few(limit), timeout=20)
            assert outcome.code == 1, outcome
            assert "ulimit" in outcome.stderr, outcome
        made = ours.run("key", "new", wrapper=few(limit), timeout=20)
        assert made.code == 0 or made.code == 1 and "ulimit" in made.stderr, made

    @pytest.mark.parametrize("limit", [34, 36, 40])
    def test_a_few_more_are_enough(self, limit, tmp_path):
        daemon = ours.Daemon(wrapper=few(limit), options=["--data", str(tmp_path / "data")])
        assert ours.run("ping", daemon.address, "--count", 2, "--interval", 0.01).code == 0
        assert daemon.stop() == 0


def few(limit):
    return ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"]


class TestSignals:
    @pytest.mark.parametrize("how", ["ignored", "blocked"])
    def test_it_ends_although_its_parent_wanted_otherwise(self, how, pipe):
        def prepare():
            for number in (signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1):
                if how == "ignored":
                    signal.signal(number, signal.SIG_IGN)
                else:
                    signal.pthread_sigmask(signal.SIG_BLOCK, [number])

        daemon = start("--listen", LISTEN, stdout=pipe.writer, prepare=prepare)
        assert b'"ready"' in pipe.read(b'"ready"')
        daemon.send_signal(signal.SIGUSR1)
        assert b'"stats"' in pipe.read(b'"stats"')
        ends(daemon)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_one_that_comes_early_ends_it_as_signals_do(self, number, tmp_path):
        # Whoever starts the tests in the background may have them ignore it, and so what they start, until that is the tool.
        prepare = lambda: signal.signal(number, signal.SIG_DFL)  # noqa: E731
        for wait in range(0, 200, 10):
            daemon = start("--listen", LISTEN, "--data", str(tmp_path / "data"), prepare=prepare)
            time.sleep(wait / 1000)
            daemon.send_signal(number)
            assert daemon.wait(10) in (0, -number), f"after {wait} ms"

    def test_a_request_for_a_snapshot_that_comes_early_ends_nothing(self, pipe):
        daemon = start("--listen", LISTEN, stdout=pipe.writer)
        deadline = time.monotonic() + 0.02
        while time.monotonic() < deadline and not is_ours(daemon.pid):
            pass
        for _ in range(20):
            time.sleep(0.005)
            if is_ours(daemon.pid):
                daemon.send_signal(signal.SIGUSR1)
        assert b'"ready"' in pipe.read(b'"ready"')
        ends(daemon)

    def test_a_dial_that_is_interrupted_says_so(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}"
            dialer = ours.JSONProcess(
                [ours.BINARY, "ping", address, "--any-peer", "--json"], environment=ours.environment()
            )
            arrival, _ = silent.accept()
            dialer.process.send_signal(signal.SIGTERM)
            assert dialer.wait(5) == 128 + signal.SIGTERM
            assert dialer.wait_for("error")["code"] == "cancelled"
            arrival.close()
            dialer.stop()


def is_ours(pid):
    """Whether the wrapper has become the tool, and is past its first steps."""
    try:
        return os.path.samefile(f"/proc/{pid}/exe", ours.BINARY) and len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


class TestSurroundings:
    def test_a_bare_environment_a_folder_that_is_gone_and_no_place_for_temporary_files(self, tmp_path):
        gone = tmp_path / "gone"
        gone.mkdir()
        daemon = ours.Daemon(
            options=["--data", str(tmp_path / "data")],
            wrapper=["sh", "-c", f'cd {gone} && rmdir {gone} && exec env -i TMPDIR=/proc SWIFT_BACKTRACE=enable=no "$@"', "sh"],
        )
        assert ours.run("ping", daemon.address, "--count", 1).code == 0
        assert daemon.stop() == 0


@filtered
class TestFamilies:
    SIX, FOUR = socket.AF_INET6, socket.AF_INET

    def test_without_ipv6_it_serves_the_rest_and_says_so(self):
        daemon = ours.Daemon(
            ["/ip4/127.0.0.1/tcp/0", "/ip6/::/tcp/0", "/ip6/::1/udp/0/quic-v1"], wrapper=denied.wrapper(denied.without_family(self.SIX))
        )
        assert all(address.startswith("/ip4/") for address in daemon.addresses) and daemon.addresses
        omitted = daemon.process.all("left_out")
        assert [(item["address"], item["code"]) for item in omitted] == [
            ("/ip6/::/tcp/0", "familyMissing"),
            ("/ip6/::1/udp/0/quic-v1", "familyMissing"),
        ]
        clock.wait_until(lambda: "/ip6/::/tcp/0" in daemon.log_text(), 5, "the log says so, too")
        assert ours.run("ping", daemon.address, "--count", 1).code == 0
        assert daemon.stop() == 0

    def test_without_ipv4_it_serves_the_rest(self):
        daemon = ours.Daemon(["/ip4/0.0.0.0/tcp/0", "/ip6/::1/tcp/0"], wrapper=denied.wrapper(denied.without_family(self.FOUR)))
        assert daemon.address.startswith("/ip6/::1/")
        assert ours.run("ping", daemon.address, "--count", 1).code == 0
        assert daemon.stop() == 0

    def test_a_family_that_is_forbidden_is_missing_too(self):
        forbidden = denied.rule(denied.SOCKET, errno.EPERM, 0, int(self.SIX))
        daemon = ours.Daemon([LISTEN, "/ip6/::1/tcp/0"], wrapper=denied.wrapper(forbidden))
        assert [item["address"] for item in daemon.process.all("left_out")] == ["/ip6/::1/tcp/0"]
        assert daemon.stop() == 0

    @pytest.mark.parametrize("listen", [["/ip6/::1/tcp/0"], ["/ip6/::/tcp/0", "/ip6/::1/udp/0/quic-v1"]], ids=len)
    def test_with_nothing_left_it_ends_with_the_reason(self, listen):
        arguments = [part for address in listen for part in ("--listen", address)]
        outcome = ours.run("daemon", *arguments, "--json", wrapper=denied.wrapper(denied.without_family(self.SIX)), timeout=20)
        assert outcome.code == 1 and outcome.error["code"] == "familyMissing", outcome

    def test_a_taken_port_is_an_error_all_the_same(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            outcome = ours.run(
                "daemon", "--listen", "/ip6/::1/tcp/0", "--listen", f"/ip4/127.0.0.1/tcp/{port}", "--json",
                wrapper=denied.wrapper(denied.without_family(self.SIX)), timeout=20,
            )  # fmt: skip
        assert outcome.code == 1 and outcome.error["code"] == "addressInUse", outcome

    def test_the_default_is_every_interface_of_both(self, lan):
        """A host that has IPv6 alone is reached by it."""
        host = lan.host()
        host.run("ip", "address", "del", f"{host.address}/24", "dev", "eth0")
        host.run("ip", "address", "add", "fd77::1/64", "dev", "eth0", "nodad")
        daemon = ours.Daemon([], wrapper=host.inside)
        kinds = {(address.split("/")[2], address.split("/")[3]) for address in daemon.addresses}
        assert {("fd77::1", "tcp"), ("fd77::1", "udp"), ("127.0.0.1", "tcp")} <= kinds, daemon.addresses
        for address in daemon.addresses:
            if address.startswith("/ip6/fd77"):
                assert ours.run("ping", address, "--count", 1, wrapper=host.inside).code == 0
        assert daemon.stop() == 0
