"""yamux with every rule broken, inside an authenticated connection."""

import os
import threading

import pytest

from .conftest import MIB, times
from .wire import (
    ACK,
    DATA,
    ECHO,
    FIN,
    GO_AWAY,
    INITIAL_WINDOW,
    NORMAL,
    PING,
    PING_FRAME,
    PROTOCOL_ERROR,
    RST,
    SYN,
    WINDOW_UPDATE,
    Frame,
    data_frame,
    receive_token,
    token,
)

OFFENCES = 200
"""Resets, stream errors and frames without effect that are put up with, each, in 30 s."""
STREAMS_OF_A_HANDLER = 128
"""What one peer may have open with one handler that has no narrower limit."""
HIGHEST = 0xFFFFFFFF

# The frame, and the reason that the daemon must log for it.
VIOLATIONS = {
    "version-1": (Frame(DATA, SYN, 1, 0, version=1), "frame of version 1"),
    "version-255": (Frame(DATA, SYN, 1, 0, version=255), "frame of version 255"),
    "type-4": (Frame(4, 0, 1, 0), "frame of type 4"),
    "type-255": (Frame(255, 0, 1, 0), "frame of type 255"),
    "flag-16": (Frame(WINDOW_UPDATE, SYN | 0x10, 1, 0), "flags 0x11"),
    "flag-0x8000": (Frame(WINDOW_UPDATE, 0x8000, 1, 0), "flags 0x8000"),
    "every-flag": (Frame(DATA, 0xFFFF, 1, 0), "flags 0xffff"),
    "data-on-stream-0": (data_frame(0, b"hello"), "on stream 0"),
    "opening-stream-0": (Frame(WINDOW_UPDATE, SYN, 0, 0), "on stream 0"),
    "window-update-on-stream-0": (Frame(WINDOW_UPDATE, 0, 0, 1024), "on stream 0"),
    "wrong-parity": (Frame(WINDOW_UPDATE, SYN, 2, 0), "stream 2 opened from the wrong side"),
    "wrong-parity-highest": (Frame(WINDOW_UPDATE, SYN, HIGHEST - 1, 0), "stream 4294967294 opened from the wrong side"),
    "ping-on-a-stream": (Frame(PING_FRAME, SYN, 1, 7), "on stream 1"),
    "ping-without-flags": (Frame(PING_FRAME, 0, 0, 7), "flags 0x0"),
    "ping-both-ways": (Frame(PING_FRAME, SYN | ACK, 0, 7), "flags 0x3"),
    "go-away-on-a-stream": (Frame(GO_AWAY, 0, 1, NORMAL), "on stream 1"),
    "go-away-with-flags": (Frame(GO_AWAY, SYN, 0, NORMAL), "flags 0x1"),
    "longest-data-frame": (Frame(DATA, SYN, 1, HIGHEST), "data frame of 4294967295 bytes"),
    "first-frame-over-the-window": (
        Frame(DATA, SYN, 1, INITIAL_WINDOW + 1),
        "more data on stream 1 than its window allows",
    ),
}


def assert_go_away(session, code=PROTOCOL_ERROR):
    how, said = session.how_it_ends(within=5)
    assert how is not None, "the connection must end"
    assert said == code


