"""QUIC peers that break rules: certificates that prove nothing, protocols that are not ours, limits that are passed by one."""

import pytest

from peers import ours
from peers.formats import Key

from .conftest import Attack, Target
from .quic import (
    BAD_CERTIFICATE,
    CERTIFICATE_REQUIRED,
    FINAL_SIZE_ERROR,
    FLOW_CONTROL_ERROR,
    NO_APPLICATION_PROTOCOL,
    RATE_LIMITED,
    STREAM_LIMIT_ERROR,
    Dialer,
    Listener,
)
from .tls import LIBP2P, Certificate, faults

STREAMS, RESETS, STREAM_WINDOW = 256, 200, 256 * 1024
MULTISTREAM = b"\x13/multistream/1.0.0\n"


class QUICTarget(Target):
    def warm_up(self):
        with Dialer(self.endpoint, Certificate()) as dialer:
            dialer.handshake()


@pytest.fixture(scope="module")
def target(keys):
    target = QUICTarget(keys, listen="/ip4/127.0.0.1/udp/0/quic-v1")
    yield target
    target.stop()


@pytest.fixture
def attack(target):
    pongs, memory = len(target.pongs()), target.daemon.stats()["rss_bytes"]
    attack = Attack(target)
    yield attack
    target.assert_unharmed(pongs, memory, 4 << 20)
    attack.finish()


@pytest.fixture
def dialer(attack):
    with Dialer(attack.endpoint, Certificate()) as dialer:
        yield dialer.handshake()


class TestDialers:
    """Hostile dialers, the daemon listens."""

    @faults
    def test_a_false_certificate(self, attack, make, copies, reason):
        attack.must_log(reason)
        with Dialer(attack.endpoint, make(), copies=copies) as dialer:
            assert dialer.code() == BAD_CERTIFICATE

    def test_no_certificate(self, attack):
        with Dialer(attack.endpoint, None) as dialer:
            assert dialer.code() == CERTIFICATE_REQUIRED

    @pytest.mark.parametrize("protocols", [(), ("h3",), ("h3", "libp2p2", "ibp2p")], ids=["none", "h3", "three"])
    def test_no_or_unknown_application_protocols(self, attack, protocols):
        with Dialer(attack.endpoint, Certificate(), protocols=protocols) as dialer:
            assert dialer.code() == NO_APPLICATION_PROTOCOL

    def test_ours_among_others(self, attack):
        with Dialer(attack.endpoint, Certificate(), protocols=("h3", LIBP2P)) as dialer:
            dialer.handshake()


class TestLimits:
    def test_the_last_stream_that_is_allowed(self, dialer):
        dialer.lift_limits()
        dialer.stream(MULTISTREAM, number=4 * (STREAMS - 1))
        dialer.ping()

    def test_a_stream_beyond_the_limit(self, dialer):
        dialer.lift_limits()
        dialer.stream(MULTISTREAM, number=4 * STREAMS)
        assert dialer.code() == STREAM_LIMIT_ERROR

    def test_the_last_byte_of_the_credit(self, dialer):
        dialer.lift_limits()
        number = dialer.stream(MULTISTREAM)
        assert dialer.receive(number, len(MULTISTREAM)) == MULTISTREAM
        dialer.send_at(number, STREAM_WINDOW - 1, b"x")
        dialer.ping()

    def test_a_byte_beyond_the_credit(self, dialer):
        dialer.lift_limits()
        number = dialer.stream(b"")
        dialer.send_at(number, STREAM_WINDOW, b"x")
        assert dialer.code() == FLOW_CONTROL_ERROR

    def test_a_stream_that_ends_before_its_last_byte(self, dialer):
        number = dialer.stream(MULTISTREAM)
        assert dialer.receive(number, len(MULTISTREAM)) == MULTISTREAM
        dialer.sender(number).highest_offset = 1
        dialer.quic.reset_stream(number, 0)
        dialer.flush()
        assert dialer.code() == FINAL_SIZE_ERROR

    def test_bytes_beyond_the_end(self, dialer):
        number = dialer.stream(MULTISTREAM)
        assert dialer.receive(number, len(MULTISTREAM)) == MULTISTREAM
        # With a hole before its end, so that the stream is not over.
        dialer.send_at(number, 100, b"x", end=True)
        dialer.ping()
        dialer.sender(number)._buffer_fin = None
        dialer.send_at(number, 200, b"x")
        assert dialer.code() == FINAL_SIZE_ERROR

    def test_resets_up_to_the_limit_and_one_more(self, attack, dialer):
        def reset_one():
            number = dialer.stream(MULTISTREAM)
            assert dialer.receive(number, len(MULTISTREAM)) == MULTISTREAM
            dialer.quic.reset_stream(number, 0)
            dialer.flush()

        for _ in range(RESETS):
            reset_one()
        dialer.ping()
        reset_one()
        assert dialer.code() == RATE_LIMITED


class TestListeners:
    """Hostile listeners, our tool dials."""

    def error(self, certificate, *, key=None, **options):
        with Listener(key or certificate.host) as listener:
            listener.answer_with(certificate, **options)
            outcome = ours.run("ping", listener.address, "--count", 1, "--json")
            assert outcome.code == 1, outcome
            return outcome.error["message"]

    @faults
    def test_a_false_certificate(self, make, copies, reason):
        assert reason in self.error(make(), copies=copies)

    def test_another_peer(self):
        other = Certificate()
        assert f"but {other.host.peer} answered" in self.error(other, key=Key())

    @pytest.mark.parametrize("protocols", [(), ("h3",)], ids=["none", "h3"])
    def test_no_or_another_application_protocol(self, protocols):
        assert "protocol" in self.error(Certificate(), protocols=protocols)
