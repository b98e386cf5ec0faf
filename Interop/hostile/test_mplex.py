"""mplex with every rule broken, inside an authenticated connection."""

import os

import pytest

from peers.formats import Key, uvarint

from .conftest import MIB, Target, times
from .mplex_wire import (
    CLOSE_INITIATOR,
    CLOSE_RECEIVER,
    MESSAGE_INITIATOR,
    MESSAGE_RECEIVER,
    MOST_BODY,
    MPLEX,
    NEW_STREAM,
    RESET_INITIATOR,
    RESET_RECEIVER,
    Frame,
    Mplex,
    mplex_session,
)
from .wire import ECHO, NOISE, PING, YAMUX, Ended, Link, initiate, propose, receive_token, secured, stream_muxers, token

STREAMS = 128
"""Streams of one connection, both directions together."""
UNREAD = 4 * MIB
"""What may wait for the reader of one stream."""

# The bytes, and the reason that the daemon must log for them.
VIOLATIONS = {
    "flag-7": (uvarint(1 << 3 | 7) + uvarint(0), "frame with flag 7"),
    "frame-of-1-MiB-and-a-byte": (uvarint(MESSAGE_INITIATOR) + uvarint(MOST_BODY + 1), "frame of 1048577 bytes"),
    "longest-frame": (uvarint(NEW_STREAM) + b"\xff" * 8 + b"\x7f", "frame of 9223372036854775807 bytes"),
    "header-of-10-bytes": (b"\x80" * 9 + b"\x01", "longer than 9 bytes"),
    "length-of-10-bytes": (uvarint(MESSAGE_INITIATOR) + b"\xff" * 9 + b"\x01", "longer than 9 bytes"),
    "header-not-minimal": (b"\x80\x00\x00", "shorter spelling"),
    "length-not-minimal": (uvarint(NEW_STREAM) + b"\x80\x00", "shorter spelling"),
    "close-with-bytes": (Frame(CLOSE_INITIATOR, 0, b"x").wire, "closeInitiator of stream 0 with 1 bytes"),
    "reset-with-bytes": (Frame(RESET_INITIATOR, 0, b"x").wire, "resetInitiator of stream 0 with 1 bytes"),
    "opened-twice": (Frame(NEW_STREAM, 5).wire * 2, "stream 5 opened twice"),
}


@pytest.fixture(scope="module")
def target(keys):
    target = Target(keys, options=["--muxer", "yamux", "--muxer", "mplex"])
    yield target
    target.stop()


@pytest.fixture
def session(attack):
    session = mplex_session(attack.endpoint)
    with session.link:
        yield session


def is_alive(session):
    """Whether a stream of its own still echoes."""
    stream = session.open(ECHO)
    stream.send(b"still there?")
    answer = stream.receive_exactly(12)
    stream.finish()
    return answer == b"still there?" and stream.how_it_ends() == "finished"


def assert_ends(session):
    assert session.how_it_ends(within=5) is not None, "the connection must end"


