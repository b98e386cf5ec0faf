"""Private networks: key files, members of three kinds of stacks, and outsiders.

The nodes that echo don't speak them as the spec has them: p2pd has no option for it, and py-libp2p's own protector is plain Salsa20 with
nonces of 8 bytes. So the cipher is an independent one (`peers/private_network.py`), below py-libp2p's stack and in front of p2pd. The node that
does is in `test_kubo.py`.
"""

import inspect
import os
import random
import stat

import pytest

from conftest import STACKS
from hostile.wire import ECHO, PING, Listener, session
from peers import ours, p2pd, python_node
from peers.formats import Key
from peers.p2pd import GoNode
from peers.private_network import Gate, fingerprint, hsalsa20, key_stream
from peers.python_node import PythonNode

HEADER = b"/key/swarm/psk/1.0.0/\n"
SIZE = 10 << 20
TCP = next(stack for stack in STACKS if stack.transport == "tcp")


@pytest.fixture(scope="module")
def psk(tmp_path_factory):
    """A network's key, and the file that the tool made of it."""
    path = tmp_path_factory.mktemp("psk") / "swarm.key"
    outcome = ours.run("key", "psk", "--out", path)
    assert outcome.code == 0, outcome
    return bytes.fromhex(path.read_text().splitlines()[2]), path


@pytest.fixture(scope="module")
def daemon(psk):
    daemon = ours.Daemon(options=["--psk", psk[1]])
    yield daemon
    assert daemon.stop() == 0, daemon.process.report()


class TestCipher:
    """The harness's own cipher first: it is what ours is measured by."""

    def test_it_is_nacls(self):
        from nacl.bindings import crypto_secretbox

        for size in (0, 1, 63, 64, 65, 1000):
            key, nonce, text = os.urandom(32), os.urandom(24), os.urandom(size)
            # A secret box is its tag, and the text under the stream from byte 32 on.
            assert key_stream(key, nonce).encrypt(bytes(32) + text)[32:] == crypto_secretbox(text, nonce, key)[16:]

    def test_hsalsa20_is_the_papers(self):
        key = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
        nonce = bytes.fromhex("69696ee955b62b73cd62bda875fc73d6")
        expected = "dc908dda0b9344a953629b733820778880f3ceb421bb61b91cbd4c3e66256ce4"
        assert hsalsa20(key, nonce).hex() == expected


class TestKeyFiles:
    def test_a_new_key_is_its_owners_alone(self, psk):
        key, path = psk
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes() == HEADER + b"/base16/\n" + key.hex().encode() + b"\n"
        again = ours.run("key", "psk", "--out", path, "--json")
        assert again.code == 1 and again.error["code"] == "keyFileExists", again
        assert path.read_bytes().endswith(key.hex().encode() + b"\n")

    @pytest.mark.parametrize("encoding", ["base16", "base64", "bin"])
    def test_every_encoding_is_one_network(self, tmp_path, encoding):
        path = tmp_path / "swarm.key"
        made = ours.run("key", "psk", "--out", path, "--encoding", encoding, "--json")
        assert made.code == 0, made
        shown = ours.run("key", "psk", "--show", path)
        assert shown.stdout.decode().strip() == made.event("psk")["fingerprint"]

    def test_the_fingerprint_is_the_one_that_go_prints(self, psk):
        key, path = psk
        shown = ours.run("key", "psk", "--show", path)
        assert shown.code == 0 and shown.stdout.decode().strip() == fingerprint(key), shown

    def test_without_a_file_the_content_is_printed(self):
        printed = ours.run("key", "psk").stdout.splitlines()
        assert printed[:2] == [HEADER.strip(), b"/base16/"] and len(bytes.fromhex(printed[2].decode())) == 32

    @pytest.mark.parametrize(
        ("content", "mode", "code"),
        [
            (HEADER + b"/base16/\n" + b"0" * 64, 0o644, "keyFileExposed"),
            (HEADER + b"/base16/\n" + b"0" * 63, 0o600, "keyFileDamaged"),
            (b"", 0o600, "keyFileEmpty"),
            (bytes(10_000), 0o600, "keyFileTooLarge"),
            (None, 0, "keyFileMissing"),
        ],
        ids=["exposed", "damaged", "empty", "large", "missing"],
    )
    def test_a_file_that_is_no_good_stops_the_node(self, tmp_path, content, mode, code):
        path = tmp_path / "swarm.key"
        if content is not None:
            path.write_bytes(content)
            path.chmod(mode)
        outcome = ours.run("daemon", "--psk", path, "--json", timeout=20)
        assert outcome.code == 1 and outcome.error["code"] == code, outcome
        assert str(path) in outcome.error["message"]


