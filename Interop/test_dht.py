"""The distributed hash table: our nodes and go's, in one network on this machine."""

import base64
import contextlib
import hashlib
import os
import pty
import re
import subprocess
import threading

import base58
import pytest

from peers import ours, p2pd
from peers.clock import wait_until
from peers.formats import Key, delimited, fields, message, peer_text, uvarint
from peers.p2pd import FIND_PEER, FIND_PROVIDERS, GET_CLOSEST_PEERS, GET_VALUE, PROVIDE, PUT_VALUE, GoNode, Refused, read_message
from peers.processes import JSONProcess

KAD = "/ipfs/kad/1.0.0"
PUT, GET, ADD_PROVIDER, GET_PROVIDERS, FIND_NODE, PING = range(6)

V2 = bytes.fromhex(
    "424037ad605d82ac589dda0a8111fb828ac6b9bdea681db0fe00e9f61bf387440ddeae1d15b775d5378e48e60e6261fc23b173195e126b1226da8c1781b3542ca705"
    "4a64a56354544c1b00000045d964b8006556616c75654e2f697066732f6261666b716161616853657175656e6365016856616c6964697479581e323132362d30312d"
    "30315430303a30303a30302e3030303030303030305a6c56616c69646974795479706500"
)
V1_AND_V2 = bytes.fromhex(
    "0a0e2f697066732f6261666b7161616112404a18b701df2c9097cb5fe9c19c6c21f482fbd2bef149db4862208f7ce7afa2a7d0028e5380bd85c9b847c338903dc5ac"
    "88f0ce99637e7d237537fc3fe3a34d0a1800221e323132362d30312d30315430303a30303a30302e3030303030303030305a28023080f092cbdd0842402ed293ee8d"
    "1e514b8fbca0c92f534cc7d2824b9c76caff393edef71ed187e212ed2e5e2fc76f19ace47cccdf9a7389a11a18a56e3a57cae4614dbd8e18c737064a64a56354544c"
    "1b00000045d964b8006556616c75654e2f697066732f6261666b716161616853657175656e6365026856616c6964697479581e323132362d30312d30315430303a30"
    "303a30302e3030303030303030305a6c56616c69646974795479706500"
)
"""Records of the seed's name, valid until 2126, with the sequences 1 and 2 (Specs/Kademlia.md)."""
OWNER = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"


def multihash(text):
    return b"\x12\x20" + hashlib.sha256(text.encode()).digest()


def cid(text):
    """A CIDv1 of raw content, as bytes and as text."""
    binary = b"\x01\x55" + multihash(text)
    return binary, "b" + base64.b32encode(binary).decode().lower().rstrip("=")


def value_key(namespace, peer):
    return f"/{namespace}/".encode() + base58.b58decode(peer)


def ask(pipe, request):
    pipe.sendall(delimited(request))
    return fields(read_message(pipe, limit=4 << 20))


def dht(command, *arguments, bootstrap, **options):
    """Runs `p2p dht …`; the outcome with its events by name."""
    return ours.run("dht", command, *arguments, "--bootstrap", bootstrap, "--json", **options)


def events(outcome, name):
    return [item for item in outcome.objects if item.get("event") == name]


@pytest.fixture(scope="module")
def go():
    if not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    with contextlib.ExitStack() as stack:
        nodes = []

        def make(*flags):
            node = GoNode(flags=flags)
            stack.callback(node.stop)
            nodes.append(node)
            return node

        yield make


@pytest.fixture(scope="module")
def network(go):
    """A go server, and a daemon of ours that knows it and is known by it."""
    server = go("-dhtServer")
    daemon = ours.Daemon(options=["--dht", "server", "--bootstrap", server.address])
    try:
        wait_until(lambda: daemon.peer in closest(server), 10, "go's table has our daemon")
        yield server, daemon
    finally:
        assert daemon.stop() == 0, daemon.process.report()


def closest(node):
    """Whom a go node's table has near any key; nobody while it is empty."""
    try:
        return [peer_text(peer) for peer in node.dht(GET_CLOSEST_PEERS, key=b"any")]
    except Refused:
        return []


def test_finds_a_peer_by_its_id_alone(network, go):
    server, daemon = network
    other = go("-dhtServer")
    other.connect(daemon.address)
    for way in (server, daemon):
        outcome = dht("find-peer", other.peer, bootstrap=way.address)
        assert outcome.code == 0, outcome
        assert events(outcome, "found")[-1]["peer"] == other.peer
        assert other.address in events(outcome, "found")[-1]["addresses"]
        assert outcome.event("summary")["found"] == 1
    # Both ways: go finds our daemon through its own kind.
    peer, addresses = other.dht(FIND_PEER, peer=base58.b58decode(daemon.peer))[0]
    assert peer == daemon.peer
    assert daemon.address.rsplit("/p2p/", 1)[0] in addresses


