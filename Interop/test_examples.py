"""The programs of `Examples/`, run as their pages say: on terminals, on this machine alone."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from peers import ours
from peers.clock import wait_until
from peers.lan import Lan
from peers.python_node import PythonNode, Refused
from peers.terminal import Terminal

FOLDER = pathlib.Path(os.environ.get("EXAMPLES_BIN") or ours.ROOT / ".build" / "examples").absolute()
SEND_FILE = "/example/send-file/1.0.0"
CHAT = "/example/chat/1.0.0"
MEBIBYTE = 1 << 20


def binary(name):
    path = FOLDER / name
    if not path.exists():
        if os.environ.get("EXAMPLES_BIN"):
            pytest.fail(f"no example at {path}")
        pytest.skip(f"no example at {path}: make examples builds it")
    return path


@pytest.fixture
def run():
    """Starts examples on terminals, and ends them all."""
    terminals = []

    def start(name, *arguments, wrapper=(), directory=None):
        terminals.append(Terminal([*wrapper, binary(name), *arguments], directory=directory))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def loopback():
    """A loopback interface of the test's own, so that other tests' local discovery is not heard; else this machine's."""
    try:
        lan = Lan()
    except (OSError, subprocess.CalledProcessError):
        yield ()
        return
    try:
        yield lan.host().inside
    finally:
        lan.remove()


@pytest.fixture
def stranger():
    node = PythonNode()
    yield node
    node.stop()


