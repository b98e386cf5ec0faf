"""Before anybody is authenticated: silence, slowness, cuts, floods, and the wrong party."""

import pytest

from peers import clock, ours
from peers.formats import Key

from .conftest import DEADLINE, assert_ended_at_the_deadline, times
from .wire import (
    MULTISTREAM,
    NOISE,
    PING,
    YAMUX,
    Ended,
    Link,
    Listener,
    Yamux,
    agree,
    initiate,
    propose,
    receive_token,
    respond,
    secured,
    session,
    stream_muxers,
    token,
)

def climb(endpoint, **link_options):
    """The whole way up, as far as the link lasts; returns how many bytes that took."""
    with Link(endpoint, **link_options) as link:
        assert propose(link, NOISE) == NOISE
        channel = initiate(link, Key())
        assert propose(channel, YAMUX) == YAMUX
        stream = Yamux(channel).open(PING)
        stream.send(bytes(32))
        assert stream.receive_exactly(32) == bytes(32)
        return link.sent


class TestDeadline:
    def test_whoever_is_not_done_is_closed_then(self, attack):
        attack.must_log("not done by their deadline")
        beginnings = {"silent": b"", "header": token(MULTISTREAM), "noise": token(MULTISTREAM) + token(NOISE)}
        links = {name: Link(attack.endpoint) for name in beginnings}
        for name, beginning in beginnings.items():
            links[name].send(beginning)
        slow = Link(attack.endpoint), token(MULTISTREAM) + token(NOISE)
        assert_ended_at_the_deadline({**links, "a byte every two seconds": slow})

    def test_an_established_connection_has_no_such_deadline(self, attack):
        quiet = attack.session()
        with quiet.link:
            assert quiet.pump(lambda: False, within=DEADLINE + 2) is None
            assert quiet.is_alive()


class TestCuts:
    @pytest.mark.timeout(1800)
    @pytest.mark.parametrize("how", ["fin", "rst"])
    def test_a_peer_that_is_gone_after_any_byte(self, attack, how):
        whole = climb(attack.endpoint)
        for offset in range(0, whole + 1, times(in_ci=max(1, whole // 60), in_soak=1)):
            with pytest.raises(Ended):
                climb(attack.endpoint, cut_after=offset, cut_by=how)
                raise Ended("whole")
        assert climb(attack.endpoint), "whoever comes whole is served"


class TestFlood:
    LIMIT = 256

    @pytest.mark.memory(16)
    @pytest.mark.timeout(300)
    def test_connections_beyond_the_pending_limit_make_room_at_once(self, attack):
        attack.must_log("the limit pendingInbound of 256 is reached")
        links = []
        try:
            for _ in range(times(in_ci=600, in_soak=4000)):
                links.append(Link(attack.endpoint, timeout=30))
            # A busy machine takes a while to refuse them all, and none of those who were let in has fallen to the deadline yet.
            deadline = clock.Deadline(DEADLINE - 2)
            while len(survivors := [link for link in links if link.how_it_ends(within=0.001) is None]) > self.LIMIT:
                assert not deadline.is_over, f"{len(survivors)} are open"
            assert survivors
            assert all(link.how_it_ends(within=DEADLINE + 5) is not None for link in survivors)
        finally:
            for link in links:
                link.close()
        assert climb(attack.endpoint)


class TestParties:
    def test_the_wrong_peer_answers(self, attack):
        with Listener() as listener:
            address = listener.address.replace(listener.key.peer, Key().peer)
            process = ours.JSONProcess(
                [ours.BINARY, "ping", address, "--count", 1, "--json"], environment=ours.environment()
            )
            try:
                with listener.link() as link:
                    assert agree(link, NOISE) == NOISE
                    # The dialer leaves as soon as it knows: before or after its third message.
                    try:
                        channel = respond(link, listener.key)
                        assert channel.link.how_it_ends(within=5) is not None
                    except Ended:
                        pass
                assert process.process.wait(20) == 1
            finally:
                process.stop()

    def test_no_common_security_never_ends_in_plaintext(self, attack):
        with Link(attack.endpoint) as link:
            for name in (
                "/plaintext/2.0.0",
                "/secio/1.0.0",
                "/plaintext/1.0.0",
                YAMUX,
                "/mplex/6.7.0",
                PING,
                "/echo/1.0.0",
            ):
                link.send(token(MULTISTREAM) + token(name) if link.sent == 0 else token(name))
                if name == "/plaintext/2.0.0":
                    assert receive_token(link) == MULTISTREAM
                assert receive_token(link) == "na"

    def test_a_listener_without_common_security_is_left(self, attack):
        with Listener() as listener:
            process = ours.JSONProcess(
                [ours.BINARY, "echo", listener.address, "--message", "secret", "--json"], environment=ours.environment()
            )
            try:
                heard = bytearray()
                with listener.link() as link:
                    try:
                        link.send(token(MULTISTREAM))
                        while True:
                            chunk = link.receive()
                            heard += chunk
                            link.send(token("na"))
                    except (Ended, TimeoutError):
                        pass
                assert process.process.wait(20) == 1
                assert b"secret" not in heard
            finally:
                process.stop()

    def test_the_same_identity_may_connect_twice(self, attack):
        key = Key()
        first, second = session(attack.endpoint, key), session(attack.endpoint, key)
        with first.link, second.link:
            assert first.is_alive() or second.is_alive()

    def test_the_daemons_own_identity_is_refused_or_harmless(self, attack, keys):
        own = Key.from_file(keys("ed25519"))
        try:
            mirror = session(attack.endpoint, own)
        except (Ended, AssertionError):
            return
        with mirror.link:
            mirror.how_it_ends(within=2)


class TestEarlyMuxers:
    @pytest.mark.parametrize(
        "names",
        [[], ["/nope/1.0.0"], [""], ["/nope/1.0.0"] * 101, ["x" * 300] * 100],
        ids=["none", "unknown", "empty-name", "too-many", "very-long"],
    )
    def test_useless_lists_fall_back_to_negotiation(self, attack, names):
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
            channel = initiate(link, Key(), extensions=stream_muxers(*names))
            assert propose(channel, YAMUX) == YAMUX
            assert Yamux(channel).is_alive()

    def test_a_common_muxer_needs_no_negotiation(self, attack):
        with Link(attack.endpoint) as link:
            assert propose(link, NOISE) == NOISE
            channel = initiate(link, Key(), extensions=stream_muxers("/nope/1.0.0", YAMUX))
            assert Yamux(channel).is_alive()


def test_a_full_handshake_leaves_nothing(attack):
    for _ in range(times(in_ci=20, in_soak=1000)):
        secured(attack.endpoint).link.close()