def test_a_client_is_found_and_never_listed(network, go):
    server, daemon = network
    client = go("-dhtClient")
    client.connect(daemon.address)
    with server.open(base58.b58decode(daemon.peer), KAD) as pipe:

        def first(key):
            named = ask(pipe, message((1, FIND_NODE), (2, key))).get(8, [])
            return peer_text(fields(named[0])[1][0]) if named else None

        # It says where it is a moment after it has connected.
        wait_until(lambda: first(base58.b58decode(client.peer)) == client.peer, 10, "the client is found")
        others = ask(pipe, message((1, FIND_NODE), (2, b"any")))
        assert client.peer not in [peer_text(fields(item)[1][0]) for item in others.get(8, [])]


def test_nobody_is_found_who_is_not_there(network):
    outcome = dht("find-peer", OWNER, bootstrap=network[0].address)
    assert outcome.code == 1, outcome
    assert outcome.error["code"] == "notFound"
    assert outcome.event("summary")["found"] == 0


def test_what_go_provides_we_find(network):
    server, daemon = network
    binary, text = cid("from go")
    server.dht(PROVIDE, cid=binary)
    for way in (server, daemon):
        outcome = dht("find-providers", text, bootstrap=way.address)
        assert outcome.code == 0, outcome
        assert [item["peer"] for item in events(outcome, "provider")] == [server.peer]
        assert server.address in events(outcome, "provider")[0]["addresses"]


def test_what_we_provide_go_finds(network):
    server, daemon = network
    binary, text = cid("from us")
    arguments = [ours.BINARY, "dht", "provide", text, "--stay", "--json", "--listen", "/ip4/127.0.0.1/tcp/0"]
    provider = JSONProcess([*arguments, "--bootstrap", server.address], environment=ours.environment())
    try:
        provider.wait_for("summary", timeout=20)
        stored = {item["peer"] for item in provider.all("stored")}
        assert stored >= {server.peer, daemon.peer}
        found = server.dht(FIND_PROVIDERS, cid=binary, count=1)
        assert len(found) == 1 and found[0][1], found
        outcome = dht("find-providers", text, bootstrap=daemon.address)
        assert [item["peer"] for item in events(outcome, "provider")] == [found[0][0]]
    finally:
        assert provider.stop() == 0, provider.report()


def test_names_go_both_ways_and_the_newer_one_wins(network):
    server, daemon = network
    key = value_key("ipns", OWNER)
    outcome = dht("put", f"/ipns/{OWNER}", bootstrap=server.address, stdin=V2)
    assert outcome.code == 0, outcome
    assert {item["peer"] for item in events(outcome, "stored")} >= {server.peer, daemon.peer}
    assert server.dht(GET_VALUE, key=key) == [V2]

    server.dht(PUT_VALUE, key=key, value=V1_AND_V2)
    outcome = dht("get", f"/ipns/{OWNER}", bootstrap=daemon.address)
    assert outcome.code == 0, outcome
    assert base64.b64decode(events(outcome, "value")[-1]["value"]) == V1_AND_V2
    outcome = dht("put", f"/ipns/{OWNER}", base64.b64encode(V2).decode(), "--base64", bootstrap=server.address)
    assert outcome.code == 1, outcome
    assert outcome.error["code"] == "outdated"
    assert server.dht(GET_VALUE, key=key) == [V1_AND_V2]


def test_public_keys_go_both_ways(network):
    server, _ = network
    for pair, put in ((Key("rsa"), "ours"), (Key("rsa"), "go")):
        key = value_key("pk", pair.peer)
        if put == "ours":
            value = base64.b64encode(pair.public_message).decode()
            outcome = dht("put", f"/pk/{pair.peer}", value, "--base64", bootstrap=server.address)
            assert outcome.code == 0, outcome
            assert server.dht(GET_VALUE, key=key) == [pair.public_message]
        else:
            server.dht(PUT_VALUE, key=key, value=pair.public_message)
            outcome = dht("get", f"/pk/{pair.peer}", bootstrap=server.address)
            assert base64.b64decode(events(outcome, "value")[-1]["value"]) == pair.public_message, outcome


