"""Programs that know nothing of peers, through peers: half-close, resets, unix sockets, datagrams, SOCKS, pipes, and who may."""

import os
import socket
import struct
import subprocess
import tempfile
import threading

import pytest

from hostile.wire import FIN, MULTISTREAM, RST, SYN, WINDOW_UPDATE, Frame, data_frame, session, token
from peers import ours
from peers.clock import wait_until
from peers.ports import free_port
from peers.tunnels import Forwarding, Serving, answer_after_the_end, ask, read_all, server, stopping

MIB = 1024 * 1024
LISTEN = {"tcp": "/ip4/127.0.0.1/tcp/0", "quic-v1": "/ip4/127.0.0.1/udp/0/quic-v1"}


@pytest.mark.parametrize("transport", LISTEN)
def test_a_program_that_half_closes_gets_its_whole_answer(transport):
    question = os.urandom(8 * MIB + 3)
    with server(answer_after_the_end) as target:
        serving = Serving("/x/test", target, listen=LISTEN[transport])
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/test")
        with stopping(forwarding, serving):
            for _ in range(2):
                with forwarding.connect() as pipe:
                    assert ours.digest(ask(pipe, question)) == ours.digest(question)
            wait_until(lambda: serving.stats()["streams"] == 0, 10, "the end of every stream")


def test_unix_sockets_at_both_ends(tmp_path):
    with server(answer_after_the_end, path=tmp_path / "server") as target:
        serving = Serving("/x/a/b", target)
        forwarding = Forwarding(f"unix:{tmp_path}/client", serving.address, "/x/a/b")
        with stopping(forwarding, serving):
            assert (tmp_path / "client").stat().st_mode & 0o777 == 0o600
            with forwarding.connect() as pipe:
                assert ask(pipe, b"hello") == b"hello"
        assert not (tmp_path / "client").exists()


def test_a_pipe_hears_a_server_that_speaks_first_and_passes_the_end_on():
    def greets(pipe):
        pipe.sendall(b"220 hello\r\n")
        pipe.sendall(b"got %d\r\n" % len(read_all(pipe)))

    with server(greets) as target:
        serving = Serving("/x/smtp", target)
        with stopping(serving):
            outcome = ours.run("pipe", serving.address, "/x/smtp", stdin=b"x" * MIB)
            assert (outcome.code, outcome.stdout) == (0, b"220 hello\r\ngot 1048576\r\n"), outcome
            assert f"WARNING: every peer that connects may use /x/smtp at {target}." in serving.log_text()
            refused = ours.run("pipe", serving.address, "/x/other", stdin=b"")
            assert (refused.code, refused.stdout) == (3, b""), refused
    gone = ours.run("pipe", serving.address, "/x/smtp", "--timeout", 2)
    assert gone.code == 1, gone


def test_a_pipe_passes_on_what_standard_input_still_says_when_the_server_has_ended():
    heard = []

    def ends_first(pipe):
        pipe.sendall(b"bye")
        pipe.shutdown(socket.SHUT_WR)
        threading.Event().wait(0.3)
        heard.append(ours.digest(read_all(pipe)))

    body = os.urandom(8 * MIB + 3)
    with server(ends_first) as target:
        serving = Serving("/x/test", target)
        with stopping(serving):
            outcome = ours.run("pipe", serving.address, "/x/test", stdin=body)
            assert (outcome.code, outcome.stdout) == (0, b"bye"), outcome
            wait_until(lambda: heard, 10, "the server to have read everything")
    assert heard == [ours.digest(body)]


def test_a_pipe_ends_with_its_peer_where_standard_input_says_nothing():
    with server(lambda pipe: pipe.sendall(b"bye")) as target:
        serving = Serving("/x/test", target)
        with stopping(serving):
            outcome = ours.run("pipe", serving.address, "/x/test", stdin=None, timeout=20)
            assert (outcome.code, outcome.stdout) == (0, b"bye"), outcome


def test_a_pipe_says_when_the_peer_takes_no_more_of_standard_input():
    def takes_a_little(pipe):
        pipe.sendall(b"enough")
        pipe.shutdown(socket.SHUT_WR)
        # Its end is on the way before it closes with bytes that it has not read, which is a reset.
        threading.Event().wait(0.5)

    with server(takes_a_little) as target:
        serving = Serving("/x/test", target)
        with stopping(serving):
            outcome = ours.run("pipe", serving.address, "/x/test", stdin=bytes(64 * MIB))
            assert (outcome.code, outcome.stdout) == (1, b"enough"), outcome
            assert "takes no more of standard input" in outcome.stderr, outcome


