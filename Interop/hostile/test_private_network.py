"""A private network's daemon, and those who do not hold its key, or break off before they have shown it."""

import os
import socket
import time

import pytest

from peers import ours
from peers.formats import Key
from peers.private_network import NONCE_SIZE, Member

from .conftest import Target, assert_ended_at_the_deadline, times
from .wire import MULTISTREAM, NOISE, PING, Ended, Link, Yamux, initiate, propose, token

GREETING = token(MULTISTREAM) + token(NOISE)


@pytest.fixture(scope="module")
def psk(tmp_path_factory):
    path = tmp_path_factory.mktemp("psk") / "swarm.key"
    assert ours.run("key", "psk", "--out", path).code == 0
    return bytes.fromhex(path.read_text().splitlines()[2]), path


@pytest.fixture(scope="module")
def target(keys, psk):
    """In place of the public daemon of the other cases: a member, with a member beside it that must lose nothing."""
    target = Target(keys, options=["--psk", psk[1]], psk=psk[0])
    yield target
    target.stop()


def everything(link, within):
    """What the other side says until it leaves, or for so long; as it is on the wire."""
    link.socket.settimeout(within)
    heard = b""
    try:
        while data := link.socket.recv(1 << 16):
            heard += data
    except OSError:
        pass
    return heard


class TestSilence:
    def test_whoever_is_not_done_is_closed_at_the_deadline(self, attack, psk):
        """Before the nonce, within it, and behind it; silent, or slow."""
        attack.must_log("not done by their deadline")
        links = {f"{count} bytes": Link(attack.endpoint) for count in (0, 5, 25)}
        for count, link in zip((0, 5, 25), links.values(), strict=True):
            link.send(Member(psk[0]).seal(GREETING)[:count])
        slow = Link(attack.endpoint), Member(psk[0]).seal(GREETING)
        assert_ended_at_the_deadline({**links, "a byte every two seconds": slow})