class TestForced:
    """LIBP2P_FORCE_PNET=1 forbids the public network, for every command that is a node."""

    VARIABLES = {"LIBP2P_FORCE_PNET": "1"}

    @pytest.mark.parametrize(
        "command",
        [["daemon"], ["ping", "--count", "1"], ["identify"], ["echo", "--message", "x"], ["perf", "--upload", "1"], ["interop"]],
        ids=lambda command: command[0],
    )
    def test_no_node_runs_without_a_key(self, daemon, command):
        target = [daemon.address] if command[0] not in ("daemon", "interop") else []
        contract = {"transport": "tcp", "security": "noise", "muxer": "yamux", "is_dialer": "true", "redis_addr": "127.0.0.1:1"}
        outcome = ours.run(command[0], *target, *command[1:], "--json", variables={**self.VARIABLES, **contract}, timeout=20)
        assert outcome.code == 1 and outcome.error["code"] == "privateNetworkRequired", outcome
        assert "LIBP2P_FORCE_PNET" in outcome.error["message"] and "--psk" in outcome.error["message"]

    def test_a_member_runs(self, daemon, psk):
        outcome = ours.run("ping", daemon.address, "--count", 1, "--psk", psk[1], "--json", variables=self.VARIABLES)
        assert outcome.code == 0, outcome

    def test_other_values_force_nothing(self):
        daemon = ours.Daemon(wrapper=["env", "LIBP2P_FORCE_PNET=0"])
        assert daemon.stop() == 0

    def test_keys_are_made_all_the_same(self, tmp_path):
        assert ours.run("key", "psk", "--out", tmp_path / "swarm.key", variables=self.VARIABLES).code == 0