def test_a_stale_holder_is_corrected(network):
    server, daemon = network
    pair = Key("rsa")
    key = value_key("pk", pair.peer)
    with server.open(base58.b58decode(daemon.peer), KAD) as pipe:
        record = message((1, key), (2, pair.public_message))
        answer = ask(pipe, message((2, key), (3, record)))
        assert fields(answer[3][0])[2] == [pair.public_message]
    # Only our daemon has it; who asks for it sends it to go, too.
    assert dht("get", f"/pk/{pair.peer}", bootstrap=daemon.address).code == 0
    daemon_client = GoNode(flags=["-dhtClient"])
    try:
        daemon_client.connect(server.address)
        with daemon_client.open(base58.b58decode(server.peer), KAD) as pipe:
            answer = ask(pipe, message((1, GET), (2, key)))
            assert fields(answer[3][0])[2] == [pair.public_message]
    finally:
        daemon_client.stop()


def test_requests_in_a_row_are_answered_in_order(network):
    server, daemon = network
    with server.open(base58.b58decode(daemon.peer), KAD) as pipe:
        requests = [message((1, PING)), message((1, FIND_NODE), (2, b"abc")), message((1, GET), (2, b"abc")), message((1, PING))]
        pipe.sendall(b"".join(delimited(request) for request in requests))
        kinds = [fields(read_message(pipe))[1][0] for _ in requests]
        assert kinds == [PING, FIND_NODE, GET, PING]


@pytest.mark.parametrize(
    "request_bytes",
    [
        delimited(message((1, FIND_NODE))),
        delimited(message((1, GET))),
        delimited(message((1, 6))),
        delimited(b"\xff\xff\xff"),
        uvarint(128 * 1024 + 1),
        delimited(message((2, b"/ipns/x"), (3, message((1, b"/ipns/y"), (2, b"z"))))),
        delimited(message((2, b"/text/x"), (3, message((1, b"/text/x"), (2, b"z"))))),
        delimited(message((1, ADD_PROVIDER), (2, b"k" * 81))),
    ],
    ids=["no key", "no key of a value", "unknown type", "garbage", "too long", "another key", "unknown namespace", "long key"],
)
def test_what_makes_no_sense_ends_the_stream(network, request_bytes):
    server, daemon = network
    with server.open(base58.b58decode(daemon.peer), KAD) as pipe:
        pipe.sendall(request_bytes)
        pipe.settimeout(10)
        with contextlib.suppress(ConnectionError):
            assert pipe.recv(1) == b""


def test_announcing_is_not_answered(network):
    server, daemon = network
    with server.open(base58.b58decode(daemon.peer), KAD) as pipe:
        peer = message((1, base58.b58decode(server.peer)), (2, bytes.fromhex("047f000001060fa1")))
        pipe.sendall(delimited(message((1, ADD_PROVIDER), (2, multihash("silent")), (9, peer))))
        answer = ask(pipe, message((1, GET_PROVIDERS), (2, multihash("silent"))))
        assert answer[1] == [GET_PROVIDERS]
        assert peer_text(fields(answer[9][0])[1][0]) == server.peer


def test_a_network_of_another_id_is_another_network(network):
    server, _ = network
    outcome = dht("closest", OWNER, "--dht-protocol", "/other/kad/1.0.0", bootstrap=server.address, timeout=40)
    assert outcome.code == 1, outcome
    assert outcome.error["code"] == "noPeers"


def test_eight_that_join_through_one_know_each_other():
    with contextlib.ExitStack() as stack:

        def daemon(*options):
            made = ours.Daemon(options=["--dht", "server", "--dht-protocol", "/eight/kad/1.0.0", *options])
            stack.callback(made.stop)
            return made

        first = daemon()
        others = [daemon("--bootstrap", first.address) for _ in range(7)]
        everybody = {node.peer for node in [first, *others]}

        def known():
            outcome = dht("closest", OWNER, "--dht-protocol", "/eight/kad/1.0.0", bootstrap=others[-1].address)
            return {item["peer"] for item in events(outcome, "found")}

        wait_until(lambda: known() == everybody, 30, "all eight are found")
        outcome = dht("stats", "--dht-protocol", "/eight/kad/1.0.0", bootstrap=others[0].address)
        assert outcome.code == 0, outcome
        assert outcome.event("dht")["peers"] == 8


