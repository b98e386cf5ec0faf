"""Peers of every key type, and the key files of our own."""

import errno
import os
import stat

import pytest

from conftest import STACKS
from peers import denied, ours, p2pd
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


class TestMountedSecrets:
    """A link into `..data`, which is a link to a folder: how Kubernetes hands a node its key."""

    @pytest.fixture
    def secret(self, tmp_path):
        folder = tmp_path / "secret" / "..2026"
        folder.mkdir(parents=True)
        assert ours.run("key", "new", "--out", folder / "node.key").code == 0
        assert ours.run("key", "psk", "--out", folder / "swarm.key").code == 0
        (tmp_path / "secret" / "..data").symlink_to("..2026")
        for name in ("node.key", "swarm.key"):
            (tmp_path / "secret" / name).symlink_to(f"..data/{name}")
        (tmp_path / "secret").chmod(0o1777)
        return tmp_path / "secret"

    @pytest.mark.parametrize("mode", [0o400, 0o600], ids=oct)
    def test_they_are_read(self, secret, mode):
        for name in ("node.key", "swarm.key"):
            os.chmod(secret / name, mode)
        daemon = ours.Daemon(key=secret / "node.key", options=["--psk", str(secret / "swarm.key")])
        assert daemon.peer == ours.run("key", "show", secret / "node.key", "--json").event("key")["peer"]
        assert daemon.stop() == 0

    @pytest.mark.parametrize("mode", [0o440, 0o644], ids=oct)
    def test_what_others_may_read_is_refused_with_what_to_do(self, secret, mode):
        os.chmod(secret / "node.key", mode)
        outcome = ours.run("daemon", "--key", secret / "node.key", "--json", timeout=20)
        assert outcome.code == 1 and outcome.error["code"] == "keyFileExposed", outcome
        assert f"0{mode:o}" in outcome.error["message"] and "0400" in outcome.error["message"], outcome

    def test_a_folder_that_others_may_write_to_is_refused_by_its_name(self, secret):
        secret.chmod(0o777)
        outcome = ours.run("key", "show", secret / "node.key", "--json")
        assert outcome.code == 1 and outcome.error["code"] == "keyFileExposed", outcome
        assert "symbolic link" in outcome.error["message"] and f"chmod go-w {secret}" in outcome.error["message"], outcome


NO_LINKS = [denied.rule(denied.LINK, errno.EPERM), denied.rule(denied.LINKAT, errno.EPERM)]
NO_RENAME_EITHER = [*NO_LINKS, denied.rule(denied.RENAMEAT2, errno.EINVAL)]


@pytest.mark.skipif(not denied.IS_HERE, reason="filters of system calls are for Linux on x86-64")
class TestFileSystems:
    """FAT, FUSE and SMB lack hard links; some of them lack more."""

    @pytest.mark.parametrize("rules", [NO_LINKS, NO_RENAME_EITHER], ids=["links", "renames"])
    def test_a_key_is_made_and_never_replaced(self, tmp_path, rules):
        for kind in (["key", "new"], ["key", "psk"]):
            path = tmp_path / f"{kind[1]}.key"
            assert ours.run(*kind, "--out", path, wrapper=denied.wrapper(*rules)).code == 0
            before = path.read_bytes()
            again = ours.run(*kind, "--out", path, "--json", wrapper=denied.wrapper(*rules))
            assert again.code == 1 and again.error["code"] == "keyFileExists", again
            assert path.read_bytes() == before and len(before) > 60
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new.key", "psk.key"]

    def test_neither_modes_nor_syncs_are_needed(self, tmp_path):
        path = tmp_path / "node.key"
        rules = [*NO_LINKS, denied.rule(denied.FCHMOD, errno.EPERM), denied.rule(denied.FSYNC, errno.EINVAL)]
        assert ours.run("key", "new", "--out", path, wrapper=denied.wrapper(*rules)).code == 0
        assert ours.run("key", "show", path).code == 0

    @pytest.mark.parametrize("rules", [[], NO_LINKS, NO_RENAME_EITHER], ids=["all", "links", "renames"])
    @pytest.mark.parametrize(
        "step", [denied.FCHMOD, denied.FSYNC, denied.LINK, denied.RENAMEAT2, denied.RENAME, denied.UNLINK]
    )
    def test_killed_at_any_step_it_leaves_a_whole_key_or_none(self, tmp_path, rules, step):
        path = tmp_path / "node.key"
        kept = [rule for rule in rules if not rule.startswith(f"{step}:")]
        ours.run("key", "new", "--out", path, wrapper=denied.wrapper(denied.rule(step, "kill"), *kept))
        left = path.read_bytes() if path.exists() else None
        shown = ours.run("key", "show", path, "--json")
        if left:
            assert shown.code == 0, shown
        else:
            assert shown.error["code"] == ("keyFileMissing" if left is None else "keyFileEmpty"), shown
        again = ours.run("key", "new", "--out", path)
        assert again.code == (0 if left is None else 1), again
        assert left is None or path.read_bytes() == left
