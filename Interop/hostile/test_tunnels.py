"""Tunnels with peers and programs that open without end, never read, and say what makes no sense."""

import contextlib
import random

import pytest

from peers.clock import wait_until

from .conftest import MIB, Target, times
from .tunnel_servers import UDP, ask, request
from .tunnel_servers import servers as make_servers
from .wire import INITIAL_WINDOW, SYN, Ended, data_frame, token

# Sockets, and what the system's allocator keeps of their buffers.
pytestmark = pytest.mark.memory(8)

FLOWS_PER_PEER = 256


@pytest.fixture(scope="module")
def servers():
    with make_servers() as made:
        yield made


@pytest.fixture(scope="module")
def target(keys, servers, tmp_path_factory):
    tunnels = tmp_path_factory.mktemp("tunnels") / "tunnels"
    tunnels.write_text(servers.lines("echo", "hang", "flood", "datagrams"))
    target = Target(keys, daemon_options=["--tunnels", tunnels])
    yield target
    target.stop()


class TestOpens:
    def test_ten_thousand_at_once(self, attack, servers):
        """A peer may have so many, the others are refused each by a reset, and its connection goes on."""
        served = servers.served
        session = attack.session()
        with session.link:
            streams = [session.adopt(session.next_id()) for _ in range(10_000)]
            opening = token("/multistream/1.0.0") + token("/x/hang") + b"x"
            # A connection that resets without end is ended, so they come no faster than they are answered.
            for at in range(0, len(streams), 200):
                batch = streams[at : at + 200]
                session.send(*(data_frame(stream.id, opening, SYN) for stream in batch))
                assert session.pump(lambda: all(stream.is_reset or stream.data for stream in batch), 30), at  # noqa: B023
            open_ones = [stream for stream in streams if not stream.is_reset]
            assert 0 < len(open_ones) <= FLOWS_PER_PEER, len(open_ones)
            assert session.is_alive()
            # Another peer has places of its own.
            other = attack.session()
            with other.link:
                stream = other.open("/x/echo")
                stream.send(b"hello")
                assert stream.receive_exactly(5) == b"hello"
            for stream in open_ones:
                stream.finish()
            assert session.is_alive()
            wait_until(lambda: servers.living == 0, 15, "the end of the flows")
            stream = session.open("/x/echo")
            stream.send(b"hello")
            assert stream.receive_exactly(5) == b"hello"
        assert servers.served - served <= FLOWS_PER_PEER + 2
        servers.assert_quiet()

    def test_thousands_one_after_the_other(self, attack, servers):
        session = attack.session()
        with session.link:
            for _ in range(times(1_000, 10_000) // 50):
                streams = [session.adopt(session.next_id()) for _ in range(50)]
                opening = token("/multistream/1.0.0") + token("/x/echo") + b"hello"
                for stream in streams:
                    session.send(data_frame(stream.id, opening, SYN))
                    stream.finish()
                assert session.pump(lambda: all(stream.is_finished or stream.is_reset for stream in streams), 30)  # noqa: B023
                assert all(bytes(stream.data).endswith(b"hello") for stream in streams)
                for stream in streams:
                    del session.streams[stream.id]
        servers.assert_quiet()

    def test_a_peer_that_is_gone_in_mid_open(self, attack, servers):
        for _ in range(20):
            session = attack.session()
            opening = token("/multistream/1.0.0") + token("/x/hang") + b"x"
            session.send(*(data_frame(session.next_id(), opening, SYN) for _ in range(50)))
            session.link.reset()
        servers.assert_quiet()


class TestSlowReaders:
    def test_a_peer_that_takes_nothing(self, attack, servers):
        """What a server sends goes as far as the window, and the server waits."""
        session = attack.session()
        with session.link:
            streams = [session.open("/x/flood") for _ in range(times(16, 128))]
            for stream in streams:
                stream.send(b"x")
            assert session.pump(lambda: all(len(stream.data) >= INITIAL_WINDOW - 1_024 for stream in streams), 30)
            assert session.is_alive()
            assert all(len(stream.data) <= INITIAL_WINDOW for stream in streams)
        servers.assert_quiet()

    def test_a_server_that_takes_nothing(self, attack, servers):
        """What a peer sends goes as far as the system's buffers, and the peer waits; others of its streams don't."""
        session = attack.session()
        with session.link:
            stream = session.open("/x/hang")
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 64 * MIB:
                    if stream.credit == 0 and not session.pump(lambda: stream.credit, 3):
                        raise TimeoutError("no credit")
                    piece = min(stream.credit, 1 << 16)
                    stream.send(bytes(piece))
                    sent += piece
            assert sent < 16 * MIB, "somebody keeps it all"
            other = session.open("/x/echo")
            other.send(b"hello")
            assert other.receive_exactly(5) == b"hello"
        servers.assert_quiet()


def capsule(kind, value):
    return quic(kind) + quic(len(value)) + value


def quic(number):
    """A variable-length integer of QUIC (RFC 9000, section 16)."""
    for bits, prefix, size in ((6, 0, 1), (14, 1, 2), (30, 2, 4), (62, 3, 8)):
        if number < 1 << bits:
            return (number | prefix << (8 * size - 2)).to_bytes(size)
    raise ValueError(number)


class TestCapsules:
    def flow(self, session):
        stream, code, text = ask(session, request(UDP, name="/x/datagrams"))
        assert code == 0, text
        return stream

    @pytest.mark.parametrize(
        "bytes_",
        [
            capsule(0, b"\0" + bytes(65_528)),
            quic(0) + b"\xff" * 8,
            quic(0) + quic(1 << 40),
            capsule(0, b""),
            capsule(0, b"\xc0"),
        ],
        ids=["too long", "as long as can be said", "a terabyte", "without a context", "a context cut short"],
    )
    def test_one_that_is_none_resets_the_stream(self, attack, bytes_):
        session = attack.session()
        with session.link:
            stream = self.flow(session)
            with contextlib.suppress(Ended):
                stream.send(bytes_)
            assert stream.how_it_ends() == "reset"
            assert session.is_alive()

    def test_what_is_unknown_is_passed_over_in_whatever_pieces(self, attack):
        session = attack.session()
        with session.link:
            stream = self.flow(session)
            told = (
                capsule(0x2575, bytes(100_000)) + capsule(0, quic(2) + b"another context") + capsule(0, b"\0one") + capsule(7, b"") + capsule(0, b"\0")
            )
            for at in range(0, len(told), 4_099):
                stream.send(told[at : at + 4_099])
            assert stream.receive_exactly(6) == capsule(0, b"\0one")
            assert stream.receive_exactly(3) == capsule(0, b"\0")
            for byte in capsule(0, b"\0by the byte"):
                stream.send(bytes([byte]))
            assert stream.receive_exactly(14) == capsule(0, b"\0by the byte")
            stream.finish()
            assert stream.how_it_ends() == "finished"

    def test_noise(self, attack):
        chance = random.Random(9297)
        session = attack.session()
        with session.link:
            for _ in range(times(30, 500)):
                stream = self.flow(session)
                with contextlib.suppress(Ended):
                    stream.send(chance.randbytes(chance.randrange(1, 2_000)))
                    stream.finish()
                assert stream.how_it_ends() in ("reset", "finished")
            assert session.is_alive()

    def test_a_flood_to_a_peer_that_takes_nothing(self, attack):
        """The oldest go; nothing grows, and nobody else waits."""
        session = attack.session()
        with session.link:
            stream = self.flow(session)
            told = capsule(0, b"\0" + bytes(1_000)) * 60
            for _ in range(times(100, 1_000)):
                stream.send(told)
            other = session.open("/x/echo")
            other.send(b"hello")
            assert other.receive_exactly(5) == b"hello"
            assert len(stream.data) <= INITIAL_WINDOW