def test_four_of_each_kind_that_join_through_one_know_each_other(go):
    with contextlib.ExitStack() as stack:
        first = GoNode(flags=["-dhtServer"])
        stack.callback(first.stop)
        nodes = [first]
        for number in range(7):
            if number % 2:
                node = GoNode(flags=["-dhtServer"])
                stack.callback(node.stop)
                node.connect(first.address)
            else:
                node = ours.Daemon(options=["--dht", "server", "--bootstrap", first.address])
                stack.callback(node.stop)
            nodes.append(node)
        everybody = {node.peer for node in nodes}
        for node in nodes:
            if isinstance(node, GoNode):
                wait_until(lambda: set(closest(node)) == everybody - {node.peer}, 20, f"{node.peer} of go knows the others")  # noqa: B023
        for node in nodes:
            if not isinstance(node, GoNode):
                # Whoever asks it is told whom it has; it is asked itself, too.
                wait_until(
                    lambda: {item["peer"] for item in events(dht("closest", OWNER, bootstrap=node.address), "found")} == everybody,  # noqa: B023
                    20,
                    f"{node.peer} of ours knows the others",
                )


def test_servers_alone_are_in_tables_and_clients_are_found_all_the_same():
    network = ["--dht-protocol", "/modes/kad/1.0.0"]
    with contextlib.ExitStack() as stack:

        def daemon(mode, *options):
            made = ours.Daemon(options=["--dht", mode, *network, *options])
            stack.callback(made.stop)
            return made

        first = daemon("server")
        server, client, auto = (daemon(mode, "--bootstrap", first.address) for mode in ("server", "client", "auto"))

        def known(way):
            return {item["peer"] for item in events(dht("closest", OWNER, *network, bootstrap=way.address), "found")}

        wait_until(lambda: known(first) == {first.peer, server.peer}, 20, "both servers are found")
        # Nobody has said that the third is reached from outside: it serves nobody.
        for other in (client, auto):
            outcome = dht("find-peer", other.peer, *network, bootstrap=first.address)
            assert outcome.code == 0 and other.address in events(outcome, "found")[-1]["addresses"], outcome
            outcome = dht("closest", OWNER, *network, bootstrap=other.address, timeout=40)
            assert outcome.code == 1 and outcome.error["code"] == "noPeers", outcome
            assert "1 answered, and serve another network, or none" in outcome.error["message"], outcome
        assert known(first) == {first.peer, server.peer}


def test_what_is_provided_early_is_found_by_go(go):
    """In a network that is large enough to guess who the nearest are before they have been met."""
    with contextlib.ExitStack() as stack:
        servers = []
        for _ in range(22):
            server = GoNode(flags=["-dhtServer"])
            stack.callback(server.stop)
            if servers:
                server.connect(servers[0].address)
            servers.append(server)
        # Those who came first have not met those who came last.
        for server in servers:
            closest(server)
        binary, text = cid("early")
        arguments = [ours.BINARY, "dht", "provide", text, "--optimistic", "--stay", "--json", "--listen", "/ip4/127.0.0.1/tcp/0"]
        provider = JSONProcess([*arguments, "--bootstrap", servers[0].address], environment=ours.environment())
        stack.callback(provider.stop)
        summary = provider.wait_for("summary", timeout=30)
        # The others are told as it goes on.
        assert 15 <= summary["found"] <= 20, provider.report()
        wait_until(lambda: servers[3].dht(FIND_PROVIDERS, cid=binary, count=1), 10, "go finds it")
        outcome = dht("find-providers", text, bootstrap=servers[7].address)
        assert outcome.code == 0 and len(events(outcome, "provider")) == 1, outcome


def test_what_a_node_holds_outlasts_its_restart(tmp_path):
    network = ["--dht-protocol", "/lasting/kad/1.0.0"]
    data = tmp_path / "node"
    with contextlib.ExitStack() as stack:

        def daemon(*options):
            made = ours.Daemon(options=["--dht", "server", *network, "--dht-namespace", "text", *options])
            stack.callback(made.stop)
            return made

        def found(way):
            return {item["peer"] for item in events(dht("closest", OWNER, *network, bootstrap=way.address), "found")}

        first = daemon()
        keeper = daemon("--data", data, "--bootstrap", first.address)
        wait_until(lambda: keeper.peer in found(first), 20, "both are members")
        outcome = dht("put", "/text/thing", "hello", *network, bootstrap=first.address)
        assert {item["peer"] for item in events(outcome, "stored")} == {first.peer, keeper.peer}, outcome
        assert keeper.stop() == 0, keeper.process.report()
        assert (data / "dht.sqlite").stat().st_mode & 0o777 == 0o600

        # It is told of nobody: it asks those that it knew.
        again = daemon("--data", data)
        assert again.peer == keeper.peer
        wait_until(lambda: found(again) == {first.peer, again.peer}, 20, "the table is there again")
        assert first.stop() == 0, first.process.report()
        outcome = dht("get", "/text/thing", *network, bootstrap=again.address)
        assert outcome.code == 0, outcome
        assert [base64.b64decode(item["value"]) for item in events(outcome, "value")] == [b"hello"]
        assert events(outcome, "value")[0]["from"] == again.peer