class TestCuts:
    @pytest.mark.parametrize("how", ["fin", "rst"])
    def test_after_any_byte_of_the_nonce(self, attack, psk, how):
        for offset in range(1, NONCE_SIZE + 2):
            with pytest.raises(Ended), Link(attack.endpoint, cut_after=offset, cut_by=how) as link:
                link.send(Member(psk[0]).seal(GREETING))

    def test_the_reason_is_logged(self, attack, psk):
        attack.must_log("the peer left after 5 of the 24 bytes of its nonce")
        with Link(attack.endpoint) as link:
            link.send(Member(psk[0]).seal(GREETING)[:5])
            # Were it gone before the handshakes begin, nobody would read what it sent.
            time.sleep(0.5)

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("how", ["fin", "rst"])
    def test_after_any_byte_of_the_way_up(self, attack, psk, how):
        def climb(**options):
            with Link(attack.endpoint, psk=psk[0], **options) as link:
                assert propose(link, NOISE) == NOISE
                stream = Yamux(initiate_and_agree(link)).open(PING)
                stream.send(bytes(32))
                assert stream.receive_exactly(32) == bytes(32)
                return link.sent

        whole = climb()
        for offset in range(1, whole, times(in_ci=max(1, whole // 40), in_soak=1)):
            with pytest.raises(Ended):
                climb(cut_after=offset, cut_by=how)
                raise Ended("whole")


def initiate_and_agree(link):
    channel = initiate(link, Key())
    assert propose(channel, "/yamux/1.0.0") == "/yamux/1.0.0"
    return channel


class TestOutsiders:
    """Whoever has another key, or none, is ended at once, and has heard nothing at all by then."""

    @pytest.mark.parametrize(
        "said",
        [
            GREETING + bytes(64),
            b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
            bytes.fromhex("16030100c4010000c00303") + bytes(200),
            bytes(4096),
            b"\xff" * 4096,
        ],
        ids=["libp2p", "http", "tls", "zeros", "ones"],
    )
    def test_plaintext(self, attack, said):
        attack.must_log("makes no sense under this network's key")
        with Link(attack.endpoint) as link:
            link.send(said)
            assert everything(link, within=5) == b""

    def test_another_key(self, attack):
        attack.must_log("makes no sense under this network's key")
        for _ in range(times(in_ci=50, in_soak=2000)):
            with Link(attack.endpoint) as link:
                link.send(Member(os.urandom(32)).seal(GREETING))
                assert everything(link, within=5) == b""

    def test_another_key_byte_by_byte(self, attack):
        with Link(attack.endpoint) as link:
            try:
                link.send_by_the_byte(Member(os.urandom(32)).seal(GREETING))
            except Ended:
                pass
            assert everything(link, within=5) == b""

    def test_every_flipped_bit_of_nonce_and_header(self, attack, psk):
        attack.must_log("makes no sense under this network's key")
        sealed = Member(psk[0]).seal(GREETING)
        # The token of multistream-select has 20 bytes.
        for bit in range(0, (NONCE_SIZE + 20) * 8, times(in_ci=5, in_soak=1)):
            changed = bytearray(sealed)
            changed[bit // 8] ^= 1 << bit % 8
            with Link(attack.endpoint) as link:
                link.send(bytes(changed))
                assert everything(link, within=5) == b""

    def test_the_handshake_of_another_connection_is_no_way_in(self, attack, psk):
        """Whoever records a member and plays it back is let through by the network's key, and stopped by Noise."""
        record = []
        with Link(attack.endpoint, psk=psk[0]) as link:
            raw, link.send_raw = link.send_raw, lambda data: (record.append(data), raw(data))
            assert propose(link, NOISE) == NOISE
            initiate_and_agree(link)
        attack.must_log("Noise")
        with Link(attack.endpoint) as link:
            for flight in record:
                link.send(flight)
            assert link.how_it_ends(within=5) is not None


class TestDialer:
    """What our dialer shows to a listener that is no member."""

    @pytest.mark.parametrize("answer", [b"", GREETING, bytes(24), b"\xff" * 200], ids=["silence", "libp2p", "zeros", "ones"])
    def test_a_nonce_and_noise(self, attack, psk, answer):
        heard = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as server:
                address = f"/ip4/127.0.0.1/tcp/{server.getsockname()[1]}/p2p/{Key().peer}"
                process = ours.JSONProcess(
                    [ours.BINARY, "ping", address, "--count", 1, "--psk", psk[1], "--timeout", 3, "--json"],
                    environment=ours.environment(),
                )
                try:
                    server.settimeout(30)
                    with Link(server.accept()[0]) as link:
                        link.send(answer)
                        heard.append(everything(link, within=10))
                    assert process.process.wait(20) == 1
                finally:
                    process.stop()
                assert process.wait_for("error", timeout=5)["code"]
        for said in heard:
            assert len(said) >= NONCE_SIZE
            assert b"multistream" not in said and b"noise" not in said and b"/" + b"yamux" not in said
        assert heard[0][:NONCE_SIZE] != heard[1][:NONCE_SIZE]
        assert heard[0][NONCE_SIZE:] != heard[1][NONCE_SIZE:]

    def test_its_own_bytes_sent_back(self, attack, psk):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"/ip4/127.0.0.1/tcp/{server.getsockname()[1]}/p2p/{Key().peer}"
            process = ours.JSONProcess(
                [ours.BINARY, "ping", address, "--count", 1, "--psk", psk[1], "--json"], environment=ours.environment()
            )
            try:
                server.settimeout(30)
                with Link(server.accept()[0]) as link:
                    link.send(link.receive_exactly(NONCE_SIZE))
                    assert link.how_it_ends(within=5) is not None
                assert process.process.wait(20) == 1
            finally:
                process.stop()
            assert "our own nonce" in process.wait_for("error", timeout=5)["message"]


def test_members_are_served_all_the_while(attack):
    friend = attack.session()
    with friend.link:
        assert friend.is_alive()
