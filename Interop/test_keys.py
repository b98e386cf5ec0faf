"""Peers of every key type, and the key files of our own."""

import stat

import pytest

from conftest import STACKS
from peers import ours, p2pd
from peers.formats import KEY_TYPES, Key
from peers.p2pd import GoNode


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_we_verify_a_go_peer_of_each_key_type(keys, key_type):
    if not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    key = Key(key_type)
    node = GoNode(key=key)
    try:
        assert node.peer == key.peer
        outcome = ours.run("ping", node.address, "--count", 1, "--key", keys("ed25519"), *STACKS[0].options, "--json")
        assert outcome.code == 0, outcome
        assert outcome.event("summary")["peer"] == key.peer
    finally:
        node.stop()


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_key_file_keeps_its_identity(keys, key_type):
    path = keys(key_type)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = [ours.run("key", "show", path, "--json") for _ in range(2)]
    assert [outcome.code for outcome in shown] == [0, 0], shown
    assert shown[0].stdout == shown[1].stdout
    assert shown[0].objects[0]["peer"]


@pytest.mark.parametrize("damage", ["empty", "truncated", "world-readable", "missing"])
def test_a_damaged_key_file_is_refused_and_left_alone(tmp_path, damage):
    path = tmp_path / "node.key"
    assert ours.run("key", "new", "--out", path).code == 0
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "world-readable":
        path.chmod(0o644)
    else:
        path.write_bytes(whole[: 0 if damage == "empty" else len(whole) // 2])
    before = path.read_bytes() if path.exists() else None
    outcome = ours.run("key", "show", path, "--json")
    assert outcome.code == 1, outcome
    assert outcome.error["message"], outcome
    if damage != "missing":
        assert path.read_bytes() == before


def test_an_existing_key_file_is_never_replaced(tmp_path):
    path = tmp_path / "node.key"
    assert ours.run("key", "new", "--out", path).code == 0
    before = path.read_bytes()
    assert ours.run("key", "new", "--out", path).code == 1
    assert path.read_bytes() == before