def test_a_value_of_a_namespace_that_nobody_knows_is_not_stored_and_it_is_said_why(network):
    outcome = dht("put", "/text/hello", "world", bootstrap=network[1].address)
    assert outcome.code == 1 and outcome.error["code"] == "notStored", outcome
    assert "--dht-namespace text" in outcome.error["message"], outcome
    assert outcome.event("summary")["found"] == 0 and events(outcome, "stored") == []


@pytest.mark.parametrize("size", [3, 20_000])
def test_an_older_value_is_corrected_and_never_wins(size, tmp_path):
    """Also a large one, of which the first holder's answer has little room for anything else."""
    network = ["--dht-protocol", "/large/kad/1.0.0"]
    members = []

    def member(*options):
        known = [option for other in members[:1] for option in ("--bootstrap", other.address)]
        made = ours.Daemon(options=["--dht", "server", *network, "--dht-namespace", "text", *known, *options])
        members.append(made)
        return made

    try:
        first, second, third = (member() for _ in range(3))
        late = member("--data", tmp_path / "data")
        old, new = "a" * size, "b" * size
        wait_until(
            lambda: len(events(dht("put", "/text/thing", old, *network, bootstrap=first.address), "stored")) == 4,
            30,
            "all four have the old one",
        )
        # What came is written down at the end.
        assert late.stop() == 0
        members.remove(late)
        assert dht("put", "/text/thing", new, *network, bootstrap=second.address).code == 0
        late = member("--data", tmp_path / "data")
        outcome = dht("get", "/text/thing", *network, "--quorum", "0", bootstrap=late.address)
        assert base64.b64decode(events(outcome, "value")[-1]["value"]).decode() == new, outcome
        assert late.peer in {item["peer"] for item in events(outcome, "stored")}, outcome
        outcome = dht("put", "/text/thing", old, *network, bootstrap=third.address)
        assert outcome.code == 1 and outcome.error["code"] == "outdated" and "better value" in outcome.error["message"], outcome
    finally:
        for daemon in members:
            daemon.stop()


def test_requests_in_a_row_go_over_one_stream_of_ours(go):
    """A go node that serves the protocol by hand counts the streams: eleven look-ups take one, beside the check of a newcomer."""
    server = go()
    lock, streams, requests = threading.Lock(), [], []

    def answer(pipe):
        with lock:
            streams.append(pipe)
        with contextlib.suppress(OSError, EOFError):
            while True:
                request = fields(read_message(pipe))
                with lock:
                    requests.append(request[1][0])
                pipe.sendall(delimited(message((1, request[1][0]), (2, request[2][0]))))

    server.serve(KAD, answer)
    keys = "\n".join(f"hex:{number:04x}" for number in range(1, 12)).encode()
    outcome = dht("closest", "--stdin", bootstrap=server.address, stdin=keys)
    assert outcome.code == 0, outcome
    assert len(events(outcome, "summary")) == 11
    assert len(requests) >= 11 and set(requests) == {FIND_NODE}
    # What is asked at the same time, as the table's own questions may be, has a stream each; what is asked in a row has not.
    assert len(streams) * 3 <= len(requests), f"{len(streams)} streams for {len(requests)} requests"


def test_a_terminal_shows_how_far_a_look_up_has_come(network):
    master, terminal = pty.openpty()
    command = [ours.BINARY, "dht", "closest", OWNER, "--bootstrap", network[0].address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, env=ours.environment())
    os.close(terminal)
    output = process.communicate(timeout=30)[0]
    said = b""
    with contextlib.suppress(OSError):
        while piece := os.read(master, 4096):
            said += piece
    os.close(master)
    assert process.returncode == 0, said
    assert re.search(rb"\d+ asked, \d+ have answered, \d+ failed", said), said
    assert said.endswith(b"\r\x1b[K"), "the line is wiped"
    assert b"asked" not in output and output.count(b"found ") >= 3, output


def test_keys_come_from_standard_input(network):
    outcome = dht("closest", "--stdin", bootstrap=network[0].address, stdin=f"hex:0102\n{OWNER}".encode())
    assert outcome.code == 0, outcome
    assert len(events(outcome, "summary")) == 2, "the last line has no end, and counts"
    outcome = dht("closest", "--stdin", bootstrap=network[0].address, stdin=b"hex:01\nno\tkey\nhex:02\n")
    assert outcome.code == 1 and outcome.error["code"] == "invalidKey", outcome
    assert r'line 2 is no key: "no\u{9}key"' in outcome.error["message"], outcome
    assert len(events(outcome, "summary")) == 1
