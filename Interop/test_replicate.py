"""`Examples/Replicate`: databases on several nodes that stay the same, used by a real client of CouchDB."""

import asyncio
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import urllib.parse

import aiocouch
import pytest

from peers import nat_lab, ours
from peers.clock import wait_until
from peers.ports import free_port
from peers.terminal import Terminal
from test_browser import lonely_network, visit  # noqa: F401
from test_examples import binary

BASE = "notes"


class Node:
    """One node on a terminal; its folder and its key stay when it is started anew."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        name = Terminal([binary("Replicate"), "name", "--key", folder / "key"])
        self.peer = name.wait_for(r"(12D3Koo\w+)\r?\n")[1]
        name.close()
        self.listen = f"/ip4/127.0.0.1/tcp/{free_port()}"
        self.address = f"{self.listen}/p2p/{self.peer}"
        self.terminal = None

    def start(self, *options, listen=None, wrapper=()):
        options = ["--listen", listen or self.listen, *options]
        self.terminal = Terminal(
            [*wrapper, binary("Replicate"), "run", "--folder", self.folder / "data", "--key", self.folder / "key", "--port", 0, *options]
        )
        self.port = int(self.terminal.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
        self.terminal.wait_for(r"run --with (\S+)")
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, **fields):
        """Status and JSON of an answer, without a client library in between."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, {name.replace("_", "-"): value for name, value in fields.items()})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" and text else text

    def everything(self):
        """What there is, with all that is in conflict."""
        status, answer = self.ask("GET", f"/{BASE}/_all_docs?include_docs=true&conflicts=true")
        return [row["doc"] for row in answer["rows"]] if status == 200 else None

    def changes(self):
        """The leaves of every document, those that are deleted, too."""
        status, answer = self.ask("GET", f"/{BASE}/_changes?style=all_docs")
        return {row["id"]: row["changes"] for row in answer["results"]} if status == 200 else None

    def pulled(self):
        """How many documents it has pulled since it was started."""
        return max((int(number) for number in re.findall(r": (\d+) pulled", self.terminal.shown)), default=0)

    def kill(self):
        if self.terminal:
            self.terminal.close()
            self.terminal = None


class NodeAtHome(Node):
    """One of a namespace, where alone its port is."""

    def __init__(self, folder, inside):
        super().__init__(folder)
        self._inside = inside

    def start(self, *options, **settings):
        return super().start(*options, wrapper=self._inside, **settings)

    def ask(self, method, path, body=None, **fields):
        command = [*self._inside, "curl", "-sS", "-X", method, "-w", "\n%{http_code}", f"{self.url}{path}"]
        if body is not None:
            command += ["--data-binary", "@-"]
        said = subprocess.run(command, input=json.dumps(body).encode(), capture_output=True, timeout=40, check=True).stdout
        text, _, status = said.rpartition(b"\n")
        return int(status), json.loads(text)


@pytest.fixture
def nodes(tmp_path):
    """Two of them, not yet started."""
    made = [Node(tmp_path / name) for name in ("one", "two")]
    yield made
    for node in made:
        node.kill()


def same(one, two, within=40):
    wait_until(lambda: one.changes() == two.changes(), within=within, what="the same on both")
    assert one.everything() == two.everything()


