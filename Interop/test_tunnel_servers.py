"""Real servers and their own clients, each through a peer: over TCP, over QUIC, and over a circuit that a relay lends.

One node serves all of them, and for each way one node brings them to local ports, both by a file of tunnels.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile

import pytest

from peers import clock, ours
from peers.clock import wait_until
from peers.ports import free_port
from peers.tunnels import listens, program, stopping

MIB = 1024 * 1024
TCP, QUIC = "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"
WAYS = ["tcp", "quic-v1", "relay"]
LINE = "0123456789" * 6 + "\r\n"
SERVICES = ["redis", "ssh", "web", "mqtt", "coap", "irc", "smtp", "ipp", "iperf", "dav", "vnc"]
DATAGRAMS = {"coap", "iperf"}
STREAMS = set(SERVICES) - {"coap"}


def needs(*commands):
    missing = [name for name in commands if not find(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def from_venv(name):
    """A program of the harness's own python."""
    return [sys.executable, pathlib.Path(sys.executable).with_name(name)]


def run(*command, stdin=b"", timeout=60, **settings):
    return subprocess.run([str(part) for part in command], input=stdin, capture_output=True, timeout=timeout, **settings)


class Town:
    """The nodes. Servers come to their ports when a test wants them."""

    def __init__(self, room):
        self._room = room
        self.server_ports = self._ports()
        lines = [f"serve /x/{name} 127.0.0.1:{self.server_ports[name]}" for name in STREAMS]
        lines += [f"serve /x/{name} 127.0.0.1:{self.server_ports[name]} udp" for name in DATAGRAMS]
        limits = ["--limit", "relay.data=4GiB", "--limit", "relay.duration=3600"]
        self.relay = ours.Daemon(TCP, options=["--relay-service", *limits])
        options = ["--relay", self.relay.address, "--no-hole-punching"]
        self.serving = ours.Daemon([TCP, QUIC], options=[*self._tunnels("serving", lines), *options])
        self.serving.process.wait_for("reserved", timeout=30)
        self._forwarding = {}

    @staticmethod
    def _ports():
        """Different ones, free for datagrams as well: iperf3 wants one port for both."""
        found = set()
        while len(found) < len(SERVICES):
            found.add(free_port())
        return dict(zip(SERVICES, found))

    def _tunnels(self, name, lines):
        (self._room / name).write_text("\n".join(lines) + "\n")
        return ["--tunnels", self._room / name]

    def port(self, way, service):
        if way not in self._forwarding:
            address = {
                "tcp": next(item for item in self.serving.addresses if "/tcp/" in item),
                "quic-v1": next(item for item in self.serving.addresses if "quic" in item),
                "relay": f"{self.relay.address}/p2p-circuit/p2p/{self.serving.peer}",
            }[way]
            ports = self._ports()
            lines = [f"forward 127.0.0.1:{ports[name]} {address} /x/{name}" for name in STREAMS]
            lines += [f"forward 127.0.0.1:{ports[name]} {address} /x/{name} udp" for name in DATAGRAMS]
            node = ours.Daemon(TCP, options=[*self._tunnels(way, lines), "--no-hole-punching"])
            node.process.wait_for("connected", timeout=30)
            for name in STREAMS:
                node.process.wait_for(lambda item: item.get("service") == f"/x/{name}" and not item["udp"])  # noqa: B023
            for name in DATAGRAMS:
                node.process.wait_for(lambda item: item.get("service") == f"/x/{name}" and item["udp"])  # noqa: B023
            self._forwarding[way] = node, ports
        return self._forwarding[way][1][service]

    def check(self):
        """What was said to go through the relay did, and nothing is left when the programs' side is gone: datagrams have no other end."""
        if "relay" in self._forwarding:
            met = [item for item in self._forwarding["relay"][0].process.all("connected") if item["peer"] == self.serving.peer]
            assert met and all(item["limited"] for item in met), met
        with stopping(*(node for node, _ in self._forwarding.values())):
            pass
        wait_until(lambda: self.serving.stats()["streams"] == 0, 20, "the end of every stream")
        if "relay" in self._forwarding:
            wait_until(lambda: self.relay.stats()["relay"]["bytes"] > MIB, 20, "the count of the relay")


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    made = Town(tmp_path_factory.mktemp("town"))
    yield made
    with stopping(made.serving, made.relay):
        made.check()