class TestMembers:
    @pytest.mark.parametrize("security", ["noise", "tls"])
    def test_ours_with_ours(self, daemon, psk, security):
        payload = random.Random(1).randbytes(SIZE)
        echoed = ours.run("echo", daemon.address, "--psk", psk[1], "--security", security, stdin=payload)
        assert echoed.code == 0 and ours.digest(echoed.stdout) == ours.digest(payload), echoed.stderr

    def test_a_hand_made_peer_dials(self, daemon, psk):
        peer = session(daemon.endpoint, Key(), psk=psk[0])
        with peer.link:
            stream = peer.open(ECHO)
            for size in (1, 63, 64, 65, 70_000):
                sent = os.urandom(size)
                stream.send(sent)
                assert stream.receive_exactly(size) == sent

    def test_a_hand_made_peer_dials_byte_by_byte(self, daemon, psk):
        peer = session(daemon.endpoint, Key(), psk=psk[0])
        with peer.link:
            stream = peer.open(PING)
            whole, peer.link.send = peer.link.send, lambda data: [whole(bytes([byte])) for byte in data]
            sent = os.urandom(32)
            stream.send(sent)
            assert stream.receive_exactly(32) == sent

    def test_a_hand_made_peer_listens(self, psk):
        with Listener(psk=psk[0]) as listener:
            process = ours.JSONProcess(
                [ours.BINARY, "ping", listener.address, "--count", 1, "--psk", psk[1], "--json"],
                environment=ours.environment(),
            )
            try:
                # It stays long enough to have been connected to; it serves no ping.
                assert listener.session().is_alive()
            finally:
                process.stop()

    def test_py_libp2p_both_ways(self, daemon, psk):
        node = PythonNode(psk=psk[0])
        try:
            assert len(node.ping(daemon.address)) == 3
            sent, received = node.echo(daemon.address, 1 << 20)
            assert sent == received
            pinged = ours.run("ping", node.address, "--count", 2, "--interval", 0.1, "--psk", psk[1], "--json")
            assert pinged.code == 0, pinged
            assert pinged.event("summary")["received"] == 2
            payload = random.Random(2).randbytes(1 << 20)
            echoed = ours.run("echo", node.address, "--psk", psk[1], stdin=payload)
            assert ours.digest(echoed.stdout) == ours.digest(payload), echoed.stderr
        finally:
            node.stop()

    def test_py_libp2ps_own_protector_is_still_another_one(self):
        """When this fails, py-libp2p may have come to speak the spec: use its own protector then."""
        from libp2p.security.pnet import psk_conn

        assert "urandom(8)" in inspect.getsource(psk_conn)

    def test_go_both_ways_through_a_gate(self, daemon, psk):
        if not p2pd.is_here():
            pytest.skip(f"no go node at {p2pd.BINARY}")
        node = GoNode(TCP.listen, security="noise")
        parts = node.address.split("/")
        inward = Gate(psk[0], (parts[2], int(parts[4])))
        outward = Gate(psk[0], daemon.endpoint, towards_member=True)
        try:
            payload = random.Random(3).randbytes(SIZE)
            echoed = ours.run("echo", inward.address(node.peer), "--psk", psk[1], stdin=payload)
            assert ours.digest(echoed.stdout) == ours.digest(payload), echoed.stderr
            assert len(node.ping(outward.address(daemon.peer))) == 3
            sent, received = node.echo(outward.address(daemon.peer), SIZE)
            assert sent == received
        finally:
            inward.close()
            outward.close()
            node.stop()


class TestOutsiders:
    def test_a_node_without_the_key_gets_nowhere(self, daemon):
        outcome = ours.run("ping", daemon.address, "--count", 1, "--json")
        assert outcome.code == 1 and outcome.error["code"], outcome

    def test_a_member_of_another_network_gets_nowhere(self, daemon, tmp_path):
        ours.run("key", "psk", "--out", tmp_path / "other.key")
        outcome = ours.run("ping", daemon.address, "--count", 1, "--psk", tmp_path / "other.key", "--json")
        assert outcome.code == 1, outcome
        assert "private network" in outcome.error["message"], outcome

    def test_a_member_gets_nowhere_in_the_public_network(self, psk, nodes):
        public = nodes.ours(TCP)
        outcome = ours.run("ping", public.address, "--count", 1, "--psk", psk[1], "--timeout", 3, "--json", timeout=20)
        assert outcome.code == 1 and outcome.error["code"], outcome

    @pytest.mark.parametrize("kind", ["go", "py"])
    def test_real_nodes_without_the_key_get_nowhere(self, daemon, kind):
        if kind == "go" and not p2pd.is_here():
            pytest.skip(f"no go node at {p2pd.BINARY}")
        node = GoNode(None, security="noise") if kind == "go" else PythonNode()
        # py-libp2p dials again and again, for longer than anybody wants to wait.
        patience = {"timeout": 5} if kind == "py" else {}
        try:
            with pytest.raises((p2pd.Refused, python_node.Refused), match="."):
                node.ping(daemon.address, **patience)
            assert not [item for item in daemon.process.all("connected") if item["peer"] == node.peer]
        finally:
            node.stop()

    def test_the_key_is_never_logged(self, psk):
        key, path = psk
        daemon = ours.Daemon(options=["--psk", path, "--log-level", "trace"])
        try:
            assert ours.run("ping", daemon.address, "--count", 1, "--json").code == 1
            assert ours.run("ping", daemon.address, "--count", 1, "--psk", path, "--json").code == 0
        finally:
            assert daemon.stop() == 0
        said = daemon.log_text() + str(daemon.process.objects)
        assert key.hex() not in said.lower() and str(list(key))[1:-1] not in said