def test_only_those_who_may_are_told_of_a_service(tmp_path):
    key = tmp_path / "friend.key"
    assert ours.run("key", "new", "--out", key).code == 0
    friend = ours.run("key", "show", key, "--json").objects[0]["peer"]
    with server(answer_after_the_end) as target:
        serving = Serving("/x/secret", target, options=["--peer", friend])
        with stopping(serving):
            allowed = ours.run("pipe", serving.address, "/x/secret", "--key", key, stdin=b"hi")
            assert (allowed.code, allowed.stdout) == (0, b"hi"), allowed
            assert "WARNING" not in serving.log_text()
            stranger = ours.run("pipe", serving.address, "/x/secret", stdin=b"hi")
            assert (stranger.code, stranger.stdout) == (3, b""), stranger
            told = ours.run("identify", serving.address, "--json")
            assert "/x/secret" not in told.stdout.decode(), told
            told = ours.run("identify", serving.address, "--json", "--key", key)
            assert "/x/secret" in told.stdout.decode(), told


def test_rules_are_kept_to_by_name(tmp_path):
    rules = tmp_path / "rules"
    rules.write_text("allow tcp-listen:*\nallow service:/ipfs/*\n")
    with server(answer_after_the_end) as target:
        serving = Serving("/x/a", target, options=["--policy", rules])
        with stopping(serving):
            refused = ours.run("pipe", serving.address, "/x/a", stdin=b"hi")
            assert (refused.code, refused.stdout) == (3, b""), refused
            rules.write_text("allow tcp-listen:*\nallow service:/ipfs/*\nallow service:/x/a\n")
            serving.process.process.send_signal(1)
            serving.process.wait_for("policy")
            allowed = ours.run("pipe", serving.address, "/x/a", stdin=b"hi")
            assert (allowed.code, allowed.stdout) == (0, b"hi"), allowed


def linger_out(pipe):
    """Resets a connection."""
    pipe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pipe.close()


def test_targets_that_refuse_reset_or_hang_have_exact_outcomes_and_leave_nothing():
    released = threading.Event()

    def moody(pipe):
        match pipe.recv(1):
            case b"r":
                linger_out(pipe)
            case b"h":
                released.wait(20)
            case b"e":
                pipe.sendall(b"e" + read_all(pipe))

    with server(moody) as target:
        serving = Serving("/x/moody", target)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/moody")
        with stopping(forwarding, serving):
            with forwarding.connect() as pipe, pytest.raises(ConnectionResetError):
                pipe.sendall(b"r")
                read_all(pipe)
            hanging = [forwarding.connect() for _ in range(20)]
            for pipe in hanging:
                pipe.sendall(b"h")
            with forwarding.connect() as pipe:
                assert ask(pipe, b"echo") == b"echo"
            for pipe in hanging:
                linger_out(pipe)
            released.set()
            wait_until(lambda: serving.stats()["streams"] == 0, 10, "the end of every stream")
    closed = free_port()
    serving = Serving("/x/closed", f"127.0.0.1:{closed}")
    forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/closed")
    with stopping(forwarding, serving):
        with forwarding.connect() as pipe, pytest.raises(ConnectionResetError):
            read_all(pipe)
        failure = serving.process.wait_for("tunnel_failed")
        assert (failure["code"], failure["message"]) == ("refused", f"no connection to 127.0.0.1:{closed}: Connection refused (errno: 111)")
        wait_until(lambda: serving.stats()["streams"] == 0, 10, "the end of every stream")


def test_a_service_that_nobody_serves_ends_connections_and_says_why():
    serving = Serving("/x/a", "127.0.0.1:1")
    forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/b")
    with stopping(forwarding, serving):
        with forwarding.connect() as pipe, pytest.raises(ConnectionResetError):
            read_all(pipe)
        assert forwarding.process.wait_for("tunnel_failed")["code"] == "denied"


