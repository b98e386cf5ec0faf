"""multistream-select with every rule broken, on the bare connection and on streams."""

import pytest

from .conftest import times
from .wire import (
    ECHO,
    MULTISTREAM,
    NOISE,
    PING,
    SYN,
    YAMUX,
    Ended,
    Frame,
    Key,
    Link,
    WINDOW_UPDATE,
    Yamux,
    data_frame,
    initiate,
    propose,
    receive_token,
    token,
    uvarint,
)

MESSAGES = 32
"""Proposals and lists that a listener answers."""

# What a broken message is, and the reason that the daemon must log for it.
MALFORMED = {
    "length-of-10-bytes": (b"\x80" * 9 + b"\x01", "longer than 9 bytes"),
    "length-above-2^63": (b"\xff" * 9 + b"\x7f", "longer than 9 bytes"),
    "length-of-zero": (b"\x00", "a message is empty"),
    "length-1025": (uvarint(1025) + b"/" * 1024 + b"\n", "1025 bytes .* at most 1024"),
    "length-2^31": (uvarint(1 << 31) + b"/multistream/1.0.0\n", "2147483648 bytes .* at most 1024"),
    "nul": (token("/multi\0stream/1.0"), "not printable UTF-8"),
    "bad-utf-8": (token(b"/multistream/\xff\xfe"), "not printable UTF-8"),
    "http": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: somebody/1.0\r\n\r\n",
        "not printable UTF-8",
    ),
    "tls": (bytes.fromhex("16030100c4010000c00303") + bytes(200), "does not end in a newline"),
    "zeros": (bytes(4096), "a message is empty"),
    "ones": (b"\xff" * 4096, "longer than 9 bytes"),
}
HEADERS = MALFORMED | {
    "length-not-minimal": (b"\x94\x80\x00/multistream/1.0.0\n", "shorter spelling"),
    "no-newline": (b"\x12/multistream/1.0.0", "does not end in a newline"),
    "another-version": (token("/multistream/2.0.0"), "/multistream/2.0.0"),
}
PROPOSALS = MALFORMED | {
    "length-not-minimal": (b"\x87\x80\x00/noise\n", "shorter spelling"),
    "no-newline": (b"\x06/noise", "does not end in a newline"),
}


def ended_in_time(link):
    """Closed at once, not by the deadline of the upgrade."""
    return link.how_it_ends(within=5) is not None


class TestConnection:
    @pytest.mark.parametrize(("data", "reason"), HEADERS.values(), ids=HEADERS.keys())
    def test_a_malformed_header_closes(self, attack, data, reason):
        attack.must_log(reason)
        with Link(attack.endpoint) as link:
            link.send(data)
            assert ended_in_time(link)

    @pytest.mark.parametrize(("data", "reason"), PROPOSALS.values(), ids=PROPOSALS.keys())
    def test_a_malformed_proposal_closes(self, attack, data, reason):
        attack.must_log(reason)
        with Link(attack.endpoint) as link:
            link.send(token(MULTISTREAM) + data)
            assert ended_in_time(link)

    @pytest.mark.parametrize("name", ["/nope/1.0.0", "ls"])
    def test_asking_without_end_closes(self, attack, name):
        attack.must_log("asked 33 times without agreement")
        with Link(attack.endpoint) as link:
            link.send(token(MULTISTREAM))
            assert receive_token(link) == MULTISTREAM
            answers = 0
            with pytest.raises(Ended):
                for _ in range(1000):
                    link.send(token(name))
                    receive_token_or_list(link)
                    answers += 1
            assert answers == MESSAGES

    def test_many_proposals_in_one_segment_close_too(self, attack):
        attack.must_log("asked 33 times without agreement")
        with Link(attack.endpoint) as link:
            link.send(token(MULTISTREAM) + token("/nope/1.0.0") * 5000)
            assert ended_in_time(link)

    def test_the_list_has_noise_and_no_plaintext(self, attack):
        with Link(attack.endpoint) as link:
            link.send(token(MULTISTREAM) + token("ls"))
            assert receive_token(link) == MULTISTREAM
            assert NOISE in (listed := receive_token_or_list(link))
            assert not any("plaintext" in name for name in listed)
            link.send(token(NOISE))
            assert receive_token(link) == NOISE

    def test_one_byte_a_segment_is_fine(self, attack):
        with Link(attack.endpoint) as link:
            link.send_by_the_byte(token(MULTISTREAM) + token(NOISE))
            assert receive_token(link) == MULTISTREAM
            assert receive_token(link) == NOISE
            channel = initiate(link, Key())
            for byte in token(MULTISTREAM) + token(YAMUX):
                channel.send(bytes([byte]))
            assert receive_token(channel) == MULTISTREAM
            assert receive_token(channel) == YAMUX
            assert Yamux(channel).is_alive()

    def test_everything_in_one_flight_is_fine(self, attack):
        """The muxer's negotiation and its first frames, coalesced behind the handshake."""
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
            channel = initiate(link, Key())
            opening = (
                Frame(WINDOW_UPDATE, SYN, 1, 0).wire + data_frame(1, token(MULTISTREAM) + token(PING) + bytes(32)).wire
            )
            channel.send(token(MULTISTREAM) + token(YAMUX) + opening)
            assert receive_token(channel) == MULTISTREAM
            assert receive_token(channel) == YAMUX
            session = Yamux(channel)
            stream = session.adopt(session.next_id())
            assert receive_token(stream) == MULTISTREAM
            assert receive_token(stream) == PING
            assert stream.receive_exactly(32) == bytes(32)


