"""A peer that abuses identify and ping, answering our questions or asking too much."""

import pytest

from peers import clock, ours
from peers.formats import Key, address_binary, delimited, message, peer_id, uvarint

from .wire import ECHO, IDENTIFY, MULTISTREAM, PING, Ended, Listener, agree, receive_token, token

HANDLED = ("reset", "finished", "connection")
RECORD_DOMAIN, RECORD_TYPE = b"libp2p-peer-record", b"\x03\x01"


def signed_record(key, *, subject=None, sequence=1):
    """A peer record in its envelope, of `subject` when somebody else's."""
    subject = subject or key
    address = message((1, address_binary("/ip4/127.0.0.1/tcp/4001")))
    record = message((1, peer_id(subject.public_message)), (2, sequence), (3, address))
    unsigned = b"".join(delimited(part) for part in (RECORD_DOMAIN, RECORD_TYPE, record))
    return message((1, key.public_message), (2, RECORD_TYPE), (3, record), (5, key.sign(unsigned)))


def about(key, **changes):
    """An identify message of a listener; `changes` are by field number."""
    usual = {
        1: key.public_message,
        2: address_binary("/ip4/127.0.0.1/tcp/4001"),
        3: PING,
        5: "ipfs/0.1.0",
        6: "hostile/1",
    }
    return message(*sorted((usual | {int(name[1:]): value for name, value in changes.items()}).items()))


def answers(key):
    """What a hostile peer sends when it is asked who it is."""
    return {
        "oversize": delimited(about(key) + message((99, bytes(9000)))),
        "length-only": uvarint(8192) + b"x",
        "length-2^31": uvarint(1 << 31) + about(key),
        "length-of-10-bytes": b"\xff" * 10,
        "not-protobuf": delimited(b"\xff" * 100),
        "eleven-messages": delimited(about(key)) * 11,
        "another-key": delimited(about(key, _1=Key().public_message)),
        "ten-thousand-protocols": delimited(about(key) + b"".join(message((3, "/p")) for _ in range(2000))),
        "text-not-utf-8": delimited(about(key, _6=b"\xff\xfe\x00")),
        "address-garbage": delimited(about(key, _2=b"\xff" * 40, _4=b"\x04\x7f")),
        "record-of-another": delimited(about(key, _8=signed_record(Key()))),
        "record-about-another": delimited(about(key, _8=signed_record(key, subject=Key()))),
        "record-cut-short": delimited(about(key, _8=signed_record(key)[:-5])),
        "nothing": b"",
    }


CASES = list(answers(Key()))


def serve_identify(answer, hangs=False):
    """An acceptor that serves identify with these bytes."""

    def accept(stream):
        try:
            agree(stream, IDENTIFY)
            if answer:
                stream.send(answer)
            if not hangs:
                stream.finish()
        except (Ended, AssertionError, TimeoutError):
            pass

    return accept


@pytest.mark.parametrize("case", CASES)
def test_the_daemon_takes_no_harm_from_a_false_identity(attack, case):
    key = Key()
    session = attack.session(key=key, accept=serve_identify(answers(key)[case]))
    with session.link:
        stream = session.open(PING)
        for _ in range(3):
            stream.send(bytes(32))
            assert stream.receive_exactly(32) == bytes(32)
        session.pump(lambda: False, within=1)
        assert session.is_alive(), "a false identify message costs the stream, not the connection"


def test_the_daemon_does_not_wait_for_an_identity_for_ever(attack):
    session = attack.session(accept=serve_identify(b"\x80", hangs=True))
    with session.link:
        asked = lambda: [stream for stream in session.streams.values() if not stream.id & 1]  # noqa: E731
        assert session.pump(asked, within=5), "the daemon asks who we are"
        assert asked()[0].how_it_ends(within=10) in HANDLED
        assert session.is_alive()


def ask_with_the_tool(answer, *, key, hangs=False, timeout=20):
    with Listener(key) as listener:
        process = ours.JSONProcess(
            [ours.BINARY, "identify", listener.address, "--json", "--timeout", 8], environment=ours.environment()
        )
        try:
            session = listener.session(accept=serve_identify(answer, hangs))
            with session.link:
                try:
                    session.pump(lambda: not process.is_running, within=timeout)
                except Ended:
                    pass
            return process.process.wait(timeout), process.objects
        finally:
            process.stop()


@pytest.mark.parametrize(
    "case", ["oversize", "length-only", "length-2^31", "length-of-10-bytes", "not-protobuf", "nothing"]
)
def test_the_tool_refuses_a_broken_identity(attack, case):
    key = Key()
    code, _ = ask_with_the_tool(answers(key)[case], key=key)
    assert code == 1


def test_the_tool_does_not_wait_for_ever(attack):
    started = clock.now()
    code, _ = ask_with_the_tool(b"\x80", key=Key(), hangs=True)
    assert code == 1
    assert clock.now() - started < 15


def test_the_tool_accepts_an_honest_identity(attack):
    key = Key()
    code, objects = ask_with_the_tool(delimited(about(key, _8=signed_record(key))), key=key)
    assert code == 0
    assert (objects[-1]["peer"], objects[-1]["agent"], objects[-1]["signed_record"]) == (key.peer, "hostile/1", True)


@pytest.mark.parametrize("case", ["record-of-another", "record-about-another", "record-cut-short"])
def test_the_tool_does_not_believe_somebody_elses_record(attack, case):
    key = Key()
    code, objects = ask_with_the_tool(answers(key)[case], key=key)
    assert code == 1 or objects[-1]["signed_record"] is False


class TestPing:
    def test_31_bytes_are_no_ping(self, attack):
        session = attack.session()
        with session.link:
            stream = session.open(PING)
            stream.send(bytes(31))
            assert session.pump(lambda: stream.data, within=1) is None
            stream.finish()
            assert stream.how_it_ends() in ("reset", "finished")
            assert not stream.data

    def test_33_bytes_are_one_ping_and_a_beginning(self, attack):
        session = attack.session()
        with session.link:
            stream, sent = session.open(PING), bytes(range(33))
            stream.send(sent)
            assert stream.receive_exactly(32) == sent[:32]
            assert session.pump(lambda: stream.data, within=1) is None
            stream.send(sent[:31])
            assert stream.receive_exactly(32) == sent[32:] + sent[:31]

    def test_many_pings_in_one_write(self, attack):
        session = attack.session()
        with session.link:
            stream, sent = session.open(PING), bytes(32 * 1000)
            stream.send(sent)
            assert stream.receive_exactly(len(sent)) == sent

    def test_a_third_stream_is_refused(self, attack):
        session = attack.session()
        with session.link:
            streams = [session.open(PING) for _ in range(2)]
            third = session.start()
            try:
                third.send(token(MULTISTREAM) + token(PING) + bytes(32))
                assert receive_token(third) == MULTISTREAM
                receive_token(third)
                third.receive_exactly(32)
                answered = True
            except Ended:
                answered = False
            assert not answered, "at most two ping streams a peer"
            for stream in streams:
                stream.send(bytes(32))
                assert stream.receive_exactly(32) == bytes(32)

    def test_a_ping_stream_makes_room_when_it_ends(self, attack):
        session = attack.session()
        with session.link:
            for _ in range(10):
                stream = session.open(PING)
                stream.send(bytes(32))
                assert stream.receive_exactly(32) == bytes(32)
                stream.finish()
                assert stream.how_it_ends() == "finished"


def test_an_echo_that_is_never_read(attack):
    session = attack.session()
    with session.link:
        stream = session.open(ECHO)
        stream.send(bytes(200_000))
        stream.reset()
        assert session.is_alive()
