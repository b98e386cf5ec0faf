"""Noise with every rule broken: framing, proofs, curve points, tampering."""

import pytest

from .conftest import times
from .wire import (
    NOISE,
    YAMUX,
    Handshake,
    Key,
    Link,
    Yamux,
    framed,
    initiate,
    message,
    payload,
    propose,
    receive_framed,
)

DEADLINE = 10

METADATA_FIELD = 20530
"""Where the extensions carry what an application attaches."""

# Public keys whose shared secret is zero, whoever's private key it is (RFC 7748, and their non-canonical twins).
LOW_ORDER = {
    "zero": bytes(32),
    "one": b"\x01" + bytes(31),
    "order-8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "order-8-twin": bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    "p-1": bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p": bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p+1": bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}


# Encodings of Ed25519 points of order 1, 2, 4 and 8, and what is not below the prime.
SMALL_ORDER = {
    "order-1": (b"\x01" + bytes(31), "small order"),
    "order-2": (bytes.fromhex("ec" + "ff" * 30 + "7f"), "small order"),
    "order-4": (bytes(32), "small order"),
    "order-4-negative": (bytes(31) + b"\x80", "small order"),
    "order-8": (bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "small order"),
    "order-8-negative": (
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
        "small order",
    ),
    "order-8-twin": (bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "small order"),
    "order-8-twin-negative": (
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        "small order",
    ),
    "order-4-not-canonical": (bytes.fromhex("ed" + "ff" * 30 + "7f"), "not below 2\\^255 - 19"),
    "order-1-not-canonical": (bytes.fromhex("ee" + "ff" * 30 + "7f"), "not below 2\\^255 - 19"),
}


def begin(endpoint):
    """A link on which /noise is agreed, and a handshake."""
    link = Link(endpoint)
    assert propose(link, NOISE) == NOISE
    return link, Handshake()


def assert_closed(link, within=5):
    assert link.how_it_ends(within) is not None


class TestFraming:
    def test_an_empty_first_message(self, attack):
        attack.must_log("handshake message 1 ends before")
        link, _ = begin(attack.endpoint)
        with link:
            link.send(framed(b""))
            assert_closed(link)

    @pytest.mark.parametrize("length", [1, 31])
    def test_a_first_message_too_short(self, attack, length):
        attack.must_log("handshake message 1 ends before")
        link, _ = begin(attack.endpoint)
        with link:
            link.send(framed(bytes(length)))
            assert_closed(link)

    @pytest.mark.parametrize("length", [0, 15, 47, 63])
    def test_a_third_message_too_short(self, attack, length):
        attack.must_log("handshake message 3 (ends before|does not authenticate)")
        link, noise = begin(attack.endpoint)
        with link:
            link.send(framed(noise.write_first()))
            noise.read_second(receive_framed(link))
            link.send(framed(bytes(length)))
            assert_closed(link)

    def test_the_longest_message_that_never_comes(self, attack):
        attack.must_log("not done by their deadline")
        link, noise = begin(attack.endpoint)
        with link:
            link.send(framed(noise.write_first()))
            receive_framed(link)
            link.send(b"\xff\xff" + bytes(60_000))
            assert_closed(link, within=DEADLINE + 5)

    @pytest.mark.parametrize("length", [0, 1, 15])
    def test_a_record_too_short(self, attack, length):
        attack.must_log(f"a record of {length} bytes has no room for its tag")
        session = attack.session()
        with session.link:
            session.link.send(framed(bytes(length)))
            assert_closed(session.link)

    def test_the_longest_record_that_never_comes(self, attack):
        session = attack.session()
        with session.link:
            session.link.send(b"\xff\xff" + bytes(60_000))
            assert session.link.how_it_ends(within=2) is None

    def test_a_record_without_content_is_harmless_a_few_times(self, attack):
        session = attack.session()
        with session.link:
            for _ in range(10):
                session.link.send(session.channel.record(b""))
            assert session.is_alive()

    def test_records_of_one_byte(self, attack):
        session = attack.session()
        with session.link:
            frames = bytes.fromhex("000200010000000000000007")
            session.link.send(b"".join(session.channel.record(bytes([byte])) for byte in frames))
            assert session.pump(lambda: 7 in session.pongs)


class TestProofs:
    """The third message must prove the identity; nothing behind it is ever read otherwise."""

    @staticmethod
    def assert_refused(attack, make_payload):
        link, noise = begin(attack.endpoint)
        with link:
            link.send(framed(noise.write_first()))
            noise.read_second(receive_framed(link))
            link.send(framed(noise.write_third(make_payload(noise.static))))
            assert_closed(link)

    CASES = {
        "empty": (lambda key, static: b"", "no identity key"),
        "no-signature": (lambda key, static: message((1, key.public_message)), "no signature"),
        "no-key": (
            lambda key, static: message((2, key.sign(b"noise-libp2p-static-key:" + static.public))),
            "no identity key",
        ),
        "empty-signature": (lambda key, static: message((1, key.public_message), (2, b"")), "no signature"),
        "signed-by-another": (
            lambda key, static: payload(key, static, signer=Key()),
            "isn't signed by the identity key",
        ),
        "wrong-prefix": (
            lambda key, static: payload(key, static, prefix=b"noise-libp2p-static-key;"),
            "isn't signed by the identity key",
        ),
        "no-prefix": (lambda key, static: payload(key, static, prefix=b""), "isn't signed by the identity key"),
        "another-static-key": (
            lambda key, static: payload(key, Handshake().static),
            "isn't signed by the identity key",
        ),
        "signature-too-long": (
            lambda key, static: payload(key, static) + message((2, bytes(40_000))),
            "isn't signed by the identity key",
        ),
        "key-of-no-type": (
            lambda key, static: message((1, message((1, 9), (2, bytes(32)))), (2, bytes(64))),
            "identity key .* is refused",
        ),
        "key-cut-short": (
            lambda key, static: message((1, key.public_message[:-1]), (2, bytes(64))),
            "identity key .* is refused",
        ),
        "key-empty": (lambda key, static: message((1, b""), (2, bytes(64))), "identity key .* is refused"),
        "not-protobuf": (lambda key, static: b"\xff" * 200, "isn't its protobuf message"),
        "length-beyond-the-end": (
            lambda key, static: b"\x0a\xff\xff\xff\xff\x0f" + bytes(10),
            "isn't its protobuf message",
        ),
        "group-tags": (lambda key, static: b"\x0b" * 1000, "isn't its protobuf message"),
    }

    @pytest.mark.parametrize(("make", "reason"), CASES.values(), ids=CASES.keys())
    @pytest.mark.parametrize("key_type", ["ed25519", "secp256k1"])
    def test_a_false_proof_is_refused(self, attack, make, reason, key_type):
        attack.must_log(reason)
        key = Key(key_type)
        self.assert_refused(attack, lambda static: make(key, static))

    @pytest.mark.parametrize("bits", [1024, 8200])
    def test_an_rsa_key_of_a_size_that_is_not_allowed(self, attack, bits):
        attack.must_log(f"an RSA key of {bits} bits")
        key = Key("rsa", bits) if bits < 2048 else FakeRSA(bits)
        self.assert_refused(attack, lambda static: payload(key, static))

    @pytest.mark.parametrize(("point", "reason"), SMALL_ORDER.values(), ids=SMALL_ORDER.keys())
    def test_an_ed25519_key_of_small_order(self, attack, point, reason):
        attack.must_log(reason)
        public = message((1, 1), (2, point))
        self.assert_refused(attack, lambda static: message((1, public), (2, bytes(64))))

    def test_unknown_fields_are_skipped(self, attack):
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE

            def with_more(key, static, extensions=b""):
                more = message((3, b"data of old"), (99, 7), (20_000, b"unknown"))
                return more + payload(key, static, extensions=message((1, b"hash"), (4096, bytes(1000))))

            channel = initiate(link, Key(), make_payload=with_more)
            assert propose(channel, YAMUX) == YAMUX
            assert Yamux(channel).is_alive()

    def test_app_metadata_up_to_its_limit_and_beyond(self, attack):
        attack.must_log("attached 4097 bytes of app metadata; at most 4096 are taken")
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
            initiate(link, Key(), extensions=message((METADATA_FIELD, bytes(4097))))
            assert_closed(link)
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
            channel = initiate(link, Key(), extensions=message((METADATA_FIELD, bytes(4096))))
            assert propose(channel, YAMUX) == YAMUX
            assert Yamux(channel).is_alive()

    def test_the_last_of_a_repeated_field_counts(self, attack):
        """As protobuf says; so a false proof in front of the true one changes nothing, and one behind it refuses."""
        key, other = Key(), Key()
        self.assert_refused(attack, lambda static: payload(key, static) + message((1, other.public_message)))
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
            channel = initiate(
                link,
                key,
                make_payload=lambda key, static, extensions: message((1, other.public_message)) + payload(key, static),
            )
            assert propose(channel, YAMUX) == YAMUX


class FakeRSA:
    """A public key of any size without a private half: it has to be refused for its size, before any signature is looked at."""

    def __init__(self, bits):
        modulus = (1 << (bits - 1)) | 1

        def der(tag, content):
            size = len(content)
            length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
            return bytes([tag]) + length + content

        def integer(value):
            return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))

        rsa = der(0x30, integer(modulus) + integer(65537))
        algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
        self.public_message = message((1, 0), (2, der(0x30, algorithm + der(3, b"\0" + rsa))))
        self._size = bits // 8

    def sign(self, _):
        return bytes(self._size)