def test_over_a_relay_a_tunnel_goes_as_far_as_the_limits_and_it_is_said_when_they_are_reached():
    relay = ours.Daemon(options=["--relay-service", "--limit", "relay.data=256KiB"])
    with server(answer_after_the_end) as target:
        serving = Serving("/x/test", target, options=["--relay", relay.address, "--no-hole-punching"])
        serving.process.wait_for("reserved")
        address = f"{relay.address}/p2p-circuit/p2p/{serving.peer}"
        forwarding = Forwarding("127.0.0.1:0", address, "/x/test", "--no-hole-punching")
        with stopping(forwarding, serving, relay):
            with forwarding.connect() as pipe:
                assert ask(pipe, b"hello") == b"hello"
            with forwarding.connect() as pipe, pytest.raises(ConnectionError):
                pipe.sendall(bytes(MIB))
                read_all(pipe)
            failure = forwarding.process.wait_for("tunnel_failed")
            assert failure["code"] == "connectionLost" and "limited: 256 KiB of relay" in failure["message"], failure

            def works_again():
                try:
                    with forwarding.connect() as pipe:
                        return ask(pipe, b"hello") == b"hello"
                except OSError:
                    return False

            wait_until(works_again, 20, "another circuit")


def test_more_connections_than_there_are_places_wait_their_turn():
    with server(answer_after_the_end) as target:
        serving = Serving("/x/test", target)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/test")
        with stopping(forwarding, serving):
            answers = []

            def dial():
                with forwarding.connect(60) as pipe:
                    answers.append(ask(pipe, b"hello"))

            # More than the 64 that may be opened at a time.
            for _ in range(4):
                dialers = [threading.Thread(target=dial) for _ in range(125)]
                for dialer in dialers:
                    dialer.start()
                for dialer in dialers:
                    dialer.join(60)
            assert answers == [b"hello"] * 500
            wait_until(lambda: serving.stats()["streams"] == 0, 10, "the end of every stream")


def test_ten_thousand_opens_of_one_peer_are_bounded_and_leave_nothing():
    with server(answer_after_the_end) as target:
        serving = Serving("/x/test", target)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/test")
        with stopping(forwarding, serving):
            peer = session(serving.endpoint)
            say = token(MULTISTREAM) + token("/x/test") + b"hello"

            def opens(count):
                """Some are whole, some taken back, and some never go on."""
                for number in range(count):
                    stream = peer.next_id()
                    yield data_frame(stream, say, SYN)
                    if number % 3 < 2:
                        yield Frame(WINDOW_UPDATE, FIN if number % 3 else RST, stream, 0)

            peer.flood(list(opens(100)) for _ in range(100))
            # Others are served meanwhile, and afterwards nothing is left of it.
            with forwarding.connect() as pipe:
                assert ask(pipe, b"hello") == b"hello"
            peer.link.close()
            wait_until(lambda: serving.stats()["streams"] == 0, 20, "the end of every stream")

            def is_listed_idle():
                listed = [item for item in ours.run("tunnel", "ls").objects if item["kind"] == "serve" and item["service"] == "/x/test"]
                return any(item["flows"] == 0 and item["total_flows"] > 0 for item in listed)

            wait_until(is_listed_idle, 20, "the end of every flow")


def echo(pipe):
    while chunk := pipe.recv(1 << 16):
        pipe.sendall(chunk)


@pytest.mark.parametrize("transport", LISTEN)
def test_a_well_behaved_client_has_every_one_of_ten_thousand_and_of_a_thousand_at_once_no_more_than_its_share(transport):
    """A flow is one of the peer's 256 until the program is gone; what is beyond is refused, each time with the same code, and the next is served."""
    with server(echo) as target:
        serving = Serving("/x/test", target, listen=LISTEN[transport])
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/test")
        with stopping(forwarding, serving):
            served = [0] * 4

            def one_after_another(worker):
                for number in range(2_500):
                    with forwarding.connect() as pipe:
                        served[worker] += ask(pipe, b"%d" % number) == b"%d" % number

            workers = [threading.Thread(target=one_after_another, args=(worker,)) for worker in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(300)
            assert served == [2_500] * 4 and not forwarding.process.all("tunnel_failed")

            def outcome(act):
                """A reset is told once, to whatever comes first."""
                try:
                    return act()
                except (BrokenPipeError, ConnectionResetError):
                    return "reset"

            tried = [outcome(lambda: forwarding.connect(60)) for _ in range(1_000)]
            pipes = [pipe for pipe in tried if pipe != "reset"]
            said = [outcome(lambda: pipe.sendall(b"x")) for pipe in pipes]  # noqa: B023
            outcomes = [already or outcome(lambda: pipe.recv(1)) for already, pipe in zip(said, pipes)]  # noqa: B023
            outcomes += ["reset"] * (len(tried) - len(pipes))
            refused = outcomes.count("reset")
            assert (outcomes.count(b"x"), refused) == (256, 744), outcomes
            wait_until(lambda: len(forwarding.process.all("tunnel_failed")) == refused, 20, "what is said of each refusal")
            assert {item["code"] for item in forwarding.process.all("tunnel_failed")} == {"busy"}
            for pipe in pipes:
                pipe.close()
            wait_until(lambda: serving.stats()["streams"] == 0, 20, "the end of every stream")
            wait_until(lambda: all(item["flows"] == 0 for item in ours.run("tunnel", "ls").objects), 20, "the end of every flow")
            with forwarding.connect() as pipe:
                assert ask(pipe, b"again") == b"again"


class Echo:
    """Returns datagrams; one that asks for it comes back as large as datagrams get."""

    def __enter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self):
        while True:
            try:
                data, source = self._socket.recvfrom(65_535)
            except OSError:
                return
            self._socket.sendto(b"\xee" * 65_507 if data == b"large" else data, source)

    def __exit__(self, *_):
        self._socket.close()


