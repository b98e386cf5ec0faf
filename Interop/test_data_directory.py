"""`p2p daemon --data DIR`: the key and the peers outlast the process, whatever happens to it."""

import contextlib
import errno
import os
import pathlib
import signal
import sqlite3
import stat
import subprocess
import time

import pytest

from peers import denied, ours

SOON = 5
KILLS = 100 if os.environ.get("SOAK") else 5


@pytest.fixture
def data(tmp_path):
    return tmp_path / "node"


@pytest.fixture
def far():
    """A peer that is there all the time."""
    daemon = ours.Daemon()
    yield daemon
    assert daemon.stop() == 0


def start(data, *options, **others):
    return ours.Daemon(options=["--data", data, *options], **others)


def connected(daemon, peer, timeout=SOON):
    return daemon.process.wait_for(
        lambda item: item.get("event") == "connected" and item["peer"] == peer, timeout=timeout
    )


def remembered(data):
    outcome = ours.run("peers", "--data", data, "--json")
    assert outcome.code == 0, outcome
    return {item["peer"]: item for item in outcome.objects}


def remembers(data, peer, timeout=SOON):
    """What is remembered of a peer, once it has introduced itself."""
    end = time.monotonic() + timeout
    while True:
        known = remembered(data).get(peer)
        if known and known["agent"] and known["addresses"]:
            return known
        assert time.monotonic() < end, known
        time.sleep(0.1)


def refused(data, *options, wrapper=()):
    outcome = ours.run("daemon", "--data", data, "--listen", "/ip4/127.0.0.1/tcp/0", "--json", *options, wrapper=wrapper)
    assert outcome.code == 1, outcome
    return outcome.error


def met(data, far):
    """A node that remembers the peer."""
    near = start(data, "--bootstrap", far.address)
    connected(near, far.peer)
    return near, remembers(data, far.peer)


def test_a_restart_finds_a_peer_that_it_had_dialled_from_the_store_alone(data, far):
    near, _ = met(data, far)
    assert near.stop() == 0
    again = start(data)
    connected(again, far.peer)
    assert again.peer == near.peer
    assert again.stop() == 0
    # Nothing is left but what must be.
    assert sorted(path.name for path in data.iterdir()) == ["lock", "node.key", "peers.sqlite"]


def test_a_peer_from_the_store_alone_is_dialled_again_when_it_has_restarted(data, keys):
    far = ours.Daemon(key=keys("ed25519"))
    listen = far.address.split("/p2p/")[0]
    near, _ = met(data, far)
    assert near.stop() == 0
    again = start(data)
    try:
        connected(again, far.peer)
        for end in (signal.SIGTERM, signal.SIGKILL):
            mark = again.process.mark()
            os.kill(far.pid, end)
            again.process.wait_for("disconnected", after=mark, timeout=SOON)
            far.process.process.wait()
            far = ours.Daemon(listen, key=keys("ed25519"))
            again.process.wait_for("connected", after=mark, timeout=2 * SOON)
    finally:
        assert again.stop() == 0
        assert far.stop() == 0


def test_a_restart_finds_a_peer_that_had_dialled_it(data):
    near = start(data)
    far = ours.Daemon(options=["--bootstrap", near.address])
    try:
        connected(near, far.peer)
        known = remembers(data, far.peer)
        assert far.address in known["addresses"]
        assert known["certified"]
        assert near.stop() == 0
        # At another port, so that it is not the other side that comes back.
        again = start(data)
        assert connected(again, far.peer)["direction"] == "outbound"
        assert again.stop() == 0
    finally:
        assert far.stop() == 0


def test_a_restart_finds_a_go_and_a_python_peer(data, nodes):
    from conftest import STACKS

    peers = [nodes.peer(kind, STACKS[0]) for kind in ("go", "py")]
    near = start(data, *[option for peer in peers for option in ("--bootstrap", peer.address)])
    for peer in peers:
        connected(near, peer.peer, timeout=20)
        remembers(data, peer.peer, timeout=20)
    assert near.stop() == 0
    again = start(data)
    for peer in peers:
        connected(again, peer.peer, timeout=20)
    assert again.stop() == 0


