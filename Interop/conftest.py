"""Fixtures: our node, a go node, a python node, keys, and the stacks they speak."""

import contextlib
import dataclasses
import pathlib
import subprocess

import pytest

from peers import certificates, kubo, ours, p2pd
from peers.formats import KEY_TYPES
from peers.kubo import Kubo
from peers.lan import Lan
from peers.p2pd import GoNode
from peers.python_node import PythonNode


@dataclasses.dataclass(frozen=True)
class Stack:
    """A transport with what secures and multiplexes it; both None where the transport does that itself."""

    transport: str
    security: str | None = None
    muxer: str | None = None

    @property
    def listen(self):
        return self.listen_on("127.0.0.1")

    def listen_on(self, ip):
        return {
            "tcp": f"/ip4/{ip}/tcp/0",
            "ws": f"/ip4/{ip}/tcp/0/ws",
            "wss": f"/ip4/{ip}/tcp/0/wss",
            "quic-v1": f"/ip4/{ip}/udp/0/quic-v1",
        }[self.transport]

    @property
    def options(self):
        """Our tool's options for this stack."""
        security = ["--security", self.security] if self.security else []
        if self.security == "plaintext":
            security = ["--insecure-plaintext"]
        muxer = ["--muxer", self.muxer] if self.muxer else []
        return [*security, *muxer, *self._tls_below]

    @property
    def _tls_below(self):
        if self.transport != "wss":
            return []
        chain, key = certificates.shared()
        return ["--tls-cert", chain, "--tls-key", key, "--tls-ca", chain]

    def __str__(self):
        return "-".join(part for part in (self.transport, self.security, self.muxer) if part)

    def is_spoken_by(self, kind):
        """The go node has only yamux, refuses plaintext, and shows no certificate below WebSockets."""
        return not (kind == "go" and (self.muxer == "mplex" or self.security == "plaintext" or self.transport == "wss"))


STACKS = [
    Stack("tcp", "noise", "yamux"),
    Stack("tcp", "tls", "yamux"),
    Stack("tcp", "noise", "mplex"),
    Stack("tcp", "tls", "mplex"),
    Stack("tcp", "plaintext", "yamux"),
    Stack("tcp", "plaintext", "mplex"),
    Stack("quic-v1"),
    Stack("ws", "noise", "yamux"),
    Stack("ws", "tls", "yamux"),
    Stack("wss", "noise", "yamux"),
    Stack("wss", "tls", "yamux"),
]
PEERS = ["go", "py"]


def can_dial(kind, key_type):
    """py-libp2p cannot decode ECDSA identities, so that cell does not exist."""
    return not (kind == "py" and key_type == "ecdsa")


CELLS = [
    pytest.param(stack, peer, key_type, id=f"{peer}-{stack}-{key_type}")
    for stack in STACKS
    for peer in PEERS
    # Identities show in the secure channel, whatever carries it.
    for key_type in (KEY_TYPES if stack.transport == "tcp" else ["ed25519"])
    if stack.is_spoken_by(peer) and can_dial(peer, key_type)
]


def make_peer(kind, stack):
    """A fresh real node; skips the test where it does not run."""
    if kind == "py":
        return PythonNode(transport=stack.transport, security=stack.security, muxer=stack.muxer)
    if not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    return GoNode(stack.listen, security=stack.security or "any")


def make_kubo(host, *transports, **settings):
    """A kubo node in a host's namespace; skips the test where its library does not run."""
    if not kubo.is_here():
        pytest.skip(f"no kubo at {kubo.LIBRARY}")
    return Kubo(host, *transports, **settings)


class Nodes:
    """Starts nodes on demand, shares them among the tests of a module, and stops them all."""

    def __init__(self, keys):
        self._keys = keys
        self._nodes = {}

    def _get(self, name, make):
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = make()
        return node

    def peer(self, kind, stack):
        return self._get((kind, stack), lambda: make_peer(kind, stack))

    def dialer(self, kind, stack):
        """A node to dial us with.

        py-libp2p keeps a QUIC connection that its dialer has closed and uses it for the way back, so it gets a node that
        nobody has dialled.
        """
        if (kind, stack.transport) == ("py", "quic-v1"):
            return self._get((kind, stack, "dialer"), lambda: make_peer(kind, stack))
        return self.peer(kind, stack)

    def ours(self, stack, key_type="ed25519"):
        daemon = self._nodes.get(("ours", stack, key_type))
        if daemon is not None and not daemon.is_running:
            pytest.fail(f"our daemon has died\n{daemon.process.report()}")
        return self._get(
            ("ours", stack, key_type),
            lambda: ours.Daemon(stack.listen, key=self._keys(key_type), options=stack.options),
        )

    def stop(self):
        return {name: node.stop() for name, node in self._nodes.items()}


LONGEST_FIRST = [
    "test_matrix.py",
    "test_contract.py",
    "test_autobahn.py",
    "hostile/test_noise.py",
    "test_tunnel_servers.py",
    "test_port_mapping_renewal.py",
    "test_mdns.py",
    "test_quic.py",
    "test_kubo.py",
    "test_port_mapping.py",
    "test_replicate.py",
    "test_dht.py",
    "test_streams.py",
    "test_processes.py",
    "test_network_heals.py",
    "test_hole_punching.py",
    "test_reach_kinds.py",
    "test_early_muxer.py",
    "test_wrong_peer.py",
    "test_peers.py",
]
"""Files that take longest. Side by side, files are handed out in this order: one that came last would be waited for alone."""


def pytest_collection_modifyitems(items):
    here = pathlib.Path(__file__).parent
    place = {here / name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="session", autouse=True)
def tool():
    """The tool under test must be there: no test passes without it."""
    if not ours.BINARY.exists():
        pytest.exit(f"no tool at {ours.BINARY}: build it first, or set P2P_BIN", returncode=3)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Key files of our own node: one a key type, made by the tool."""
    room, made = tmp_path_factory.mktemp("keys"), {}

    def key(kind):
        if kind not in made:
            path = room / f"{kind}.key"
            outcome = ours.run("key", "new", "--type", kind, "--out", path)
            assert outcome.code == 0, outcome
            made[kind] = path
        return made[kind]

    return key


@pytest.fixture(scope="module")
def nodes(keys):
    nodes = Nodes(keys)
    yield nodes
    codes = nodes.stop()
    ended_badly = {name: code for name, code in codes.items() if name[0] == "ours" and code != 0}
    assert not ended_badly, f"our daemons must exit 0 on SIGTERM: {ended_badly}"


@contextlib.contextmanager
def local_network():
    try:
        made = Lan()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def lan():
    """A network of the test's own."""
    with local_network() as made:
        yield made


@pytest.fixture(scope="module")
def shared_lan():
    """A network of the module's own."""
    with local_network() as made:
        yield made