@pytest.mark.parametrize("transport", LISTEN)
def test_datagrams_keep_their_bounds_and_their_sources(transport):
    with Echo() as echo:
        serving = Serving("/x/udp", echo.address, listen=LISTEN[transport], options=["--udp"])
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/udp", "--udp")
        with stopping(forwarding, serving):
            for number in range(5):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
                    program.settimeout(10)
                    program.connect(("127.0.0.1", forwarding.port))
                    for data in (b"", b"%d" % number, os.urandom(1_200), os.urandom(65_507)):
                        program.send(data)
                        assert program.recv(65_535) == data
                    program.send(b"large")
                    assert program.recv(65_535) == b"\xee" * 65_507


class SOCKS:
    """A program that speaks SOCKS 5."""

    def __init__(self, port):
        self.pipe = socket.create_connection(("127.0.0.1", port), 20)
        self.pipe.sendall(b"\x05\x01\x00")
        assert self.pipe.recv(2) == b"\x05\x00"

    def ask(self, command, host, port):
        """The reply's code, and where the server has bound."""
        name = host.encode()
        self.pipe.sendall(struct.pack("!BBBBB", 5, command, 0, 3, len(name)) + name + struct.pack("!H", port))
        reply = self.pipe.recv(10)
        assert reply[:1] == b"\x05" and reply[2:4] == b"\x00\x01", reply
        return reply[1], struct.unpack("!H", reply[8:])[0]


def test_socks_reaches_what_the_exit_grants_and_nothing_else(tmp_path):
    with server(answer_after_the_end) as target, Echo() as echo:
        port, udp = int(target.rpartition(":")[2]), int(echo.address.rpartition(":")[2])
        rules = tmp_path / "rules"
        rules.write_text(
            "allow tcp-listen:*\n"
            f"allow tunnel-connect:tcp/127.0.0.1:{port},1\nallow tunnel-connect:tcp/localhost:{port}\n"
            f"allow tunnel-connect:udp/127.0.0.1:{udp}\nallow service:*\n"
        )
        exit_ = ours.Daemon(options=["--policy", rules])
        socks = Forwarding("--listen", "127.0.0.1:0", "--via", exit_.address, command=["socks"])
        with stopping(socks, exit_):
            granted = SOCKS(socks.port)
            assert granted.ask(1, "127.0.0.1", port)[0] == 0
            assert ask(granted.pipe, b"hello") == b"hello"
            named = SOCKS(socks.port)
            assert named.ask(1, "localhost", port)[0] == 0
            assert ask(named.pipe, b"hello") == b"hello"
            assert SOCKS(socks.port).ask(1, "127.0.0.1", port + 1)[0] == 2
            assert SOCKS(socks.port).ask(1, "10.0.0.1", port)[0] == 2
            assert SOCKS(socks.port).ask(1, "127.0.0.1", 1)[0] == 5
            assert SOCKS(socks.port).ask(2, "127.0.0.1", port)[0] == 7
            relay = SOCKS(socks.port)
            code, bound = relay.ask(3, "0.0.0.0", 0)
            assert code == 0
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
                program.settimeout(10)
                head = b"\0\0\0\1" + socket.inet_aton("127.0.0.1") + struct.pack("!H", udp)
                program.sendto(b"\0\0\1" + head[3:] + b"a fragment", ("127.0.0.1", bound))
                program.sendto(head + b"ping", ("127.0.0.1", bound))
                assert program.recv(100) == head + b"ping"
            relay.pipe.close()
            wait_until(lambda: exit_.stats()["streams"] == 0, 10, "the end of every stream")
            curl = subprocess.run(
                ["curl", "-s", "-m", "10", "--socks5-hostname", socks.listen, f"http://127.0.0.1:{port + 1}/"], capture_output=True
            )
            assert curl.returncode == 97, curl