class TestViolations:
    @pytest.mark.parametrize("cut", [False, True], ids=["whole", "by-the-byte"])
    @pytest.mark.parametrize(("data", "reason"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
    def test_bytes_out_of_range_end_the_connection(self, attack, session, data, reason, cut):
        attack.must_log(f"broke mplex: .*{reason}")
        try:
            for piece in [bytes([byte]) for byte in data] if cut else [data]:
                session.channel.send(piece)
        except Ended:
            pass
        assert_ends(session)


class TestFloods:
    @pytest.mark.memory(4)
    def test_streams_without_end(self, attack, session):
        attack.must_log("too many stream errors")
        try:
            for _ in range(0, times(in_ci=2000, in_soak=100_000), 100):
                session.send(*(Frame(NEW_STREAM, session.next_number()) for _ in range(100)))
        except Ended:
            pass
        assert_ends(session)

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda number: [Frame(NEW_STREAM, number), Frame(RESET_INITIATOR, number)], "too many resets|too many stream errors"),
            (lambda number: [Frame(RESET_INITIATOR, 10_000 + number)], "too many resets"),
            (lambda number: [Frame(RESET_RECEIVER, 10_000 + number)], "too many resets"),
            (lambda number: [Frame(CLOSE_INITIATOR, 10_000 + number)], "too many stream errors"),
            (lambda number: [Frame(CLOSE_RECEIVER, 10_000 + number)], "too many stream errors"),
            (lambda number: [Frame(MESSAGE_INITIATOR, 10_000 + number, b"x")], "too many stream errors"),
            (lambda number: [Frame(MESSAGE_RECEIVER, 10_000 + number, b"x")], "too many stream errors"),
        ],
        ids=["open-and-reset", "reset", "reset-of-theirs", "close", "close-of-theirs", "message", "message-of-theirs"],
    )
    def test_resets_closes_and_messages_of_nothing(self, attack, session, make, reason):
        attack.must_log(reason)
        try:
            for _ in range(0, times(in_ci=2000, in_soak=1_000_000), 50):
                session.send(*(frame for _ in range(50) for frame in make(session.next_number())))
        except Ended:
            pass
        assert_ends(session)

    @pytest.mark.parametrize(
        ("flag", "reason"),
        [
            # Nothing is agreed on, and nothing ends the stream but the negotiation's own deadline.
            (MESSAGE_INITIATOR, "too many frames without effect"),
            # The first ends the negotiation, and with it the stream, as soon as its task comes to it: the rest is for a stream that is no more.
            (CLOSE_INITIATOR, "too many (frames without effect|stream errors)"),
        ],
        ids=["empty-messages", "closes"],
    )
    def test_frames_without_effect(self, attack, session, flag, reason):
        attack.must_log(reason)
        stream = session.start()
        stream.send(token("/multistream/1.0.0")[:5])
        try:
            for _ in range(times(in_ci=2000, in_soak=1_000_000) // 50):
                session.channel.send(Frame(flag, stream.number).wire * 50)
        except Ended:
            pass
        assert_ends(session)

    def test_what_an_honest_peer_does_now_and_then_is_put_up_with(self, session):
        for _ in range(50):
            session.start().reset()
        session.send(*(Frame(MESSAGE_INITIATOR, 9_999, b"x") for _ in range(50)))
        assert is_alive(session)


class TestStreams:
    def test_a_frame_of_1_MiB_is_fine(self, session):
        stream, body = session.open(ECHO), os.urandom(MOST_BODY)
        stream.send(body)
        assert stream.receive_exactly(len(body)) == body

    @pytest.mark.memory(16)
    @pytest.mark.timeout(60)
    def test_an_unread_stream_is_reset_and_others_go_on(self, session):
        stuck, other = session.open(ECHO), session.open(ECHO)
        # Nobody reads the echo, so that after what the sockets hold its handler reads no more.
        chunk = bytes(1 << 16)
        for _ in range(20 * MIB // len(chunk)):
            stuck.send(chunk)
        assert stuck.how_it_ends(within=30) == "reset"
        assert len(stuck.data) < 20 * MIB - UNREAD + 1
        other.send(b"and on")
        assert other.receive_exactly(6) == b"and on"
        assert is_alive(session)

    @pytest.mark.memory(4)
    def test_streams_up_to_the_limit_are_served(self, session):
        # The daemon asks who we are, on a stream of its own.
        session.pump(lambda: session.theirs, within=5)
        streams = [session.open(ECHO) for _ in range(STREAMS - len(session.theirs))]
        for stream in streams:
            stream.send(b"x")
        assert all(stream.receive_exactly(1) == b"x" for stream in streams)
        assert session.start().how_it_ends() == "reset"
        streams[0].send(b"y")
        assert streams[0].receive_exactly(1) == b"y"

    def test_the_same_number_from_both_sides(self, session):
        assert session.pump(lambda: 0 in session.theirs, within=5), "the daemon opens a stream of its own, number 0"
        stream = session.open(ECHO, number=0, name=b"any name at all")
        stream.send(b"mine")
        assert stream.receive_exactly(4) == b"mine"
        theirs = session.theirs[0]
        session.send(Frame(RESET_RECEIVER, theirs.number))
        stream.send(b"not yours")
        assert stream.receive_exactly(9) == b"not yours"

    def test_the_highest_number(self, session):
        stream = session.open(PING, number=(1 << 60) - 1)
        stream.send(bytes(32))
        assert stream.receive_exactly(32) == bytes(32)

    def test_a_header_split_at_every_offset(self, session):
        stream = session.open(ECHO, number=123_456_789)
        for count in (1, 200, 20_000):
            frame = Frame(MESSAGE_INITIATOR, stream.number, os.urandom(count))
            for offset in range(1, len(frame.wire) - count + 1):
                session.channel.send(frame.wire[:offset])
                session.channel.send(frame.wire[offset:])
                assert stream.receive_exactly(count) == frame.body

    def test_bytes_behind_a_close_reset_the_stream(self, session):
        stream = session.start()
        session.send(
            Frame(MESSAGE_INITIATOR, stream.number, token("/multistream/1.0.0")[:5]),
            Frame(CLOSE_INITIATOR, stream.number),
            Frame(MESSAGE_INITIATOR, stream.number, b"too late"),
        )
        assert stream.how_it_ends() == "reset"
        assert is_alive(session)

    def test_a_half_close_is_answered_in_full(self, session):
        stream = session.start()
        session.send(
            Frame(MESSAGE_INITIATOR, stream.number, token("/multistream/1.0.0") + token(ECHO) + b"the end"),
            Frame(CLOSE_INITIATOR, stream.number),
        )
        assert receive_token(stream) == "/multistream/1.0.0"
        assert receive_token(stream) == ECHO
        assert stream.receive_exactly(7) == b"the end"
        assert stream.how_it_ends() == "finished"

    def test_a_name_of_1_MiB_is_nothing_to_us(self, session):
        stream = session.open(ECHO, name=bytes(MOST_BODY))
        stream.send(b"ok")
        assert stream.receive_exactly(2) == b"ok"


class TestEarlyMuxers:
    @pytest.mark.parametrize(
        ("names", "agreed"),
        [
            ([MPLEX], MPLEX),
            (["/nope/1.0.0", MPLEX, MPLEX, YAMUX], MPLEX),
            (["x" * 500] * 99 + [MPLEX], MPLEX),
            ([YAMUX + "\0", "/mplex/6.7.1", "/mplex"], None),
            (["x" * 500] * 100 + [MPLEX], None),
            ([], None),
        ],
        ids=["one", "repeated", "very-long", "forged", "one-too-many", "empty"],
    )
    def test_the_first_common_name_is_taken_or_none(self, attack, names, agreed):
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
            channel = initiate(link, Key(), extensions=stream_muxers(*names))
            if agreed is None:
                assert propose(channel, MPLEX) == MPLEX
            assert is_alive(Mplex(channel))

    def test_mplex_may_be_negotiated_after_another_was_refused(self, attack):
        channel = secured(attack.endpoint)
        assert propose(channel, "/nope/1.0.0") == "na"
        channel.send(token(MPLEX))
        assert receive_token(channel) == MPLEX
        with channel.link:
            assert is_alive(Mplex(channel))