class TestStream:
    @pytest.mark.parametrize("data", [data for data, _ in PROPOSALS.values()], ids=PROPOSALS.keys())
    def test_a_malformed_proposal_resets_the_stream_alone(self, attack, data):
        session = attack.session()
        with session.link:
            other, stream = session.open(ECHO), session.start()
            stream.send(token(MULTISTREAM) + data)
            assert stream.how_it_ends() == "reset"
            other.send(b"still here")
            assert other.receive_exactly(10) == b"still here"

    @pytest.mark.parametrize("name", ["/nope/1.0.0", "ls"])
    def test_asking_without_end_resets_the_stream_alone(self, attack, name):
        session = attack.session()
        with session.link:
            stream = session.start()
            stream.send(token(MULTISTREAM))
            assert receive_token(stream) == MULTISTREAM
            answers = 0
            with pytest.raises(Ended):
                for _ in range(1000):
                    stream.send(token(name))
                    receive_token_or_list(stream)
                    answers += 1
            assert answers == MESSAGES
            assert stream.is_reset
            assert session.is_alive()

    def test_streams_that_never_negotiate_do_not_stop_others(self, attack):
        session = attack.session()
        with session.link:
            for _ in range(times(in_ci=50, in_soak=200)):
                session.start()
            stream = session.open(ECHO)
            stream.send(b"served")
            assert stream.receive_exactly(6) == b"served"

    def test_a_peer_that_never_answers_our_streams(self, attack):
        """The daemon's own streams, identify's for one, stay unanswered."""
        session = attack.session(accept=lambda stream: None)
        with session.link:
            stream = session.open(PING)
            for _ in range(3):
                stream.send(bytes(32))
                assert stream.receive_exactly(32) == bytes(32)
            assert session.pump(lambda: False, within=6) is None
            assert session.is_alive()

    def test_a_stream_finished_in_the_middle_of_a_proposal(self, attack):
        session = attack.session()
        with session.link:
            stream = session.start()
            stream.send(token(MULTISTREAM) + b"\x0b/ech")
            stream.finish()
            assert stream.how_it_ends() in ("reset", "finished")
            assert session.is_alive()


def receive_token_or_list(source):
    """The names of one answer: a single token, or the list that `ls` gives."""
    size = shift = 0
    for _ in range(3):
        byte = source.receive_exactly(1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    body, names = source.receive_exactly(size), []
    if not body.endswith(b"\n\n"):
        return [body.decode().removesuffix("\n")]
    while body != b"\n":
        length = body[0]
        names.append(body[1:length].decode())
        body = body[1 + length :]
    return names
