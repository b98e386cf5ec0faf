"""What peers make the daemon hold is bounded for all of them together: many that fill every window and read nothing."""

import pathlib
import re
import subprocess
import sys
import threading
import time

import pytest

from peers import clock
from peers.formats import Key

from .conftest import MIB, Target, report, times
from .quic import Dialer
from .tls import Certificate
from .wire import DATA, ECHO, MULTISTREAM, SYN, Ended, Frame, data_frame, session, token

PINGER = pathlib.Path(__file__).with_name("pinger_main.py")
BUDGET = times(in_ci=48, in_soak=256) * MIB
SLACK = 64 * MIB
"""What the process may take beside what is counted: for a debug build, its allocator, and what was in flight."""
IDENTITIES = times(in_ci=8, in_soak=400)
QUIC_IDENTITIES = times(in_ci=2, in_soak=100)
NETWORKS = times(in_ci=5, in_soak=50)
STREAMS = times(in_ci=24, in_soak=128)
SECONDS = times(in_ci=6, in_soak=60)
PIECE = bytes(32 * 1024)
CLOSED = re.compile(r"holds too much memory|held too much \(memory\)")
ASKED = token(MULTISTREAM) + token(ECHO)


def forget_peak(pid):
    """The highest that the system has seen from now on."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_of_resident_bytes(pid):
    """As the system has seen it at every moment, without asking the daemon to tidy up."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def source(number):
    """An address of the network with that number."""
    return f"127.{1 + number % NETWORKS}.0.1"


def fill(near):
    """Opens every stream, sends until the credit of each is gone, and gives none. Returns the streams."""
    streams = []
    for _ in range(STREAMS):
        stream = near.adopt(near.next_id())
        near.send(Frame(DATA, SYN, stream.id, len(ASKED), ASKED))
        stream.credit -= len(ASKED)
        streams.append(stream)
    feed(near, streams)
    return streams


def has_credit(streams):
    return any(stream.credit > 0 and not stream.is_reset for stream in streams)


def feed(near, streams):
    """Sends for as long as there is credit."""
    while open_streams := [stream for stream in streams if stream.credit > 0 and not stream.is_reset]:
        for stream in open_streams:
            size = min(stream.credit, len(PIECE))
            near.send(data_frame(stream.id, PIECE[:size]))
            stream.credit -= size
        near.pump(lambda: has_credit(streams), 0.2)


def attack_over_tcp(endpoint, number, until):
    """One identity that comes back whenever it is sent away, until then."""
    key = Key()
    while not until.is_over:
        try:
            near = session(endpoint, key, source=source(number))
            with near.link:
                streams = fill(near)
                while not until.is_over:
                    # A busy daemon gives credit late.
                    near.pump(lambda: until.is_over or has_credit(streams), 0.2)
                    feed(near, streams)
        except (Ended, OSError, TimeoutError, AssertionError):
            time.sleep(0.2)


def attack_over_quic(endpoint, number, until):
    """The same over QUIC: every stream takes as much as the daemon lets it, and what comes back is given no credit."""
    certificate = Certificate()
    while not until.is_over:
        try:
            with Dialer(endpoint, certificate, source=source(number)) as near:
                near.handshake()
                near.quic._write_connection_limits = near.quic._write_stream_limits = lambda **_: None
                for _ in range(STREAMS):
                    near.stream(ASKED + bytes(128 * 1024))
                while not until.is_over:
                    near.step(0.1)
                    assert not any(type(event).__name__ == "ConnectionTerminated" for event in near.events)
                    near.events.clear()
        except (OSError, TimeoutError, AssertionError):
            time.sleep(0.2)


class Pinger:
    """A stranger who was here before, and pings all the time."""

    def __init__(self, endpoint):
        self.process = subprocess.Popen(
            [sys.executable, PINGER, endpoint[0], str(endpoint[1]), "127.200.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout.readline() == b"pong\n"
        self.answered = 1
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        for _ in self.process.stdout:
            self.answered += 1

    def stop(self):
        """Whether all was answered until now."""
        self.process.stdin.close()
        return self.process.wait(40) == 0


@pytest.mark.timeout(600)
def test_peers_that_never_read_fill_no_more_than_the_budget(keys):
    target = Target(
        keys,
        daemon_options=("--limit", f"memory={BUDGET}", "--allow", "127.0.0.1"),
        listen=["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"],
    )
    pinger = None
    try:
        udp = next(address for address in target.daemon.addresses if "/udp/" in address).split("/")
        pinger = Pinger(target.endpoint)
        before = target.daemon.stats()["rss_bytes"]
        pongs = len(target.pongs())
        # As long as it takes on a busy machine until somebody is closed for it.
        until, least = clock.Deadline(times(in_ci=120, in_soak=SECONDS)), clock.Deadline(SECONDS)
        attackers = [
            threading.Thread(target=attack_over_tcp, args=(target.endpoint, number, until)) for number in range(IDENTITIES)
        ] + [
            threading.Thread(target=attack_over_quic, args=((udp[2], int(udp[4])), number, until))
            for number in range(QUIC_IDENTITIES)
        ]
        for attacker in attackers:
            attacker.start()
        forget_peak(target.daemon.pid)
        while not until.is_over and not (
            least.is_over and CLOSED.search(target.daemon.log_text()) and pinger.answered > SECONDS
        ):
            time.sleep(0.1)
        until.end()
        for attacker in attackers:
            attacker.join()
        settled, resident = clock.now(), peak_of_resident_bytes(target.daemon.pid)
        limits = {row["limit"]: row for row in target.daemon.stats(timeout=30)["limits"]}
        held = limits["memory"]["peak"]
        report(
            "worst case",
            before_mib=before / MIB,
            resident_mib=resident / MIB,
            counted_mib=held / MIB,
            pings=pinger.answered,
            closed=limits["memory"]["refusals"],
        )
        assert held > BUDGET / 2, f"nobody held much: {held / MIB:.0f} MiB"
        assert held <= BUDGET + BUDGET / 8 + 8 * MIB, f"{held / MIB:.0f} MiB were held"
        assert resident - times(before, 0) <= BUDGET + SLACK, f"{before / MIB:.0f} -> {resident / MIB:.0f} MiB were resident"
        assert pinger.stop() and pinger.answered > SECONDS, pinger.answered
        assert CLOSED.search(target.daemon.log_text())
        target.assert_unharmed(pongs, before, 24 * MIB)
        report("afterwards", resident_mib=target.daemon.stats()["rss_bytes"] / MIB, seconds=clock.now() - settled)
    finally:
        if pinger:
            pinger.process.kill()
            pinger.process.wait()
        target.stop()


def test_a_record_that_is_not_whole_counts(attack):
    """Whoever announces a large record and keeps the end of it back makes the daemon hold the rest."""
    body = bytes(range(256)) * 240

    def use():
        return next(row["use"] for row in attack.daemon.stats()["limits"] if row["limit"] == "memory")

    sessions = [attack.session() for _ in range(4)]
    streams = [near.open(ECHO) for near in sessions]
    before = use()
    records = [stream.session.channel.record(data_frame(stream.id, body).wire) for stream in streams]
    for near, record in zip(sessions, records, strict=True):
        near.link.send(record[:-1])
    clock.wait_until(lambda: use() - before >= len(sessions) * len(body), 10, "that what has come counts")
    for near, record in zip(sessions, records, strict=True):
        near.link.send(record[-1:])
    for near, stream in zip(sessions, streams, strict=True):
        assert stream.receive_exactly(len(body)) == body
        near.link.close()