class Line:
    """A port that leads to another, until it is cut."""

    def __init__(self, port):
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.is_cut = False
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    @staticmethod
    def _carry(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def cut(self):
        self.is_cut = True
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets = []

    def close(self):
        self.cut()
        self._server.close()


@pytest.fixture
def line():
    lines = []

    def make(port):
        lines.append(Line(port))
        return lines[-1]

    yield make
    for one in lines:
        one.close()


def with_client(node, body):
    """Runs a coroutine with aiocouch."""

    async def run():
        async with aiocouch.CouchDB(node.url) as couch:
            return await body(couch)

    return asyncio.run(run())


def test_a_real_client_uses_a_node(nodes):
    node = nodes[0].start()

    async def use(couch):
        assert (await couch.info())["couchdb"] == "Welcome"
        base = await couch.create(BASE)
        with pytest.raises(aiocouch.PreconditionFailedError):
            await couch.create(BASE)
        assert await couch.keys() == [BASE]
        document = await base.create("a note/with a slash", data={"text": "first", "number": 1.5})
        await document.save()
        document["text"] = "second"
        await document.save()
        assert document["_rev"].startswith("2-")
        again = await base["a note/with a slash"]
        assert again["text"] == "second" and again["number"] == 1.5
        stale = aiocouch.document.Document(base, again.id, data={"_rev": "1-0", "text": "late"})
        with pytest.raises(aiocouch.ConflictError):
            await stale.save()
        await again.copy("a copy")
        async with base.create_docs([f"bulk-{number:03}" for number in range(100)]) as bulk:
            async for one in bulk:
                one["number"] = 7
        assert len(bulk.ok) == 100 and not bulk.error
        assert [key async for key in base.akeys(limit=2)] == ["a copy", "a note/with a slash"]
        assert len([doc async for doc in base.docs(prefix="bulk-05")]) == 10
        assert [doc["number"] async for doc in base.docs(["bulk-001", "bulk-099"])] == [7, 7]
        async with base.update_docs(["bulk-000", "bulk-001"]) as bulk:
            async for one in bulk:
                one["number"] += 1
        await (await base["a copy"]).delete()
        with pytest.raises(aiocouch.NotFoundError):
            await base["a copy"]
        info = await base.info()
        assert (info["doc_count"], info["doc_del_count"]) == (101, 1)
        events = [event async for event in base.changes(include_docs=True)]
        assert len(events) == 102 and isinstance(events[-1], aiocouch.event.DeletedEvent)
        return info["update_seq"]

    sequence = with_client(node, use)
    node.kill()
    node.start()

    async def use_again(couch):
        base = await couch[BASE]
        assert (await base.info())["update_seq"] == sequence
        assert (await base["bulk-000"])["number"] == 8

        async def write():
            await asyncio.sleep(0.1)
            await (await base.create("later")).save()

        writing = asyncio.create_task(write())
        async with contextlib.aclosing(base.changes(feed="continuous", since=sequence)) as feed:
            async for event in feed:
                assert event.id == "later"
                break
        await writing
        await base.delete()
        with pytest.raises(aiocouch.NotFoundError):
            await couch[BASE]

    with_client(node, use_again)


def test_two_nodes_stay_the_same_through_a_cut_and_a_restart(nodes, line):
    one, two = nodes
    one.start("--allow", two.peer)
    way = line(int(one.listen.rpartition("/")[2]))
    through = f"/ip4/127.0.0.1/tcp/{way.port}/p2p/{one.peer}"
    two.start("--with", through)

    async def fill(couch, prefix, count):
        base = await couch.create(BASE, exists_ok=True)
        async with base.create_docs([f"{prefix}-{number:04}" for number in range(count)]) as bulk:
            async for document in bulk:
                document["text"] = "x" * 200
        assert not bulk.error

    async def edit(couch, text):
        base = await couch[BASE]
        for name in ("shared", "settled"):
            document = await base.create(name, exists_ok=True)
            document["text"] = text
            await document.save()
        return (await base["shared"])["_rev"]

    with_client(one, lambda couch: fill(couch, "one", 300))
    with_client(two, lambda couch: fill(couch, "two", 300))
    with_client(one, lambda couch: edit(couch, "before"))
    same(one, two)
    assert len(one.everything()) == 602

    # Both edit one document while they can't hear each other.
    way.cut()
    edits = [with_client(node, lambda couch, node=node: edit(couch, node.peer)) for node in nodes]
    with_client(one, lambda couch: fill(couch, "alone", 20))
    assert edits[0] != edits[1] and two.everything() != one.everything()
    way.is_cut = False
    same(one, two)
    for node in nodes:
        shared = node.ask("GET", f"/{BASE}/shared?conflicts=true")[1]
        assert {shared["_rev"], *shared["_conflicts"]} == set(edits), shared
        texts = [
            node.ask("GET", f"/{BASE}/shared?rev={revision}")[1]["text"] for revision in (shared["_rev"], *shared["_conflicts"])
        ]
        assert sorted(texts) == sorted(node.peer for node in nodes)

    # One ends at once, in the middle of a batch, and finds in its file how far it was.
    with_client(one, lambda couch: fill(couch, "much", 2_000))
    wait_until(lambda: two.pulled() > 350, within=30, what="some of it")
    two.kill()
    loser = two_loses(one)
    with_client(one, lambda couch: fill(couch, "late", 10))
    two.start("--with", through)
    same(one, two)
    assert two.pulled() < 2_010, "what was there came again"
    assert "_conflicts" not in two.ask("GET", f"/{BASE}/shared?conflicts=true")[1]
    assert two.ask("GET", f"/{BASE}/shared?rev={loser}")[0] in (200, 404)


def two_loses(node):
    """Ends the conflict by deleting the revision that lost."""
    loser = node.ask("GET", f"/{BASE}/shared?conflicts=true")[1]["_conflicts"][0]
    assert node.ask("DELETE", f"/{BASE}/shared?rev={loser}")[0] == 200
    return loser


def test_they_replicate_over_a_relay(nodes):
    one, two = nodes
    relay = ours.Daemon(options=["--relay-service", "--limit", "relay.data=1GiB", "--limit", "relay.duration=600"])
    try:
        one.start("--allow", two.peer, listen=f"{relay.address}/p2p-circuit")
        assert one.ask("PUT", f"/{BASE}")[0] == 201
        documents = [{"_id": f"d-{number}", "text": "x" * 4_000} for number in range(200)]
        assert one.ask("POST", f"/{BASE}/_bulk_docs", {"docs": documents})[0] == 201
        two.start("--with", f"{relay.address}/p2p-circuit/p2p/{one.peer}")
        wait_until(lambda: (there := two.everything()) and len(there) == 200, within=40, what="all of it")
        assert two.ask("PUT", f"/{BASE}/back", {})[0] == 201
        same(one, two)
    finally:
        relay.stop()


@pytest.mark.skipif(not nat_lab.is_possible(), reason="no network namespaces and routers here")
def test_between_two_homes_through_a_relay_and_then_directly(tmp_path):
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(nat_lab.Lab("port", "port", observers=1))
        listen = "/ip4/{}/tcp/4001"
        options = ["--relay-service", "--no-port-mapping", "--limit", "relay.data=1GiB", "--limit", "relay.duration=600"]
        relay = ours.Daemon(listen.format(lab.relay.address), options=options, wrapper=lab.relay.inside)
        stack.callback(relay.stop)
        seer = ours.Daemon(listen.format(lab.observers[0].address), options=["--no-port-mapping"], wrapper=lab.observers[0].inside)
        stack.callback(seer.stop)
        known = ["--bootstrap", seer.address]
        one, two = (NodeAtHome(tmp_path / name, host.inside) for name, host in (("one", lab.a), ("two", lab.b)))
        for node in (one, two):
            stack.callback(node.kill)

        # At first the routers let nothing out to each other: what one of them let out it would remember.
        for home, other in ((lab.a, "45.102.0.0/16"), (lab.b, "45.101.0.0/16")):
            chain = f"type filter hook forward priority -10; ip daddr {other} drop"
            home.outer.run(nat_lab.NFT, f"table ip shut {{\nchain forward {{\n{chain}\n}}\n}}")
        place = ["--allow", two.peer, "--listen", f"{relay.address}/p2p-circuit", *known]
        one.start(*place, listen=listen.format(lab.a.address))
        one.terminal.wait_for(r"p2p-circuit/p2p/")
        assert one.ask("PUT", f"/{BASE}")[0] == 201
        documents = [{"_id": f"d-{number}", "text": "x" * 4_000} for number in range(200)]
        assert one.ask("POST", f"/{BASE}/_bulk_docs", {"docs": documents})[0] == 201
        way = ["--with", f"{relay.address}/p2p-circuit/p2p/{one.peer}", *known]
        two.start(*way, listen=listen.format(lab.b.address))
        wait_until(lambda: (there := two.everything()) and len(there) == 200, within=40, what="all of it")
        assert two.ask("PUT", f"/{BASE}/back", {})[0] == 201
        same(one, two)
        assert "through a relay" in two.terminal.shown and "directly" not in two.terminal.shown
        one.kill()
        two.kill()
        # A circuit is counted when it is over.
        wait_until(lambda: relay.stats()["relay"]["bytes"] > 200 * 4_000, within=20, what="the count of the relay")

        # Then there is a way through both, which is found, and after that no relay. Who was there before has tried too often to try again soon.
        for home in (lab.a, lab.b):
            home.outer.run(nat_lab.NFT, "delete table ip shut")
        one.start(*place, listen=listen.format(lab.a.address))
        one.terminal.wait_for(r"p2p-circuit/p2p/")
        assert one.ask("PUT", f"/{BASE}/alone", {})[0] == 201
        two.start(*way, listen=listen.format(lab.b.address))
        two.terminal.wait_for(r"connected to \w+, directly", timeout=40)
        assert relay.stop() == 0
        for node in (one, two):
            assert node.ask("PUT", f"/{BASE}/without-{node.peer}", {})[0] == 201
        same(one, two)
        assert len(one.everything()) == 204


POUCHDB = pathlib.Path(__file__).with_name(".cache") / "pouchdb-0.4.1.js"


@pytest.mark.skipif(not POUCHDB.exists(), reason="no PouchDB here")
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
def test_a_real_pouchdb_in_a_page_replicates_with_a_node_and_through_it_with_another(tmp_path, lonely_network):  # noqa: F811
    one, two = (NodeAtHome(tmp_path / name, lonely_network) for name in ("one", "two"))
    with contextlib.ExitStack() as stack:
        for node in (one, two):
            stack.callback(node.kill)
        one.start("--allow", two.peer)
        two.start("--with", one.address)
        # The other one may have made it already.
        assert one.ask("PUT", f"/{BASE}")[0] in (201, 412)
        documents = [{"_id": f"d-{number}", "text": "by a node"} for number in range(20)] + [{"_id": "gone"}, {"_id": "shared"}]
        assert one.ask("POST", f"/{BASE}/_bulk_docs", {"docs": documents})[0] == 201
        told = visit(lonely_network, "", [pathlib.Path(__file__).with_name("peers") / "pouch_page.py", one.url, POUCHDB])
        assert told.get("version") == "2.2.3" and (told["pulled"], told["pushed"], told["count"]) == (22, 21, 41), told
        assert len(told["revisions"]) == 2, told
        same(one, two)
        there = {document["_id"]: document for document in two.everything()}
        assert len(there) == 41 and "gone" not in there and there["page-7"]["text"] == "by a page"
        assert sorted([there["shared"]["_rev"], *there["shared"]["_conflicts"]]) == told["revisions"]


def test_strangers_are_told_nothing(nodes):
    one, stranger = nodes
    one.start()
    assert one.ask("PUT", f"/{BASE}")[0] == 201
    assert one.ask("PUT", f"/{BASE}/secret", {"text": "mine"})[0] == 201
    stranger.start("--with", one.address)
    stranger.terminal.wait_for(r"is not allowed here")
    assert not stranger.everything()
    for path in ("", "/http-path/_all_dbs", f"/http-path/{BASE}%2Fsecret"):
        got = ours.run("http", "get", one.address + path, "--json")
        assert got.event("response")["status"] == 403, got
        assert b"mine" not in got.stdout


BAD = [
    ("GET", "/none", None, 404),
    ("PUT", "/Notes", None, 400),
    ("PUT", "/..%2F..%2Fx", None, 400),
    ("PUT", f"/{BASE}/_secret", {}, 404),
    ("PUT", f"/{BASE}/{'n' * 600}", {}, 400),
    ("PUT", f"/{BASE}/a", [1], 400),
    ("PUT", f"/{BASE}/a", b"{", 400),
    ("PUT", f"/{BASE}/a", b"[" * 100_000, 400),
    ("PUT", f"/{BASE}/a", b'{"a": "\xff"}', 400),
    ("PUT", f"/{BASE}/a", {"_odd": 1}, 400),
    ("PUT", f"/{BASE}/a", {"_attachments": {}}, 501),
    ("PUT", f"/{BASE}/a", {"_rev": "99999999999-a"}, 400),
    ("PUT", f"/{BASE}/a", {"_rev": "-1-a"}, 400),
    ("PUT", f"/{BASE}/a", {"_rev": "2-a"}, 409),
    ("PUT", f"/{BASE}/a", {"text": "x" * (1 << 20)}, 413),
    ("PUT", f"/{BASE}/a?new_edits=false", {"_rev": "3-c", "_revisions": {"start": 1, "ids": ["c", "b", "a"]}}, 400),
    ("PUT", f"/{BASE}/a?new_edits=false", {"_rev": "1-c", "_revisions": {"start": -(2**63), "ids": ["c"]}}, 400),
    ("PUT", f"/{BASE}/a?new_edits=false", {"_revisions": {"start": 2**62, "ids": ["c"]}}, 400),
    ("PUT", f"/{BASE}/a?new_edits=false", {"_revisions": {"start": 2_000, "ids": ["c"] * 1_001}}, 400),
    ("PUT", f"/{BASE}/a?new_edits=false", {"_rev": "1-" + "c" * 65}, 400),
    ("GET", f"/{BASE}/_changes?since=-1", None, 400),
    ("GET", f"/{BASE}/_changes?since=99999999999999999999", None, 400),
    ("GET", f"/{BASE}/_changes?limit=x", None, 400),
    ("GET", f"/{BASE}/_changes?feed=eventsource", None, 400),
    ("GET", f"/{BASE}/_all_docs?startkey=x", None, 400),
    ("GET", f"/{BASE}/%ff", None, 400),
    ("GET", f"/{BASE}/_design%2Fx/_view/y", None, 404),
    ("PUT", f"/{BASE}/a", b'{"a": 1, "a": 2}', 400),
    ("PUT", f"/{BASE}/a", b'{"a": 01}', 400),
    ("PUT", f"/{BASE}/a", b'{"a": 1e999}', 400),
    ("PUT", f"/{BASE}/a", b'{"a": "\\ud800"}', 400),
    ("POST", f"/{BASE}/_bulk_docs", {"docs": 1}, 400),
    ("POST", f"/{BASE}/_bulk_docs", {"docs": [5]}, 400),
    ("POST", f"/{BASE}/_bulk_docs", {"docs": [{}] * 10_001}, 413),
    ("POST", f"/{BASE}/_revs_diff", {"a": ["x"]}, 400),
    ("POST", f"/{BASE}/_revs_diff", {"a": 1}, 400),
    ("POST", f"/{BASE}/_bulk_get", {"docs": [{}]}, 400),
    ("PUT", f"/{BASE}/_local/{'n' * 600}", {}, 400),
    ("PUT", f"/{BASE}/_local/x", {"_rev": "0-7"}, 409),
    ("BREW", f"/{BASE}/a", None, 405),
]


def test_nonsense_is_refused_exactly(nodes):
    node = nodes[0].start()
    assert node.ask("PUT", f"/{BASE}")[0] == 201
    for method, path, body, expected in BAD:
        status, answer = node.ask(method, path, body)
        assert status == expected, (method, path, str(body)[:80], status, answer)
        assert {"error", "reason"} <= set(answer), answer
    assert node.ask("GET", "/", Host="evil.example")[0] == 421
    assert node.ask("GET", "/", Origin="http://127.0.0.1")[0] == 403
    assert node.ask("POST", f"/{BASE}/_bulk_docs", b" " * (16 << 20) + b"{}")[0] == 413
    mixed = node.ask("POST", f"/{BASE}/_bulk_docs", {"docs": [{"_id": "good"}, {"_id": "_bad"}, {"_id": "good"}]})[1]
    assert [item.get("error") for item in mixed] == [None, "bad_request", "conflict"]
    # The same histories in any order are the same tree; two of a document's branches are named with it.
    for ids in (["b", "a"], ["c", "a"], ["d", "b", "a"], ["b", "a"]):
        document = {"_id": "tree", "_revisions": {"start": len(ids), "ids": ids}, "leaf": ids[0]}
        assert node.ask("POST", f"/{BASE}/_bulk_docs", {"docs": [document], "new_edits": False}) == (201, [])
    status, leaves = node.ask("GET", f"/{BASE}/tree?open_revs=all&revs=true")
    assert [(item["ok"]["_rev"], item["ok"]["_revisions"]["ids"]) for item in leaves] == [
        ("3-d", ["d", "b", "a"]),
        ("2-c", ["c", "a"]),
    ]
    assert node.ask("GET", f"/{BASE}/tree?open_revs=%5B%222-b%22%5D&latest=true")[1][0]["ok"]["_rev"] == "3-d"
    # Each once, however many of its ancestors are named.
    asked = "%5B%221-a%22,%222-b%22,%229-z%22,%223-d%22%5D"
    leaves = node.ask("GET", f"/{BASE}/tree?open_revs={asked}&latest=true")[1]
    assert [item["ok"]["_rev"] if "ok" in item else item["missing"] for item in leaves] == ["3-d", "2-c", "9-z"]
    # Nor is a long one given as often as it is asked for.
    assert node.ask("PUT", f"/{BASE}/long", {"text": "x" * 1_000_000})[0] == 201
    assert node.ask("POST", f"/{BASE}/_all_docs?include_docs=true", {"keys": ["long"] * 60})[0] == 413
    assert node.ask("POST", f"/{BASE}/_bulk_get", {"docs": [{"id": "long"}] * 60})[0] == 413
    assert node.ask("POST", f"/{BASE}/_revs_diff", {"tree": ["3-d", "4-e"]})[1] == {
        "tree": {"missing": ["4-e"], "possible_ancestors": ["2-c", "3-d"]}
    }
    parts = node.ask("GET", f"/{BASE}/tree?open_revs=all", Accept="multipart/mixed")[1]
    assert parts.count(b"Content-Type: application/json") == 2 and b'"_rev":"2-c"' in parts


def test_who_follows_a_database_is_told_of_its_end(nodes):
    node = nodes[0].start()
    assert node.ask("PUT", f"/{BASE}")[0] == 201
    assert node.ask("PUT", f"/{BASE}/a", {})[0] == 201
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", f"/{BASE}/_changes?feed=continuous&heartbeat=60000")
        answer = connection.getresponse()
        assert json.loads(answer.readline())["id"] == "a"
        assert node.ask("DELETE", f"/{BASE}")[0] == 200
        assert json.loads(answer.read()) == {"last_seq": 1, "pending": 0}


def test_names_are_told_apart_by_their_bytes(nodes):
    one, two = nodes
    one.start("--allow", two.peer)
    assert one.ask("PUT", f"/{BASE}")[0] == 201
    # They look the same.
    names = ["\u00e9", "e\u0301"]
    for name in names:
        assert one.ask("PUT", f"/{BASE}/{urllib.parse.quote(name)}", {"name": name, name: 1, names[0]: 2})[0] == 201
    two.start("--with", one.address)
    same(one, two)
    assert [document["_id"] for document in two.everything()] == sorted(names)
    assert two.ask("POST", f"/{BASE}/_revs_diff", {name: ["1-a"] for name in names})[1].keys() == set(names)
    assert [row["id"] for row in two.ask("GET", f"/{BASE}/_all_docs?key=%22%C3%A9%22")[1]["rows"]] == names[:1]


def test_a_torn_line_is_cut_off_and_a_damaged_one_is_not_passed_over(nodes):
    node = nodes[0].start()
    assert node.ask("PUT", f"/{BASE}")[0] == 201
    for number in range(3):
        assert node.ask("PUT", f"/{BASE}/d-{number}", {"number": number})[0] == 201
    node.kill()
    journal = node.folder / "data" / f"{BASE}.couch"
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines()[-1][:-10])
    draft = journal.with_name(f"{journal.name}.new")
    draft.write_bytes(whole[:10])
    node.start()
    assert not draft.exists()
    assert len(node.everything()) == 3 and journal.read_bytes() == whole
    second = Terminal([binary("Replicate"), "run", "--folder", node.folder / "data", "--key", node.folder / "key", "--port", 0])
    assert second.code() != 0 and "another program has" in second.shown
    second.close()
    node.kill()
    journal.write_bytes(whole.replace(b'"number":1', b'"number":2'))
    broken = Terminal([binary("Replicate"), "run", "--folder", node.folder / "data", "--key", node.folder / "key", "--port", 0])
    assert broken.code() != 0 and "is damaged" in broken.shown
    broken.close()
    assert os.path.getsize(journal) == len(whole)