def message(value):
    """With its length as an unsigned varint before it."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    length, prefix = len(data), bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*prefix, length]) + data


def messages(data):
    """What `message` made, taken apart."""
    while data:
        length = shift = used = 0
        while True:
            byte = data[used]
            length |= (byte & 0x7F) << shift
            used, shift = used + 1, shift + 7
            if byte < 0x80:
                break
        yield json.loads(data[used : used + length])
        data = data[used + length :]


# Greeter


def test_the_first_program_runs_in_two_terminals(run):
    first = run("Greeter")
    command = first.wait_for(r"swift run Greeter (/ip4/127\.0\.0\.1/tcp/\d+/p2p/\w+)")
    second = run("Greeter", command[1])
    greeted = second.wait_for(r"Hello, your key is proved: (12D3Koo\w+)\r?\n")[1]
    assert second.code() == 0
    assert first.process.poll() is None
    somebody_else = command[1].rpartition("/")[0] + "/" + greeted
    third = run("Greeter", somebody_else)
    assert third.code() != 0, "a node under another name must not be believed"
    assert "Hello" not in third.shown


def test_the_manifest_of_the_first_program_is_one(tmp_path):
    """Building it would build every dependency anew: that it is read, and asks for no more than the examples do, is what is shown."""
    page = (ours.ROOT / "Sources/P2P/P2P.docc/FirstProgram.md").read_text()
    (manifest,) = [block for block in re.findall(r"```swift\n(.*?)```", page, re.DOTALL) if block.startswith("// swift-tools-version")]
    (tmp_path / "Package.swift").write_text(manifest)
    outcome = subprocess.run(
        ["swift", "package", "dump-package", "--package-path", tmp_path], capture_output=True, text=True, timeout=100
    )
    assert outcome.returncode == 0, outcome.stderr
    (target,) = json.loads(outcome.stdout)["targets"]
    assert target["name"] == "Greeter"
    assert target["dependencies"] == [{"product": ["P2P", "swift-p2p", None, None]}]


# Chat


def test_three_chat_on_one_machine(run, loopback):
    def join(name):
        return run("Chat", "--name", name, "--interface", "lo", "--listen", "/ip4/127.0.0.1/tcp/0", wrapper=loopback)

    ada, bob, cyd = people = [join(name) for name in ("Ada", "Bob", "Cyd")]
    for person, others in ((ada, ("Bob", "Cyd")), (bob, ("Ada", "Cyd")), (cyd, ("Ada", "Bob"))):
        for other in others:
            person.wait_for(rf"\* {other} \(\w+\) joined")
    deaf = ours.Daemon(options=["--mdns", "--mdns-interface", "lo"], wrapper=loopback)
    try:
        wait_until(lambda: len(deaf.process.all("connected")) >= 3, within=30, what="the node without a chat")
        for number in range(70):
            ada.type(f"line {number}")
        bob.wait_for(r"Ada \(\w+\): line 69\r?\n")
        assert "too slow" not in ada.shown
    finally:
        deaf.stop()
    ada.type("good morning")
    for other in (bob, cyd):
        other.wait_for(r"Ada \(\w+\): good morning\r?\n")
    assert "good morning" not in ada.shown
    bob.type("\x1b[31mred \u202ebackwards")
    for other in (ada, cyd):
        other.wait_for(r"Bob \(\w+\): \\u\{1b\}\[31mred \\u\{202e\}backwards")
        assert "\x1b" not in other.shown
    cyd.type("x" * 1_025)
    cyd.wait_for("not sent: a line has at most 1024 bytes")
    cyd.type("y" * 1_024)
    ada.wait_for(r"Cyd \(\w+\): y{1024}\r?\n")
    assert "xx" not in ada.shown
    cyd.end_input()
    assert cyd.code() == 0
    for person in (ada, bob):
        person.wait_for(r"\* Cyd \(\w+\) left")
    bob.kill()
    ada.wait_for(r"\* Bob \(\w+\) left")
    for person in people:
        assert len(re.findall(r" joined\r?\n", person.shown)) == 2, person.shown


def test_a_rude_peer_does_not_reach_the_chat(run, stranger):
    ada = run("Chat", "--name", "Ada", "--interface", "lo", "--listen", "/ip4/127.0.0.1/tcp/0")
    address = ada.wait_for(r"at (/ip4/\S+)")[1]
    for rude in (
        message(b"n" * 33),
        message(b"Eve") + message(b"l" * 1_025),
        message(b"Eve") + b"\xff" * 10,
        message(b"Eve") + b"\x05abc",
    ):
        exchange(stranger, address, CHAT, rude)
    exchange(stranger, address, CHAT, message(b"\x1b[2JEve\r") + message(b"a\x07\xfe\nAda: b"))
    ada.wait_for(r"\\u\{1b\}\[2JEve\\u\{d\} \(\w+\): a\\u\{7\}\ufffd\\u\{a\}Ada: b\r?\n")
    assert "\x1b" not in ada.shown and "nnn" not in ada.shown and "lll" not in ada.shown
    ada.end_input()
    assert ada.code() == 0


def exchange(node, address, protocol, data):
    """What the peer answers; None when it resets the stream instead."""
    try:
        return node.exchange(address, protocol, data)
    except Refused:
        return None


# SendFile


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "outer" / "inbox"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def parcel(tmp_path):
    """A file that takes a while."""
    path = tmp_path / "parcel.bin"
    path.write_bytes(os.urandom(96 * MEBIBYTE))
    return path


def receive(run, inbox, *options):
    terminal = run("SendFile", "receive", "--folder", inbox, "--listen", "/ip4/127.0.0.1/tcp/0", *options)
    return terminal, terminal.wait_for(r"swift run SendFile send FILE (/ip4/127\.0\.0\.1/tcp/\d+/p2p/\w+)")[1]


def same(path, other):
    return path.stat().st_size == other.stat().st_size and ours.digest(path.read_bytes()) == ours.digest(other.read_bytes())


def half_way(inbox, whole):
    """Waits until some of the file is there, and not all."""
    parts = lambda: list(inbox.glob("*.part"))  # noqa: E731
    wait_until(lambda: parts() and parts()[0].stat().st_size > MEBIBYTE, within=30, what="the first part")
    assert not (inbox / whole.name).exists(), "the whole file was faster than this test"
    return parts()[0]


@pytest.mark.parametrize("size", [0, 1, 3 * MEBIBYTE + 7])
def test_a_file_arrives_whole(run, inbox, tmp_path, size):
    sent = tmp_path / "a file.bin"
    sent.write_bytes(os.urandom(size))
    receiver, address = receive(run, inbox)
    sender = run("SendFile", "send", sent, address)
    assert sender.code(60) == 0, sender.shown
    assert same(inbox / sent.name, sent)
    assert [path.name for path in inbox.iterdir()] == [sent.name]
    assert f"sending: 100 %, {size} of {size} bytes" in sender.shown
    assert ours.digest(sent.read_bytes()) in sender.shown
    receiver.wait_for(rf"received: a file\.bin, {size} bytes from 12D3Koo")
    sent.write_bytes(b"another")
    again = run("SendFile", "send", sent, address)
    assert again.code() != 0
    assert "there is a file of that name already" in again.shown
    assert (inbox / sent.name).stat().st_size == size


@pytest.mark.parametrize("victim", ["sender", "receiver"])
def test_what_was_cut_is_resumed(run, inbox, tmp_path, parcel, victim):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--key", tmp_path / "node.key", "--listen", f"/ip4/127.0.0.1/tcp/{port}"]
    receiver, address = receive(run, inbox, *options)
    sender = run("SendFile", "send", parcel, address)
    part = half_way(inbox, parcel)
    # Stopped first, so that the size does not change while it is looked at.
    ended = {"sender": sender, "receiver": receiver}[victim]
    os.kill(ended.process.pid, signal.SIGSTOP)
    ended.kill()
    if victim == "receiver":
        assert sender.code() != 0
        receiver, again = receive(run, inbox, *options)
        assert again == address
    else:
        settled(part)
    here = part.stat().st_size
    assert 0 < here < parcel.stat().st_size
    sender = run("SendFile", "send", parcel, address)
    assert sender.code(90) == 0, sender.shown
    assert int(re.search(r"sending: \d+ %, (\d+) of", sender.shown)[1]) == here, "what had come was sent again"
    assert same(inbox / parcel.name, parcel)
    assert not part.exists()


def settled(path):
    """Waits until what was under way has been written."""
    sizes = []

    def is_settled():
        sizes.append(path.stat().st_size)
        return len(sizes) > 20 and len(set(sizes[-20:])) == 1

    wait_until(is_settled, within=20, what="the end of the stream")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../evil", "evil"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\evil.exe", "evil.exe"),
        ("..", None),
        ("a/", None),
        (".bashrc", None),
        ("two\nlines", None),
        ("\u202egpj.exe", None),
        ("n" * 201, None),
    ],
)
def test_the_name_is_the_receivers_affair(run, inbox, tmp_path, name, kept):
    sent = tmp_path / "harmless"
    sent.write_bytes(b"content")
    receiver, address = receive(run, inbox)
    sender = run("SendFile", "send", sent, address, f"--name={name}")
    code = sender.code()
    assert [path.name for path in inbox.iterdir()] == ([kept] if kept else [])
    assert [path.name for path in inbox.parent.iterdir()] == ["inbox"]
    assert (code == 0) == (kept is not None), sender.shown
    if not kept:
        assert "that is not the name of a file" in sender.shown
        receiver.wait_for("refused: ")


def test_what_is_too_large_is_refused(run, inbox, tmp_path):
    sent = tmp_path / "large"
    sent.write_bytes(bytes(1_001))
    _, address = receive(run, inbox, "--limit", "1000")
    sender = run("SendFile", "send", sent, address)
    assert sender.code() != 0
    assert "at most 1000 bytes are taken" in sender.shown
    assert not list(inbox.iterdir())


def test_a_sender_that_lies_leaves_nothing_under_the_name(run, inbox, stranger):
    receiver, address = receive(run, inbox)
    data = b"twelve bytes"
    honest = {"name": "file", "size": len(data), "sha256": ours.digest(data)}

    def says(offer, bytes_after=b""):
        answers = exchange(stranger, address, SEND_FILE, message(offer) + bytes_after)
        return list(messages(answers)) if answers else None

    for offer in ({"size": -1}, {"size": 1 << 62}, {"sha256": ""}, {"sha256": "z" * 64}, {"sha256": "/" * 64}):
        assert "refusal" in says({**honest, **offer})[-1], offer
    for broken in (b"{}", b"\x00", b"[" * 4_000, b"x" * 5_000):
        assert says(broken) is None
    assert "more of it" in says(honest, data + b"!")[-1]["refusal"]
    assert says({**honest, "name": "other"}, data[:5])[-1]["refusal"] == "7 bytes are missing"
    assert says({**honest, "name": "third", "sha256": ours.digest(b"")}, data)[-1]["refusal"] == "the SHA-256 is another one"
    assert not [path for path in inbox.iterdir() if path.suffix != ".part"]
    assert says({**honest, "name": "other"}, data[5:])[-1] == {"offset": len(data)}
    assert (inbox / "other").read_bytes() == data
    assert receiver.process.poll() is None


# Swarm


@pytest.fixture
def swarm(run, tmp_path):
    """Starts sharers and fetchers of one file, of which each knows the first one alone."""

    class Room:
        def __init__(self):
            self.file = tmp_path / "holiday.mov"
            self.file.write_bytes(os.urandom(48 * MEBIBYTE + 12_345))

        def share(self, *options):
            terminal = run("Swarm", "share", self.file, "--listen", "/ip4/127.0.0.1/tcp/0", *options)
            command = terminal.wait_for(r"swift run Swarm fetch (\w{64}) --bootstrap (/ip4/127\.0\.0\.1/tcp/\d+/p2p/\w+)")
            self.name = command[1]
            return terminal, command[2]

        def fetch(self, folder, way, *options):
            (tmp_path / folder).mkdir()
            arguments = [self.name, "--folder", tmp_path / folder, "--bootstrap", way, "--listen", "/ip4/127.0.0.1/tcp/0"]
            return run("Swarm", "fetch", *arguments, *options), tmp_path / folder / self.file.name

    return Room()


def test_a_file_comes_from_several_while_they_come_and_go(swarm):
    first, way = swarm.share()
    second, _ = swarm.share("--bootstrap", way)
    second.wait_for(r"told: \d+ keys")
    early, early_file = swarm.fetch("early", way, "--stay")
    early.wait_for(r"fetched: holiday\.mov, \d+ bytes", timeout=90)
    assert same(early_file, swarm.file)
    early.wait_for(r"fetched: (?s:.*)told: \d+ keys")
    # One of the three goes in the middle, without a word.
    late, late_file = swarm.fetch("late", way)
    late.wait_for(r"fetching: [1-9]")
    second.kill()
    # The user's own file of that name is in nobody's way.
    theirs = late_file.with_name(f"{late_file.name}.part")
    theirs.write_text("mine")
    assert late.code(90) == 0, late.shown
    assert same(late_file, swarm.file)
    holders = {match[1]: int(match[2]) for match in re.finditer(r"from (12D3Koo\w+): (\d+) blocks", late.shown)}
    assert len(holders) >= 2 and sum(holders.values()) == 193, late.shown
    assert theirs.read_text() == "mine"
    assert {path.name for path in late_file.parent.iterdir()} == {swarm.file.name, theirs.name}
    # Who shared it first is gone as well: who has fetched it has it to give.
    first.kill()
    again, again_file = swarm.fetch("again", early.wait_for(r"you are at (\S+)")[1])
    assert again.code(90) == 0, again.shown
    assert same(again_file, swarm.file)


def test_a_fetch_takes_nobodys_file_and_says_what_it_can_not_write(swarm, run, tmp_path):
    _, way = swarm.share()
    # Of what a fetch that was killed has left, what is wrong comes anew; what is no file of its own is left alone.
    (tmp_path / "after").mkdir()
    (tmp_path / "after" / f".swarm-{swarm.name}.part").write_bytes(b"x" * (50 * MEBIBYTE))
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / f".swarm-{swarm.name}.part").symlink_to(tmp_path / "mine")
    arguments = [swarm.name, "--bootstrap", way, "--listen", "/ip4/127.0.0.1/tcp/0", "--folder"]
    other = run("Swarm", "fetch", *arguments, tmp_path / "other")
    assert other.code(60) != 0 and "can't be written" in other.shown, other.shown
    assert (tmp_path / "mine").read_text() == "mine"
    after = run("Swarm", "fetch", *arguments, tmp_path / "after")
    assert after.code(90) == 0, after.shown
    assert same(tmp_path / "after" / swarm.file.name, swarm.file)
    # A disk without room ends it.
    (tmp_path / "small").mkdir()
    room = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=4m none "$0" && exec "$@"', str(tmp_path / "small")]
    if subprocess.run([*room, "true"], capture_output=True).returncode == 0:
        small = run("Swarm", "fetch", *arguments, tmp_path / "small", wrapper=room)
        assert small.code(60) != 0 and "fetched" not in small.shown, small.shown


def test_a_name_that_nobody_has_is_not_found(swarm):
    _, way = swarm.share()
    swarm.name = "0" * 64
    fetcher, file = swarm.fetch("nothing", way)
    assert fetcher.code(60) != 0
    assert "nobody who has it is found" in fetcher.shown and not file.exists()


def test_a_fetch_tells_what_nobody_gives_and_goes_on_where_it_was(swarm, run, tmp_path):
    _, way = swarm.share()
    # The holder's own copy goes bad, and is mended later.
    with swarm.file.open("r+b") as file:
        file.seek(5 * 256 * 1024)
        right = file.read(1_000)
        file.seek(5 * 256 * 1024)
        file.write(bytes(1_000))
    folder = tmp_path / "made" / "for it"
    arguments = ["fetch", swarm.name, "--bootstrap", way, "--listen", "/ip4/127.0.0.1/tcp/0", "--folder", folder]
    waiting = run("Swarm", *arguments)
    missing = int(waiting.wait_for(r"waiting: nobody has given (\d+) of 193 blocks yet \(holders that gave wrong ones: 1\)")[1])
    assert 1 <= missing < 193
    # Not SIGINT, which whatever runs in the background of a shell does not hear.
    os.kill(waiting.process.pid, signal.SIGTERM)
    assert waiting.code() != 0
    assert [path.name for path in folder.iterdir()] == [f".swarm-{swarm.name}.part"]
    with swarm.file.open("r+b") as file:
        file.seek(5 * 256 * 1024)
        file.write(right)
    again = run("Swarm", *arguments)
    assert again.code(60) == 0, again.shown
    assert f"going on: {193 - missing} of 193 blocks are here already" in again.shown
    assert sum(int(count) for count in re.findall(r"from 12D3Koo\w+: (\d+) blocks", again.shown)) == missing, again.shown
    assert [path.name for path in folder.iterdir()] == [swarm.file.name]
    assert same(folder / swarm.file.name, swarm.file)


def test_what_can_not_be_begun_is_said_at_once(run, tmp_path):
    alone = run("Swarm", "fetch", "0" * 64)
    assert alone.code(10) == 64 and "--bootstrap" in alone.shown, alone.shown
    for path, reason in ((tmp_path / "no file", "there is no file"), (tmp_path, "is a folder")):
        sharer = run("Swarm", "share", path)
        assert sharer.code(10) == 1, sharer.shown
        assert reason in sharer.shown and "NSCocoa" not in sharer.shown and "Domain" not in sharer.shown, sharer.shown