def test_what_is_listened_on_already_is_said_and_ends_it():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        serving = Serving("/x/a", "127.0.0.1:1")
        with stopping(serving):
            outcome = ours.run("tunnel", "forward", "127.0.0.1:%d" % taken.getsockname()[1], serving.address, "/x/a", "--json")
            assert (outcome.code, outcome.error["code"]) == (1, "notBound"), outcome


@pytest.mark.parametrize(
    "arguments",
    [
        ["tunnel", "serve", "/y/a", "127.0.0.1:1"],
        ["tunnel", "serve", "/x/a", "127.0.0.1:0"],
        ["tunnel", "serve", "/x/a", "127.0.0.1"],
        ["tunnel", "forward", "127.0.0.1:0", "/ip4/127.0.0.1/tcp/1", "/x/a"],
        ["socks", "--listen", "0.0.0.0:0", "--via", "/ip4/127.0.0.1/tcp/1"],
    ],
    ids=lambda arguments: " ".join(arguments[:4]),
)
def test_wrong_usage_is_told(arguments):
    assert ours.run(*arguments).code == 64


def test_tunnels_are_listed_and_closed():
    # The path of a unix socket has 107 bytes at most.
    folder = tempfile.TemporaryDirectory(prefix="p2p", dir="/tmp")
    runtime = {"P2P_RUNTIME_DIR": folder.name + "/run"}
    os.environ.update(runtime)
    try:
        with server(answer_after_the_end) as target:
            serving = Serving("/x/a", target)
            forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/a")
            with stopping(forwarding, serving):
                with forwarding.connect() as pipe:
                    assert ask(pipe, b"hello") == b"hello"
                wait_until(lambda: len(ours.run("tunnel", "ls").objects) == 2, 10, "the list")
                listed = {item["kind"]: item for item in ours.run("tunnel", "ls").objects}
                assert (listed["forward"]["local"], listed["forward"]["bytes_in"]) == (forwarding.listen, 5), listed
                assert (listed["serve"]["local"], listed["serve"]["total_flows"]) == (target, 1), listed
                assert ours.run("tunnel", "close", listed["forward"]["id"]).code == 0
                assert ours.run("tunnel", "close", listed["forward"]["id"]).code == 1
                with pytest.raises(ConnectionRefusedError):
                    forwarding.connect()
                assert ours.run("tunnel", "close", listed["serve"]["id"]).code == 0
                assert ours.run("pipe", serving.address, "/x/a").code == 3
            assert ours.run("tunnel", "ls").stdout == b""
            assert os.listdir(folder.name + "/run") == []
    finally:
        del os.environ["P2P_RUNTIME_DIR"]


def test_tunnels_of_a_file_come_back_after_a_restart(tmp_path):
    port = free_port()
    with server(answer_after_the_end) as target:
        (tmp_path / "serving").write_text(f"serve /x/a {target}\n")
        serving = ours.Daemon(options=["--tunnels", tmp_path / "serving"])
        with stopping(serving):
            (tmp_path / "forwarding").write_text(f"forward 127.0.0.1:{port} {serving.address} /x/a\n")
            for _ in range(2):
                forwarding = ours.Daemon(options=["--tunnels", tmp_path / "forwarding"])
                with stopping(forwarding):
                    assert forwarding.process.wait_for("forwarding")["listen"] == f"127.0.0.1:{port}"
                    with socket.create_connection(("127.0.0.1", port), 20) as pipe:
                        assert ask(pipe, b"hello") == b"hello"
    (tmp_path / "wrong").write_text("serve /x/a\n")
    outcome = ours.run("daemon", "--tunnels", tmp_path / "wrong", "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "tunnelsNotRead"), outcome