def test_killed_at_any_time_it_comes_back_as_itself_and_reconnects(data, far):
    near, _ = met(data, far)
    peer = near.peer
    for round in range(KILLS):
        time.sleep(round % 10 / 100)
        os.kill(near.pid, signal.SIGKILL)
        near.process.process.wait()
        near = start(data)
        assert near.peer == peer
        connected(near, far.peer)
    assert near.stop() == 0


def test_peers_lists_what_a_running_node_and_a_stopped_one_remember(data, far):
    near, known = met(data, far)
    assert known["agent"].startswith("swift-p2p/")
    assert "/ipfs/ping/1.0.0" in known["protocols"]
    assert abs(known["last_seen"] - time.time()) < 60
    assert dict(zip(known["addresses"], known["sources"]))[far.address] == "connected"
    assert near.stop() == 0
    assert set(remembered(data)) == {far.peer}
    text = ours.run("peers", "--data", data)
    assert far.peer in text.stdout.decode()
    assert far.address.split("/p2p/")[0] in text.stdout.decode()


def test_peers_without_a_node_says_what_is_missing_and_makes_nothing(data):
    outcome = ours.run("peers", "--data", data, "--json")
    assert outcome.code == 1
    assert outcome.error["code"] == "peerstoreUnavailable"
    assert not data.exists()


def test_peers_of_a_store_that_can_t_be_read_says_so(data, far):
    near, _ = met(data, far)
    assert near.stop() == 0
    with contextlib.closing(sqlite3.connect(data / "peers.sqlite")) as store:
        store.execute("ALTER TABLE address RENAME TO elsewhere")
        store.commit()
    outcome = ours.run("peers", "--data", data, "--json")
    assert outcome.code == 1, outcome
    assert outcome.event("peer") is None
    assert outcome.error["code"] == "peerstoreUnavailable"
    assert str(data / "peers.sqlite") in outcome.error["message"]
    assert "could not be read" in outcome.error["message"]


def test_another_process_that_holds_the_store_holds_up_no_connection_and_no_end(data):
    near = start(data)
    with contextlib.closing(sqlite3.connect(data / "peers.sqlite", isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        for _ in range(20):
            assert ours.run("ping", near.address, "--count", "1").code == 0
        # Each of these left changes that take a quarter of a second; the end waits for the last of them five seconds at most.
        assert near.stop(grace=15) == 0


def test_one_directory_is_one_node_s(data):
    first = start(data)
    try:
        assert refused(data)["code"] == "dataInUse"
    finally:
        assert first.stop() == 0
    second = start(data)
    assert second.peer == first.peer
    assert second.stop() == 0


@pytest.mark.skipif(not denied.IS_HERE, reason="filters of system calls are for Linux on x86-64")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS], ids=errno.errorcode.get)
def test_it_is_so_where_there_is_no_flock(data, code):
    """Nor hard links, as on many network mounts."""
    wrapper = denied.wrapper(denied.rule(denied.FLOCK, code), denied.rule(denied.LINK, errno.EOPNOTSUPP))
    first = start(data, wrapper=wrapper)
    try:
        assert refused(data, wrapper=wrapper)["code"] == "dataInUse"
    finally:
        assert first.stop() == 0
    second = start(data, wrapper=wrapper)
    assert second.peer == first.peer
    assert second.stop() == 0


def test_a_key_of_its_own_goes_before_the_directory_s(data, keys):
    daemon = start(data, key=keys("ecdsa"))
    assert daemon.stop() == 0
    assert not (data / "node.key").exists()
    assert (data / "peers.sqlite").exists()