class TestCurvePoints:
    @pytest.mark.parametrize("point", LOW_ORDER.values(), ids=LOW_ORDER.keys())
    def test_a_low_order_ephemeral_key(self, attack, point):
        attack.must_log("low-order point")
        link, noise = begin(attack.endpoint)
        with link:
            link.send(framed(noise.write_first(point)))
            assert_closed(link)

    @pytest.mark.parametrize("point", LOW_ORDER.values(), ids=LOW_ORDER.keys())
    def test_a_low_order_static_key(self, attack, point):
        attack.must_log("low-order point")
        link, noise = begin(attack.endpoint)
        with link:
            link.send(framed(noise.write_first()))
            noise.read_second(receive_framed(link))
            key = Key()

            class Claimed:
                public = point

            noise.static.shared = lambda public: bytes(32)
            link.send(framed(noise.write_third(payload(key, Claimed), point)))
            assert_closed(link)


class TestTampering:
    def flipped(self, data, bit):
        out = bytearray(data)
        out[bit // 8] ^= 1 << bit % 8
        return bytes(out)

    def samples(self, bits, in_ci):
        return range(0, bits, max(1, bits // in_ci) if times(True, False) else 1)

    @pytest.mark.timeout(3600)
    def test_a_flipped_bit_in_the_proof(self, attack):
        attack.must_log("does not authenticate")
        bits = None
        bit = 0
        while bits is None or bit < bits:
            link, noise = begin(attack.endpoint)
            with link:
                link.send(framed(noise.write_first()))
                noise.read_second(receive_framed(link))
                third = noise.write_third(payload(Key(), noise.static))
                bits = len(third) * 8
                link.send(framed(self.flipped(third, bit)))
                assert_closed(link)
            bit += times(in_ci=max(1, bits // 25), in_soak=1)

    @pytest.mark.timeout(3600)
    def test_a_flipped_bit_in_a_record(self, attack):
        attack.must_log("does not authenticate")
        size = len(bytes.fromhex("000200010000000000000007")) + 16
        for bit in self.samples(size * 8, in_ci=25):
            session = attack.session()
            with session.link:
                record = session.channel.record(bytes.fromhex("000200010000000000000007"))
                session.link.send(record[:2] + self.flipped(record[2:], bit))
                assert_closed(session.link)
                assert 7 not in session.pongs

    def test_a_record_twice(self, attack):
        attack.must_log("does not authenticate")
        session = attack.session()
        with session.link:
            record = session.channel.record(bytes.fromhex("000200010000000000000007"))
            session.link.send(record)
            assert session.pump(lambda: 7 in session.pongs)
            session.link.send(record)
            assert_closed(session.link)

    def test_records_out_of_order(self, attack):
        attack.must_log("does not authenticate")
        session = attack.session()
        with session.link:
            first, second = (session.channel.record(bytes.fromhex("000200010000000000000007")) for _ in range(2))
            session.link.send(second + first)
            assert_closed(session.link)

    def test_the_handshake_of_another_connection(self, attack):
        attack.must_log("does not authenticate")
        """A third message recorded elsewhere does not authenticate here."""
        link, noise = begin(attack.endpoint)
        with link:
            link.send(framed(noise.write_first()))
            noise.read_second(receive_framed(link))
            third = framed(noise.write_third(payload(Key(), noise.static)))
        again, _ = begin(attack.endpoint)
        with again:
            again.send(framed(noise.ephemeral.public))
            receive_framed(again)
            again.send(third)
            assert_closed(again)

    def test_plaintext_behind_the_handshake(self, attack):
        attack.must_log("a record of 4911 bytes does not authenticate")
        link, noise = begin(attack.endpoint)
        with link:
            link.send(framed(noise.write_first()))
            noise.read_second(receive_framed(link))
            link.send(framed(noise.write_third(payload(Key(), noise.static))))
            # Taken for a record, this begins with a length of 4,911 bytes.
            link.send(b"\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n" + bytes(8000))
            assert_closed(link)


def test_an_end_in_the_middle_of_a_record_is_no_clean_end(attack):
    mark, key = attack.daemon.process.mark(), Key()
    session = attack.session(key=key)
    with session.link:
        session.link.send(session.channel.record(b"x" * 1000)[:500])
        session.link.finish()
        assert_closed(session.link)
    mine = lambda item: item.get("event") == "disconnected" and item["peer"] == key.peer  # noqa: E731
    assert attack.daemon.process.wait_for(mine, after=mark)["reason"] in ("lost", "protocolViolation")
