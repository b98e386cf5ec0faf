"""TLS: certificates that prove nothing, versions and protocols that are not ours, and ends that are none."""

import contextlib
import ssl
import struct
import time

import pytest

from peers import ours
from peers.formats import Key

from .conftest import assert_ended_at_the_deadline, times
from .tls import LIBP2P, TLS, Certificate, TLSChannel, client_context, faults, server_context, tls_link, tls_session
from .wire import PING, YAMUX, Ended, Listener, Yamux, agree, propose


@pytest.fixture(scope="module", autouse=True)
def warm(target):
    """What the first TLS connections of a process make once is not growth."""
    for _ in range(20):
        session = tls_session(target.endpoint)
        stream = session.open(PING)
        stream.send(bytes(32))
        stream.receive_exactly(32)
        session.link.close()
    time.sleep(1.5)


def assert_refused(link):
    assert link.how_it_ends(within=5) is not None


def dial(endpoint, context):
    """A dialer's handshake, as far as it goes; the link afterwards."""
    link = tls_link(endpoint)
    with contextlib.suppress(ssl.SSLError, Ended):
        TLSChannel(link, context).handshake()
    return link


class TestDialers:
    """Hostile dialers, the daemon listens."""

    @faults
    def test_a_false_certificate(self, attack, make, copies, reason):
        attack.must_log(reason)
        with dial(attack.endpoint, client_context(make(), copies=copies)) as link:
            assert_refused(link)

    def test_no_certificate(self, attack):
        attack.must_log("the peer presented no certificate")
        with dial(attack.endpoint, client_context()) as link:
            assert_refused(link)

    def test_nothing_but_tls_1_2(self, attack):
        attack.must_log("does not speak TLS 1.3")
        with tls_link(attack.endpoint) as link:
            with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
                TLSChannel(link, client_context(Certificate(), version=ssl.TLSVersion.TLSv1_2)).handshake()
            assert_refused(link)

    @pytest.mark.parametrize("protocols", [(), ("h2",), ("h2", "/spdy/3")], ids=["none", "h2", "two"])
    def test_no_or_unknown_application_protocols(self, attack, protocols):
        attack.must_log("application protocols, and none that is spoken here")
        with tls_link(attack.endpoint) as link:
            with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
                TLSChannel(link, client_context(Certificate(), protocols=protocols)).handshake()
            assert_refused(link)

    @pytest.mark.parametrize(
        ("protocols", "chosen"),
        [
            (("/mplex/9.9.9", "/spdy/3", LIBP2P), LIBP2P),
            ((LIBP2P, YAMUX), YAMUX),
            ((YAMUX,), YAMUX),
            ((YAMUX, YAMUX, LIBP2P, LIBP2P), YAMUX),
            ((YAMUX + "\n", LIBP2P), LIBP2P),
            (tuple(f"/muxer/{number}" for number in range(1000)) + (LIBP2P,), LIBP2P),
            (("/" + "x" * 254, YAMUX), YAMUX),
        ],
        ids=["foreign", "libp2p-first", "no-libp2p", "repeated", "newline", "thousand", "long-name"],
    )
    def test_lists_of_muxers_that_nobody_should_send(self, attack, protocols, chosen):
        with tls_link(attack.endpoint) as link:
            channel = TLSChannel(link, client_context(Certificate(), protocols=protocols)).handshake()
            assert channel.tls.selected_alpn_protocol() == chosen
            if chosen == LIBP2P:
                assert propose(channel, YAMUX) == YAMUX
            assert Yamux(channel).is_alive()

    def test_a_list_of_muxers_beyond_the_limit(self, attack):
        attack.must_log("first message is longer than 16384 bytes")
        protocols = [f"/muxer/{number}/{'x' * 200}" for number in range(150)]
        with dial(attack.endpoint, client_context(Certificate(), protocols=protocols)) as link:
            assert_refused(link)

    def test_an_empty_list_of_muxers(self, attack):
        attack.must_log("offers 0 application protocols")
        hello = b"\x03\x03" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + b"\0\6" + b"\0\x10\0\2\0\0"
        message = b"\1\0" + struct.pack(">H", len(hello)) + hello
        with tls_link(attack.endpoint) as link:
            link.send(b"\x16\3\1" + struct.pack(">H", len(message)) + message)
            assert link.receive_exactly(7) == bytes.fromhex("15030300020278")
            assert_refused(link)

    def test_a_flood_before_the_handshake_is_done(self, attack):
        attack.must_log("its handshake is not done|the handshake failed")
        with tls_link(attack.endpoint) as link:
            link.send(TLSChannel(link, client_context(Certificate())).hello())
            with contextlib.suppress(Ended):
                for _ in range(2000):
                    link.send(b"\x14\3\3\0\1\1" * 100)
            assert_refused(link)

    @pytest.mark.parametrize("garbage", [b"\0", b"\x16", b"\x80", b"\xff", b"GET / HTTP/1.1\r\n\r\n"], ids=lambda data: data[:3].hex())
    def test_garbage(self, attack, garbage):
        attack.must_log("the handshake failed")
        with tls_link(attack.endpoint) as link:
            with contextlib.suppress(Ended):
                link.send(garbage * (100_000 // len(garbage)))
            assert_refused(link)

    def test_another_protocol_in_the_right_certificate(self, attack):
        """Behind a handshake with libp2p alone, the muxer has to be agreed on as always."""
        attack.must_log("multistream|negotiation|protocol")
        with tls_link(attack.endpoint) as link:
            channel = TLSChannel(link, client_context(Certificate())).handshake()
            channel.send(bytes.fromhex("000200010000000000000007") * 10)
            assert_refused(link)

    def test_a_resumed_session_is_still_the_same_peer(self, attack):
        key = Key()
        context = client_context(Certificate(key), protocols=[YAMUX, LIBP2P])
        with tls_link(attack.endpoint) as link:
            first = TLSChannel(link, context).handshake()
            assert Yamux(first).is_alive()
            ticket = first.tls.session
        attack.daemon.process.wait_for(lambda item: item.get("event") == "disconnected" and item["peer"] == key.peer)
        mark = attack.daemon.process.mark()
        with tls_link(attack.endpoint) as link:
            second = TLSChannel(link, context, session=ticket).handshake()
            assert second.tls.session_reused
            assert Yamux(second).is_alive()
            connected = attack.daemon.process.wait_for("connected", after=mark)
            assert connected["peer"] == key.peer


class TestListeners:
    """Hostile listeners, our tool dials."""

    def outcome(self, make_context):
        with Listener() as listener:
            certificate_context = make_context(listener.key)
            process = ours.JSONProcess(
                [ours.BINARY, "ping", listener.address, "--count", 1, "--json", "--security", "tls"],
                environment=ours.environment(),
            )
            try:
                with listener.link() as link:
                    assert agree(link, TLS) == TLS
                    with contextlib.suppress(ssl.SSLError, Ended):
                        TLSChannel(link, certificate_context, is_server=True).handshake()
                        assert_refused(link)
                assert process.process.wait(20) == 1
                return process.wait_for("error")
            finally:
                process.stop()

    @faults
    def test_a_false_certificate(self, make, copies, reason):
        # Dates are judged last, so all else has to be right.
        make_for = lambda key: make(key) if "clock" in reason else make()  # noqa: E731
        error = self.outcome(lambda key: server_context(make_for(key), copies=copies))
        assert reason in error["message"], error

    def test_another_peer(self):
        other = Certificate()
        error = self.outcome(lambda key: server_context(other))
        assert f"but {other.host.peer} answered" in error["message"], error

    def test_nothing_but_tls_1_2(self):
        error = self.outcome(lambda key: server_context(Certificate(key), version=ssl.TLSVersion.TLSv1_2))
        assert "does not speak TLS 1.3" in error["message"], error

    def test_no_application_protocol(self):
        error = self.outcome(lambda key: server_context(Certificate(key), protocols=()))
        assert "without an application protocol" in error["message"], error


class TestTime:
    def test_whoever_is_not_done_is_closed_at_the_deadline(self, attack):
        """Behind the proposal, behind the first message, and slow."""
        attack.must_log("not done by their deadline")
        links = {name: tls_link(attack.endpoint) for name in ("proposal", "first message", "a byte every two seconds")}
        hello = {name: TLSChannel(link, client_context(Certificate())).hello() for name, link in links.items()}
        links["first message"].send(hello["first message"])
        slow = "a byte every two seconds"
        assert_ended_at_the_deadline({**links, slow: (links[slow], hello[slow])})

    @pytest.mark.timeout(1800)
    @pytest.mark.parametrize("how", ["fin", "rst"])
    def test_a_peer_that_is_gone_after_any_byte(self, attack, how):
        certificate = Certificate()

        def climb(**options):
            with tls_link(attack.endpoint, **options) as link:
                channel = TLSChannel(link, client_context(certificate, protocols=[YAMUX, LIBP2P])).handshake()
                stream = Yamux(channel).open(PING)
                stream.send(bytes(32))
                assert stream.receive_exactly(32) == bytes(32)
                return link.sent

        whole = climb()
        # Signatures vary by some bytes, and there are several.
        for offset in range(0, whole - 40, times(in_ci=max(1, whole // 60), in_soak=1)):
            with pytest.raises((Ended, ssl.SSLError)):
                climb(cut_after=offset, cut_by=how)
        assert climb(), "whoever comes whole is served"


class TestEnds:
    def disconnected(self, attack, mark, key):
        mine = lambda item: item.get("event") == "disconnected" and item["peer"] == key.peer  # noqa: E731
        return attack.daemon.process.wait_for(mine, after=mark)

    def test_an_end_without_close_notify_is_no_clean_end(self, attack):
        mark, key = attack.daemon.process.mark(), Key()
        session = tls_session(attack.endpoint, key)
        with session.link:
            stream = session.open("/echo/1.0.0")
            stream.send(b"half of a message")
            session.link.finish()
            # No close_notify answers it: the daemon has nothing to say to somebody who is cut off.
            with pytest.raises(Ended):
                while True:
                    session.receive_frame()
        assert self.disconnected(attack, mark, key)["reason"] == "lost"

    def test_close_notify_is_answered(self, attack):
        mark, key = attack.daemon.process.mark(), Key()
        session = tls_session(attack.endpoint, key)
        with session.link:
            session.channel.say_goodbye()
            with pytest.raises(Ended) as ended:
                while True:
                    session.receive_frame()
            assert ended.value.how == "close_notify"
        assert self.disconnected(attack, mark, key)["reason"] in ("lost", "closedByPeer")

    def test_a_flipped_bit_in_a_record(self, attack):
        attack.must_log("a record is refused")
        session = tls_session(attack.endpoint)
        with session.link:
            session.channel.tls.write(bytes.fromhex("000200010000000000000007"))
            record = bytearray(session.channel._out.read())
            record[-1] ^= 1
            session.link.send(bytes(record))
            assert_refused(session.link)
            assert 7 not in session.pongs