def start_on_a_small_disk(node):
    """With 256 KiB for its data, in a mount namespace of its own."""
    (node.folder / "data").mkdir()
    room = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=256k none "$0" && exec "$@"', node.folder / "data"]
    if subprocess.run([*map(str, room), "true"], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    node.start(wrapper=room)


def test_a_full_disk_takes_nothing_of_what_is_there(nodes):
    small, other = nodes
    start_on_a_small_disk(small)
    assert small.ask("PUT", f"/{BASE}")[0] == 201
    kept = 0
    while small.ask("PUT", f"/{BASE}/d-{kept}", {"text": "x" * 5_000})[0] == 201:
        kept += 1
        assert kept < 60
    assert small.ask("PUT", f"/{BASE}/large", {"text": "x" * 500_000})[0] == 500
    assert kept > 20 and len(small.everything()) == kept
    assert small.ask("PUT", f"/{BASE}/tiny", {})[0] == 201, "what fits still does"
    (other.folder / "data").mkdir()
    journal = pathlib.Path(f"/proc/{small.terminal.process.pid}/root{small.folder}/data/{BASE}.couch")
    (other.folder / "data" / f"{BASE}.couch").write_bytes(journal.read_bytes())
    other.start()
    assert other.everything() == small.everything()


def test_what_is_kept_is_said_to_be_where_there_is_no_room_to_tidy(nodes):
    node = nodes[0]
    start_on_a_small_disk(node)
    assert node.ask("PUT", f"/{BASE}")[0] == 201
    assert node.ask("PUT", f"/{BASE}/large", {"text": "x" * 110_000})[0] == 201
    # More entries than are kept before they are written anew.
    for number in range(1_020):
        body = {"_rev": f"0-{number}"} if number else {}
        assert node.ask("PUT", f"/{BASE}/_local/x", body)[0] == 201, number
    folder = pathlib.Path(f"/proc/{node.terminal.process.pid}/root{node.folder}/data")
    assert sorted(path.name for path in folder.iterdir()) == ["lock", f"{BASE}.couch"]