def test_only_the_owner_may_read(data):
    daemon = start(data)
    try:
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        for path in data.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    finally:
        assert daemon.stop() == 0


def _truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def _flipped(path):
    content = bytearray(path.read_bytes())
    content[100:4_000] = bytes(byte ^ 0x55 for byte in content[100:4_000])
    path.write_bytes(content)


DAMAGES = {
    "node.key": [
        ("empty", lambda path: os.truncate(path, 0), "keyFileEmpty"),
        ("truncated", _truncated, "keyFileDamaged"),
        ("readable", lambda path: path.chmod(0o644), "keyFileExposed"),
        ("garbage", lambda path: path.write_bytes(os.urandom(68)), "keyFileDamaged"),
    ],
    "peers.sqlite": [
        ("truncated", _truncated, "peerstoreDamaged"),
        ("readable", lambda path: path.chmod(0o644), "peerstoreExposed"),
        ("flipped", _flipped, "peerstoreDamaged"),
        ("garbage", lambda path: path.write_bytes(os.urandom(20_000)), "peerstoreDamaged"),
        ("text", lambda path: path.write_text("peers\n" * 1_000), "peerstoreDamaged"),
    ],
}


@pytest.mark.parametrize(
    ("name", "damage", "code"),
    [pytest.param(name, damage, code, id=f"{name}-{kind}") for name in DAMAGES for kind, damage, code in DAMAGES[name]],
)
def test_a_damaged_file_is_a_reason_to_end_and_stays_as_it_is(data, name, damage, code):
    daemon = start(data)
    assert daemon.stop() == 0
    path = data / name
    before = path.read_bytes(), path.stat().st_mode
    damage(path)
    damaged = path.read_bytes(), path.stat().st_mode
    error = refused(data)
    assert error["code"] == code, error
    assert str(path) in error["message"]
    assert (path.read_bytes(), path.stat().st_mode) == damaged
    path.write_bytes(before[0])
    path.chmod(0o600)
    again = start(data)
    assert again.peer == daemon.peer
    assert again.stop() == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KiB that only this test's processes see: the command to put before theirs, and where it is."""
    place = tmp_path / "disk"
    place.mkdir()
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size=512k,mode=700 small '{place}' && echo ready && exec sleep 600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if holder.stdout.readline().strip() != "ready":
        holder.kill()
        pytest.skip(f"no mount namespace here: {holder.communicate()[1]}")
    yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--"], pathlib.Path(f"/proc/{holder.pid}/root{place}"), place
    holder.kill()
    holder.communicate()


def _fill(place):
    with open(place / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4_096))
        except OSError:
            pass


def test_a_full_disk_stops_no_node_and_costs_nothing_that_was_kept(small_disk, far):
    wrapper, seen, place = small_disk
    near = start(place / "node", "--bootstrap", far.address, wrapper=wrapper)
    connected(near, far.peer)
    time.sleep(1)
    _fill(seen)
    for _ in range(3):
        assert ours.run("ping", near.address, "--count", "1").code == 0
        assert ours.run("identify", near.address).code == 0
    assert near.is_running
    assert near.process.log_text().count("could not be written to the peerstore") == 1
    assert near.stop() == 0
    (seen / "ballast").unlink()
    again = start(place / "node", wrapper=wrapper)
    connected(again, far.peer)
    assert again.peer == near.peer
    assert again.stop() == 0


def test_a_disk_that_is_full_from_the_start_leaves_nothing_half_made(small_disk):
    wrapper, seen, place = small_disk
    _fill(seen)
    outcome = ours.run("daemon", "--data", place / "node", "--listen", "/ip4/127.0.0.1/tcp/0", "--json", wrapper=wrapper)
    assert outcome.code == 1, outcome
    (seen / "ballast").unlink()
    near = start(place / "node", wrapper=wrapper)
    assert near.stop() == 0
    again = start(place / "node", wrapper=wrapper)
    assert again.peer == near.peer
    assert again.stop() == 0