class TestViolations:
    @pytest.mark.parametrize(("frame", "reason"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
    def test_a_frame_out_of_range_ends_the_connection(self, attack, frame, reason):
        attack.must_log(f"broke yamux: .*{reason}")
        session = attack.session()
        with session.link:
            session.send(frame)
            assert_go_away(session)

    def test_a_stream_opened_twice(self, attack):
        attack.must_log("stream 1 opened twice")
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            session.send(Frame(WINDOW_UPDATE, SYN, stream.id, 0))
            assert_go_away(session)

    def test_a_window_overrun_by_one_byte(self, attack):
        attack.must_log("more data on stream 1 than its window allows")
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            # What the negotiation used up is not returned yet: half a window has to be consumed first.
            used = len(token("/multistream/1.0.0") + token(ECHO))
            session.send(Frame(DATA, 0, stream.id, INITIAL_WINDOW - used + 1))
            assert_go_away(session)

    def test_a_window_used_to_its_last_byte_is_fine(self, attack):
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            payload = os.urandom(INITIAL_WINDOW - len(token("/multistream/1.0.0") + token(ECHO)))
            session.send(data_frame(stream.id, payload))
            received = b"".join(stream.receive_exactly(16 * 1024) for _ in range(len(payload) // (16 * 1024)))
            assert payload.startswith(received)
            assert session.is_alive()

    def test_a_window_overflow(self, attack):
        attack.must_log("send window of stream 1 above")
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            session.send(Frame(WINDOW_UPDATE, 0, stream.id, HIGHEST), Frame(WINDOW_UPDATE, 0, stream.id, HIGHEST))
            assert_go_away(session)

    def test_garbage_where_a_frame_should_be(self, attack):
        attack.must_log("frame of version 255")
        session = attack.session()
        with session.link:
            session.channel.send(b"\xff" * 4096)
            assert_go_away(session)


class TestFloods:
    @pytest.mark.memory(8)
    def test_streams_that_nobody_reads(self, attack):
        attack.must_log("too many stream errors")
        session = attack.session()
        with session.link:
            batches = times(in_ci=20, in_soak=1000)
            session.flood(
                [Frame(WINDOW_UPDATE, SYN, session.next_id(), 0) for _ in range(100)] for _ in range(batches)
            )
            assert_go_away(session)

    def test_streams_up_to_the_limit_of_a_handler_are_served(self, attack):
        session = attack.session()
        with session.link:
            streams = [session.open(ECHO) for _ in range(STREAMS_OF_A_HANDLER)]
            for stream in streams:
                stream.send(b"x")
            assert all(stream.receive_exactly(1) == b"x" for stream in streams)
            beyond = session.start()
            beyond.send(token("/multistream/1.0.0") + token(ECHO))
            assert beyond.how_it_ends() == "reset"
            streams[0].send(b"y")
            assert streams[0].receive_exactly(1) == b"y"

    @pytest.mark.parametrize(
        "make",
        [
            lambda number: [Frame(WINDOW_UPDATE, SYN, number, 0), Frame(WINDOW_UPDATE, RST, number, 0)],
            lambda number: [Frame(WINDOW_UPDATE, SYN | RST, number, 0)],
            lambda number: [Frame(WINDOW_UPDATE, RST, number, 0)],
        ],
        ids=["open-and-reset", "open-with-reset", "reset-of-nothing"],
    )
    def test_resets(self, attack, make):
        attack.must_log("too many resets")
        session = attack.session()
        with session.link:
            batches = times(in_ci=40, in_soak=20_000)
            session.flood([frame for _ in range(50) for frame in make(session.next_id())] for _ in range(batches))
            assert_go_away(session)

    def test_a_few_resets_are_put_up_with(self, attack):
        session = attack.session()
        with session.link:
            for _ in range(OFFENCES // 2):
                session.start().reset()
            assert session.is_alive()

    @pytest.mark.parametrize(
        ("frame", "reason"),
        [
            (lambda stream: Frame(PING_FRAME, SYN, 0, 1), "too many pings at once|too many control frames"),
            (lambda stream: Frame(PING_FRAME, ACK, 0, 0xDEAD), "too many control frames"),
            (lambda stream: Frame(DATA, 0, stream, 0), "too many control frames"),
            (lambda stream: Frame(WINDOW_UPDATE, 0, stream, 0), "too many control frames"),
            (lambda stream: Frame(DATA, 0, 9999, 0), "too many stream errors"),
            (lambda stream: data_frame(9999, b"x"), "too many stream errors"),
        ],
        ids=["pings", "pongs", "empty-data", "empty-credit", "empty-data-of-nothing", "data-of-nothing"],
    )
    def test_frames_without_effect(self, attack, frame, reason):
        attack.must_log(reason)
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            session.flood([frame(stream.id)] * 50 for _ in range(times(in_ci=40, in_soak=20_000)))
            assert_go_away(session)

    def test_a_few_pings_are_answered(self, attack):
        session = attack.session()
        with session.link:
            for value in range(OFFENCES // 2):
                assert session.is_alive(value)

    def test_credit_a_byte_at_a_time_is_slow_but_allowed(self, attack):
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            session.send(*(Frame(WINDOW_UPDATE, 0, stream.id, 1) for _ in range(150)))
            assert session.is_alive()


class TestStreams:
    @pytest.mark.memory(4)
    def test_a_reader_that_stops_does_not_stop_other_streams(self, attack):
        session = attack.session()
        with session.link:
            stuck, busy = session.open(ECHO), session.open(ECHO)
            # Its echo fills our window and then waits; nothing of it is ever given credit for.
            sent = 0
            while stuck.credit and sent < times(in_ci=MIB, in_soak=100 * MIB):
                chunk = min(stuck.credit, 1 << 16)
                stuck.credit -= chunk
                session.send(data_frame(stuck.id, bytes(chunk)))
                sent += chunk
                session.pump(lambda: stuck.credit, within=1)
            assert INITIAL_WINDOW <= sent
            payload = os.urandom(2 * MIB)
            received = bytearray()
            for at in range(0, len(payload), 1 << 16):
                busy.send(payload[at : at + (1 << 16)])
                received += busy.receive_exactly(1 << 16)
            assert received == payload
            assert len(stuck.data) <= INITIAL_WINDOW

    def test_both_write_more_than_a_window_before_either_reads(self, attack):
        session = attack.session()
        with session.link:
            stream, payload = session.open(ECHO), os.urandom(2 * INITIAL_WINDOW)
            at = 0
            while at < len(payload):
                if stream.credit == 0 and not session.pump(lambda: stream.credit, within=1):
                    # Both windows are full: now read.
                    break
                chunk = payload[at : at + min(stream.credit, 1 << 14)]
                stream.credit -= len(chunk)
                session.send(data_frame(stream.id, chunk))
                at += len(chunk)
            received = bytearray()
            while len(received) < len(payload):
                count = min(len(payload) - len(received), 1 << 14)
                if at < len(payload) and stream.credit:
                    chunk = payload[at : at + min(stream.credit, 1 << 14)]
                    stream.credit -= len(chunk)
                    session.send(data_frame(stream.id, chunk))
                    at += len(chunk)
                available = min(count, at - len(received))
                received += stream.receive_exactly(available)
            assert received == payload

    def test_data_for_streams_that_are_gone(self, attack):
        """What was in flight when a stream ended is no offence."""
        session = attack.session()
        with session.link:
            for _ in range(20):
                stream = session.open(ECHO)
                stream.reset()
                session.send(data_frame(stream.id, bytes(1000)), Frame(WINDOW_UPDATE, 0, stream.id, 1000))
            assert session.is_alive()

    def test_data_behind_a_finish_resets_the_stream(self, attack):
        session = attack.session()
        with session.link:
            # Ping keeps its side open until its own deadline, so the stream is still there.
            stream = session.start()
            stream.send(token("/multistream/1.0.0"))
            session.send(Frame(WINDOW_UPDATE, FIN, stream.id, 0), data_frame(stream.id, b"too late"))
            assert stream.how_it_ends() in ("reset", "finished")
            assert session.is_alive()

    @pytest.mark.parametrize("how", ["with-the-data", "on-its-own", "before-the-answer"])
    def test_every_half_close_is_answered_in_full(self, attack, how):
        session = attack.session()
        with session.link:
            stream = session.start()
            opening = token("/multistream/1.0.0") + token(ECHO)
            if how == "with-the-data":
                stream.send(opening + b"the end", FIN)
            elif how == "on-its-own":
                stream.send(opening)
                stream.send(b"the end")
                stream.finish()
            else:
                session.send(
                    data_frame(stream.id, opening), data_frame(stream.id, b"the end"), Frame(DATA, FIN, stream.id, 0)
                )
            assert receive_token(stream) == "/multistream/1.0.0"
            assert receive_token(stream) == ECHO
            assert stream.receive_exactly(7) == b"the end"
            assert stream.how_it_ends() == "finished"
            assert session.is_alive()

    def test_a_header_split_at_every_offset(self, attack):
        session = attack.session()
        with session.link:
            for offset in range(1, 12):
                wire = Frame(PING_FRAME, SYN, 0, 1000 + offset).wire
                session.channel.send(wire[:offset])
                session.channel.send(wire[offset:])
                assert session.pump(lambda value=1000 + offset: value in session.pongs)

    def test_streams_outlive_a_normal_go_away(self, attack):
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            session.send(Frame(GO_AWAY, 0, 0, NORMAL))
            stream.send(b"not yet")
            assert stream.receive_exactly(7) == b"not yet"

    def test_the_last_stream_id(self, attack):
        session = attack.session()
        with session.link:
            stream = session.adopt(HIGHEST)
            session.send(Frame(WINDOW_UPDATE, SYN, HIGHEST, 0))
            stream.send(token("/multistream/1.0.0") + token(PING) + bytes(32))
            assert receive_token(stream) == "/multistream/1.0.0"
            assert receive_token(stream) == PING
            assert stream.receive_exactly(32) == bytes(32)


def test_many_sessions_at_once(attack):
    """Open, echo, close, by many at a time; nothing may be left of it."""

    def visit(results):
        session = attack.session()
        with session.link:
            stream = session.open(ECHO)
            stream.send(b"hello")
            results.append(stream.receive_exactly(5))

    for _ in range(times(in_ci=3, in_soak=500)):
        results = []
        threads = [threading.Thread(target=visit, args=(results,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [b"hello"] * 20