@pytest.fixture(params=WAYS)
def ports(request, town):
    """The local port of each service, by one of the ways."""

    class Ports:
        way = request.param

        def __getitem__(self, service):
            return town.port(request.param, service)

    return Ports()


@pytest.fixture(scope="module")
def room():
    """A directory with a short path, for servers that make unix sockets or count their characters."""
    with tempfile.TemporaryDirectory(prefix="town-") as path:
        yield pathlib.Path(path)


@contextlib.contextmanager
def server(town, service, *command, **settings):
    """Runs a server until the module's end; its port stands for `PORT` in the command."""
    port = town.server_ports[service]
    with program(*(str(part).replace("PORT", str(port)) for part in command), until=listens(port), **settings) as process:
        yield process


# redis: a client that half-closes


@pytest.fixture(scope="module")
def redis(town, room):
    command = [find("redis-server"), "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", room]
    with server(town, "redis", *command):
        yield


@needs("redis-cli", "redis-server")
def test_redis_with_a_client_that_half_closes(redis, ports):
    commands = "".join(f"*3\r\n$3\r\nSET\r\n$6\r\nk{n:05}\r\n$5\r\nv{n:04}\r\n" for n in range(10_000))
    piped = run("redis-cli", "-p", ports["redis"], "--pipe", stdin=commands.encode())
    assert b"errors: 0, replies: 10000" in piped.stdout, piped
    assert run("redis-cli", "-p", ports["redis"], "get", "k09999").stdout == b"v9999\n"


# ssh and scp


