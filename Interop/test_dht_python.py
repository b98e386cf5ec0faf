"""The distributed hash table: our nodes and py-libp2p's. Values meet under keys that are text, since py knows no others."""

import base64
import hashlib

import pytest

from peers import ours
from peers.python_member import PythonMember


@pytest.fixture(scope="module")
def network():
    member = PythonMember()
    try:
        options = ["--dht", "server", "--dht-namespace", "test", "--bootstrap", member.address]
        daemon = ours.Daemon(options=options)
        try:
            member.do("connect", address=daemon.address)
            yield member, daemon
        finally:
            assert daemon.stop() == 0, daemon.process.report()
    finally:
        member.stop()


def dht(command, *arguments, bootstrap, **options):
    return ours.run("dht", command, *arguments, "--bootstrap", bootstrap, "--json", **options)


def cid(text):
    binary = b"\x01\x55\x12\x20" + hashlib.sha256(text.encode()).digest()
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


def events(outcome, name):
    return [item for item in outcome.objects if item.get("event") == name]


def test_finds_peers_both_ways(network):
    member, daemon = network
    outcome = dht("find-peer", daemon.peer, bootstrap=member.address)
    assert outcome.code == 0, outcome
    assert daemon.address in events(outcome, "found")[-1]["addresses"]
    outcome = dht("find-peer", member.peer, bootstrap=daemon.address)
    assert outcome.code == 0, outcome
    assert member.do("find_peer", peer=daemon.peer)[0] == daemon.peer


def test_what_we_provide_is_kept_and_its_echo_is_borne(network):
    member, daemon = network
    outcome = dht("provide", cid("ours"), "--listen", "/ip4/127.0.0.1/tcp/0", bootstrap=member.address)
    assert outcome.code == 0, outcome
    assert {item["peer"] for item in events(outcome, "stored")} == {member.peer, daemon.peer}
    for way in (member, daemon):
        found = dht("find-providers", cid("ours"), bootstrap=way.address)
        assert len(events(found, "provider")) == 1, found


def test_values_of_text_keys_go_both_ways(network):
    member, daemon = network
    outcome = dht("put", "/test/ours", "from us", bootstrap=daemon.address)
    assert outcome.code == 0, outcome
    assert {item["peer"] for item in events(outcome, "stored")} == {member.peer, daemon.peer}
    assert bytes.fromhex(member.do("get", key="/test/ours")) == b"from us"
    member.do("put", key="/test/theirs", value=b"from py".hex())
    outcome = dht("get", "/test/theirs", bootstrap=daemon.address)
    assert outcome.code == 0, outcome
    assert base64.b64decode(events(outcome, "value")[-1]["value"]) == b"from py"


def test_what_py_provides_we_find(network):
    member, daemon = network
    member.do("provide", key=cid("theirs"))
    outcome = dht("find-providers", cid("theirs"), bootstrap=daemon.address)
    assert outcome.code == 0, outcome
    assert [item["peer"] for item in events(outcome, "provider")] == [member.peer]
