"""Secure channels and muxers are ordered lists: the dialer's order decides, and plaintext is never a way out."""

import pytest

from hostile.wire import MULTISTREAM, Ended, Listener, token
from peers import ours
from peers.formats import Key, with_peer


def options(muxers):
    return [argument for muxer in muxers for argument in ("--muxer", muxer)]


@pytest.mark.parametrize(
    ("dialer", "listener", "agreed"),
    [
        (["yamux", "mplex"], ["mplex", "yamux"], "/yamux/1.0.0"),
        (["mplex", "yamux"], ["yamux", "mplex"], "/mplex/6.7.0"),
        (["yamux", "mplex"], ["mplex"], "/mplex/6.7.0"),
        (["mplex"], ["yamux", "mplex"], "/mplex/6.7.0"),
        ([], ["mplex", "yamux"], "/yamux/1.0.0"),
    ],
)
def test_the_dialers_order_of_muxers_decides(keys, dialer, listener, agreed):
    daemon = ours.Daemon(key=keys("ed25519"), options=options(listener))
    try:
        outcome = ours.run("ping", daemon.address, "--count", 1, *options(dialer), "--json")
        assert outcome.code == 0, outcome
        summary = outcome.event("summary")
        assert (summary["muxer"], summary["early_muxer"], summary["security"]) == (agreed, True, "/noise")
        assert daemon.process.wait_for("connected")["muxer"] == agreed
    finally:
        daemon.stop()


def test_no_common_muxer_is_an_error_that_names_what_was_offered(keys):
    daemon = ours.Daemon(key=keys("ed25519"))
    try:
        outcome = ours.run("ping", daemon.address, "--count", 1, "--muxer", "mplex", "--json")
        assert outcome.code == 1, outcome
        assert "/mplex/6.7.0" in outcome.error["message"], outcome
    finally:
        assert daemon.stop() == 0


def test_mplex_is_off_unless_it_is_asked_for(keys):
    daemon = ours.Daemon(key=keys("ed25519"))
    try:
        assert ours.run("ping", daemon.address, "--count", 1, "--muxer", "mplex", "--json").code == 1
        assert ours.run("ping", daemon.address, "--count", 1, "--muxer", "yamux", "--json").code == 0
    finally:
        daemon.stop()


@pytest.mark.parametrize("security", [[], ["--security", "noise"]], ids=["default", "noise"])
def test_whoever_refuses_everything_secure_gets_no_plaintext(security):
    """A man in the middle answers `na` to whatever is proposed, and would gladly speak plaintext."""
    with Listener() as listener:
        process = ours.JSONProcess(
            [ours.BINARY, "echo", listener.address, "--message", "secret", *security, "--json"],
            environment=ours.environment(),
        )
        try:
            heard = bytearray()
            with listener.link() as link:
                try:
                    link.send(token(MULTISTREAM))
                    while True:
                        heard += link.receive()
                        link.send(token("na"))
                except (Ended, TimeoutError):
                    pass
            assert process.wait(20) == 1
            assert b"/noise" in heard
            assert b"plaintext" not in heard and b"secret" not in heard
            assert any("negotiationFailed" in line or "speaks none of" in line for line in process.log), process.log
        finally:
            process.stop()


def test_plaintext_meets_nobody_who_did_not_ask_for_it(keys):
    daemon = ours.Daemon(key=keys("ed25519"))
    try:
        outcome = ours.run("ping", daemon.address, "--count", 1, "--insecure-plaintext", "--json")
        assert outcome.code == 1, outcome
        assert "WARNING" in outcome.stderr
        assert "/plaintext/2.0.0" in outcome.error["message"], outcome
    finally:
        assert daemon.stop() == 0


def test_plaintext_pins_the_peer_too(keys):
    daemon = ours.Daemon(key=keys("ed25519"), options=["--insecure-plaintext"])
    try:
        wrong = with_peer(daemon.address, Key().peer)
        outcome = ours.run("ping", wrong, "--count", 1, "--insecure-plaintext", "--json")
        assert outcome.code == 1, outcome
        assert outcome.error["code"] == "peerMismatch", outcome
    finally:
        assert daemon.stop() == 0