@pytest.fixture(scope="module")
def ssh_options(town, room):
    """A dropbear that lets one key in; yields the options of ssh and scp."""
    assert run(find("dropbearkey"), "-t", "ed25519", "-f", room / "host").returncode == 0
    assert run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", room / "key").returncode == 0
    keys = pathlib.Path.home() / ".ssh" / "authorized_keys"
    before = keys.read_bytes() if keys.exists() else None
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_bytes((before or b"") + (room / "key.pub").read_bytes())
    keys.chmod(0o600)
    options = ["-i", room / "key", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    try:
        with server(town, "ssh", find("dropbear"), "-F", "-E", "-r", room / "host", "-p", "127.0.0.1:PORT", "-s"):
            yield [*options, "-o", "LogLevel=ERROR", "-F", "none"]
    finally:
        keys.unlink() if before is None else keys.write_bytes(before)


@needs("dropbear", "dropbearkey", "ssh", "scp", "ssh-keygen")
def test_ssh_and_scp(ssh_options, ports, tmp_path):
    said = run("ssh", *ssh_options, "-p", ports["ssh"], "root@127.0.0.1", "cat; echo done", stdin=b"hello\n")
    assert (said.returncode, said.stdout) == (0, b"hello\ndone\n"), said
    (tmp_path / "up").write_bytes(os.urandom(MIB) * (100 if ports.way == "tcp" else 8))
    (tmp_path / "down").write_bytes(os.urandom(8 * MIB))
    there = "root@127.0.0.1"
    for ends in ((tmp_path / "up", f"{there}:{tmp_path}/up.there"), (f"{there}:{tmp_path}/down", tmp_path / "down.here")):
        copied = run("scp", "-O", "-q", *ssh_options, "-P", ports["ssh"], *ends, timeout=180)
        assert copied.returncode == 0, copied
    assert (tmp_path / "up.there").read_bytes() == (tmp_path / "up").read_bytes()
    assert (tmp_path / "down.here").read_bytes() == (tmp_path / "down").read_bytes()


@needs("dropbear", "dropbearkey", "ssh", "ssh-keygen")
def test_ssh_over_a_pipe(ssh_options, town):
    address = next(item for item in town.serving.addresses if "/tcp/" in item)
    for address in (address, f"{town.relay.address}/p2p-circuit/p2p/{town.serving.peer}"):
        proxy = f"ProxyCommand={ours.BINARY} pipe {address} /x/ssh --no-hole-punching"
        said = run("ssh", *ssh_options, "-o", proxy, "root@peer", "cat; echo done", stdin=b"hello\n", env=ours.environment())
        assert (said.returncode, said.stdout) == (0, b"hello\ndone\n"), said


# the web


@pytest.fixture(scope="module")
def nginx(town, room):
    """Yields what it serves as /file."""
    content = os.urandom(3 * MIB)
    (room / "web").mkdir()
    (room / "web" / "file").write_bytes(content)
    (room / "web" / "small").write_bytes(b"small")
    (room / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; pid {room}/pid; error_log {room}/error.log; user root;
        events {{}}
        http {{
            access_log off; keepalive_requests 10000;
            client_body_temp_path {room}/b; proxy_temp_path {room}/p; fastcgi_temp_path {room}/f;
            uwsgi_temp_path {room}/u; scgi_temp_path {room}/s;
            server {{ listen 127.0.0.1:{town.server_ports["web"]}; root {room}/web; }}
        }}"""
    )
    with server(town, "web", find("nginx"), "-c", room / "nginx.conf"):
        yield content


@needs("nginx", "curl")
def test_nginx_with_ranges_and_a_thousand_requests_on_few_connections(nginx, ports):
    url = f"http://127.0.0.1:{ports['web']}"
    assert run("curl", "-sf", f"{url}/file").stdout == nginx
    assert run("curl", "-sf", "-r", "1000000-1999999", f"{url}/file").stdout == nginx[1_000_000:2_000_000]
    many = run("curl", "-sf", "-w", "%{stderr}%{num_connects}", f"{url}/small?[1-1000]")
    assert many.stdout == b"small" * 1000 and many.stderr.count(b"1") == 1, many.stderr
    at_once = run("curl", "-sf", "--no-progress-meter", "--parallel", "--parallel-max", 20, f"{url}/small?[1-200]")
    assert at_once.stdout == b"small" * 200, at_once.stderr


@pytest.fixture(scope="module")
def dav(town, room):
    """Yields the directory that it serves."""
    (room / "dav").mkdir()
    command = [*from_venv("wsgidav"), "-H", "127.0.0.1", "-p", "PORT", "-r", room / "dav", "--auth=anonymous", "-q"]
    with server(town, "dav", *command, cwd=room):
        yield room / "dav"


@needs("curl")
def test_webdav(dav, ports, tmp_path):
    url = f"http://127.0.0.1:{ports['dav']}"
    (tmp_path / "sent").write_bytes(os.urandom(MIB))

    def curl(*arguments):
        done = run("curl", "-s", "-f", *arguments)
        assert done.returncode == 0, (arguments, done)
        return done.stdout

    curl("-X", "MKCOL", f"{url}/{ports.way}")
    curl("-T", tmp_path / "sent", f"{url}/{ports.way}/first")
    curl("-X", "MOVE", "-H", f"Destination: {url}/{ports.way}/second", f"{url}/{ports.way}/first")
    assert f"/{ports.way}/second" in curl("-X", "PROPFIND", "-H", "Depth: 1", f"{url}/{ports.way}").decode()
    assert curl(f"{url}/{ports.way}/second") == (dav / ports.way / "second").read_bytes() == (tmp_path / "sent").read_bytes()
    curl("-X", "DELETE", f"{url}/{ports.way}/")
    assert not (dav / ports.way).exists()


# messages


@pytest.fixture(scope="module")
def mosquitto(town):
    with server(town, "mqtt", find("mosquitto"), "-p", "PORT"):
        yield


@needs("mosquitto", "mosquitto_pub", "mosquitto_sub")
def test_mqtt_between_two_programs(mosquitto, ports):
    port = ports["mqtt"]
    command = ["mosquitto_sub", "-p", str(port), "-t", ports.way, "-C", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as subscriber:
        # Nobody is told when it has subscribed, so they come until it has had enough.
        deadline = clock.Deadline(20)
        try:
            while subscriber.poll() is None and not deadline.is_over:
                assert run("mosquitto_pub", "-p", port, "-t", ports.way, "-m", "message").returncode == 0
        finally:
            subscriber.terminate()
        assert subscriber.stdout.read() == b"message\n" * 3


@pytest.fixture(scope="module")
def ngircd(town, room):
    (room / "ngircd.conf").write_text(
        f"""
        [Global]
        Name = irc.test
        Info = test
        Listen = 127.0.0.1
        Ports = {town.server_ports["irc"]}
        [Limits]
        MaxConnectionsIP = 0
        [Options]
        Ident = no
        PAM = no
        DNS = no
        """
    )
    with server(town, "irc", find("ngircd"), "-n", "-f", room / "ngircd.conf"):
        yield


class Chatter:
    """An ii, an IRC client whose input and output are files."""

    def __init__(self, name, port, room, stack):
        self._room = room / name / "127.0.0.1"
        self._process = subprocess.Popen(
            ["ii", "-s", "127.0.0.1", "-p", str(port), "-n", name, "-i", str(room / name)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        stack.callback(self.stop)
        self.wait_for("End of MOTD|MOTD File is missing")

    def say(self, text, channel=""):
        (self._room / channel / "in").write_text(text + "\n")

    def wait_for(self, pattern, channel=""):
        heard = self._room / channel / "out"
        wait_until(lambda: heard.exists() and re.search(pattern, heard.read_text(errors="replace")), 20, pattern)

    def stop(self):
        self._process.terminate()
        self._process.wait(10)


@needs("ngircd", "ii")
def test_irc_with_two_clients_that_hear_each_other(ngircd, ports, tmp_path):
    with contextlib.ExitStack() as stack:
        one, two = (Chatter(name, ports["irc"], tmp_path, stack) for name in ("one", "two"))
        one.say("/j #room")
        one.wait_for("one.*has joined", "#room")
        two.say("/j #room")
        one.wait_for("two.*has joined", "#room")
        two.wait_for("two.*has joined", "#room")
        one.say("hello two", "#room")
        two.wait_for("<one> hello two", "#room")
        two.say("hello one", "#room")
        one.wait_for("<two> hello one", "#room")


@pytest.fixture(scope="module")
def smtp(town, room):
    """Yields the directory of its mailbox."""
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:PORT", "-c", "aiosmtpd.handlers.Mailbox", room / "mail"]
    with server(town, "smtp", *command):
        yield room / "mail"


def test_mail_to_a_server_that_speaks_first(smtp, ports):
    body = f"by {ports.way}\r\n" + LINE * 2_000
    with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=20) as client:
        assert client.ehlo()[0] == 250
        assert client.sendmail("a@one.test", ["b@two.test"], f"Subject: hello\r\n\r\n{body}") == {}
    kept = [path.read_text() for path in (smtp / "new").iterdir()]
    assert [text.count(LINE.strip()) for text in kept if f"by {ports.way}" in text] == [2_000]


# a printer


@pytest.fixture(scope="module")
def printer(town, room):
    """Yields the directory that it prints into."""
    (room / "printed").mkdir()
    with server(town, "ipp", sys.executable, "-m", "ippserver", "-H", "127.0.0.1", "-p", "PORT", "save", room / "printed"):
        yield room / "printed"


@needs("ipptool")
def test_a_printer(printer, ports, tmp_path):
    url = f"ipp://127.0.0.1:{ports['ipp']}/"
    # The test files of ipptool want more of a printer than this one has; what it says is heard all the same.
    told = run("ipptool", "-tv", url, "get-printer-attributes.test")
    assert b"printer-name" in told.stdout and b"ipp-versions-supported" in told.stdout, told
    document = os.urandom(300_000)
    (tmp_path / "document").write_bytes(document)
    run("ipptool", "-tv", "-f", tmp_path / "document", url, "print-job.test")
    wait_until(lambda: any(path.read_bytes() == document for path in printer.iterdir()), 10, "the document")


# a desktop


@pytest.fixture(scope="module")
def desktop(town):
    """Yields the port of an X server whose screen has a pattern, and nothing that moves."""
    port = town.server_ports["vnc"]
    screen = ["-geometry", "640x480", "-depth", "24", "-retro", "-nocursor"]
    with server(town, "vnc", find("Xtigervnc"), f":{port}", "-rfbport", "PORT", "-localhost", "-SecurityTypes", "None", *screen):
        yield port


@needs("Xtigervnc", "vncsnapshot")
def test_a_desktop_by_vnc(desktop, ports, tmp_path):
    def picture(port, encoding):
        path = tmp_path / f"{port}-{encoding}.jpg"
        taken = run("vncsnapshot", "-encodings", encoding, f"127.0.0.1::{port}", path)
        assert taken.returncode == 0, taken
        return path.read_bytes()

    there = picture(desktop, "raw")
    assert there.startswith(b"\xff\xd8\xff") and len(there) > 10_000
    for encoding in ("raw", "hextile"):
        assert picture(ports["vnc"], encoding) == there


# datagrams


@pytest.fixture(scope="module")
def coap(town):
    port = town.server_ports["coap"]

    def answers():
        return run("coap-client-notls", "-B", 1, "-m", "get", f"coap://127.0.0.1:{port}/").stdout != b""

    with program(find("coap-server-notls"), "-A", "127.0.0.1", "-p", port, "-d", "10", until=answers):
        yield


@needs("coap-server-notls", "coap-client-notls")
def test_coap_with_a_block_wise_transfer(coap, ports, tmp_path):
    sent = os.urandom(20_000)
    (tmp_path / "sent").write_bytes(sent)
    resource = f"coap://127.0.0.1:{ports['coap']}/{ports.way}"
    put = run("coap-client-notls", "-B", 20, "-b", 1024, "-m", "put", "-f", tmp_path / "sent", resource)
    assert put.returncode == 0, put
    got = run("coap-client-notls", "-B", 20, "-b", 1024, "-m", "get", "-o", tmp_path / "got", resource)
    assert got.returncode == 0 and (tmp_path / "got").read_bytes() == sent, got


@pytest.fixture(scope="module")
def iperf(town):
    with server(town, "iperf", find("iperf3"), "-s", "-B", "127.0.0.1", "-p", "PORT"):
        yield


def measure(port, *arguments):
    """What iperf3 says when it has counted at both ends. It serves one after the other, so the last may have to be waited for."""
    deadline = clock.Deadline(20)
    while True:
        done = run("iperf3", "-c", "127.0.0.1", "-p", port, "--json", *arguments)
        told = json.loads(done.stdout)
        if "error" not in told:
            return told["end"]
        assert not deadline.is_over, told["error"]


@needs("iperf3")
def test_iperf_over_streams_both_ways(iperf, ports):
    for direction in ([], ["-R"]):
        # Not as fast as it goes: what is still on its way when the sender says that it is done, iperf3 does not count.
        end = measure(ports["iperf"], "-b", "8M", "-P", "2", "-t", "1", *direction)
        assert end["sum_sent"]["bytes"] > MIB and end["sum_received"]["bytes"] > MIB // 4, end


@needs("iperf3")
def test_iperf_over_datagrams(iperf, ports):
    end = measure(ports["iperf"], "-u", "-b", "4M", "-l", "1000", "-t", "1")
    # 500 a second. Where the machine stands still for longer than 64 of them take, some are lost, as it has to be.
    assert end["sum"]["packets"] > 400 and end["sum"]["lost_percent"] < 50, end["sum"]
