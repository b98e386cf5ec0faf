"""Real servers and their own clients, each through a peer."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from peers import clock, ours
from peers.ports import free_port
from peers.redis_server import RedisServer
from peers.tunnels import Forwarding, Serving, listens, program, stopping

MIB = 1024 * 1024
TCP, QUIC = "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"


def needs(*commands):
    missing = [name for name in commands if not find(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def run(*command, stdin=b"", timeout=60, **settings):
    return subprocess.run([str(part) for part in command], input=stdin, capture_output=True, timeout=timeout, **settings)


@needs("redis-cli", "redis-server")
def test_redis_with_a_client_that_half_closes():
    redis = RedisServer()
    try:
        serving = Serving("/x/redis", redis.address, listen=TCP)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/redis")
        with stopping(forwarding, serving):
            commands = "".join(f"*3\r\n$3\r\nSET\r\n$6\r\nk{n:05}\r\n$5\r\nv{n:04}\r\n" for n in range(10_000))
            piped = run("redis-cli", "-p", forwarding.port, "--pipe", stdin=commands.encode())
            assert b"errors: 0, replies: 10000" in piped.stdout, piped
            assert run("redis-cli", "-p", forwarding.port, "get", "k09999").stdout == b"v9999\n"
    finally:
        redis.stop()


@pytest.fixture
def sshd(tmp_path):
    """A dropbear that lets one key in; yields its address, and the options of ssh and scp."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="ssh-"))
    port = free_port()
    assert run(find("dropbearkey"), "-t", "ed25519", "-f", home / "host").returncode == 0
    assert run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "key").returncode == 0
    keys = pathlib.Path.home() / ".ssh" / "authorized_keys"
    before = keys.read_bytes() if keys.exists() else None
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_bytes((before or b"") + (home / "key.pub").read_bytes())
    keys.chmod(0o600)
    options = ["-i", home / "key", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={home}/known", "-o", "BatchMode=yes"]
    try:
        with program(find("dropbear"), "-F", "-E", "-r", home / "host", "-p", f"127.0.0.1:{port}", "-s", until=listens(port)):
            yield f"127.0.0.1:{port}", [*options, "-F", "none"]
    finally:
        keys.unlink() if before is None else keys.write_bytes(before)
        shutil.rmtree(home)


@needs("dropbear", "dropbearkey", "ssh", "scp", "ssh-keygen")
def test_ssh_over_a_pipe_and_scp_over_a_forward(sshd, tmp_path):
    address, options = sshd
    serving = Serving("/x/ssh", address, listen=[TCP, QUIC])
    quic = next(item for item in serving.addresses if "quic" in item)
    forwarding = Forwarding("127.0.0.1:0", quic, "/x/ssh")
    with stopping(forwarding, serving):
        proxy = f"ProxyCommand={ours.BINARY} pipe {serving.addresses[0]} /x/ssh"
        said = run("ssh", *options, "-o", proxy, "root@peer", "cat; echo done", stdin=b"hello\n", env=ours.environment())
        assert (said.returncode, said.stdout) == (0, b"hello\ndone\n"), said
        (tmp_path / "file").write_bytes(os.urandom(16 * MIB))
        for source, target in (("file", None), (None, "back")):
            there = f"root@127.0.0.1:{tmp_path}/there"
            ends = [tmp_path / source if source else there, tmp_path / target if target else there]
            copied = run("scp", "-O", "-q", *options, "-P", forwarding.port, *ends)
            assert copied.returncode == 0, copied
        assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()


@needs("nginx", "curl")
def test_nginx_with_ranges_and_a_thousand_requests_on_few_connections(tmp_path):
    port = free_port()
    content = os.urandom(3 * MIB)
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "small").write_bytes(b"small")
    (tmp_path / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; user root;
        events {{}}
        http {{
            access_log off; keepalive_requests 10000;
            client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;
            uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
            server {{ listen 127.0.0.1:{port}; root {tmp_path}; }}
        }}"""
    )
    with program(find("nginx"), "-c", tmp_path / "nginx.conf", until=listens(port)):
        serving = Serving("/x/web", f"127.0.0.1:{port}", listen=QUIC)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/web")
        with stopping(forwarding, serving):
            url = f"http://127.0.0.1:{forwarding.port}"
            assert run("curl", "-sf", f"{url}/file").stdout == content
            assert run("curl", "-sf", "-r", "1000000-1999999", f"{url}/file").stdout == content[1_000_000:2_000_000]
            many = run("curl", "-sf", f"{url}/small?[1-1000]")
            assert many.stdout == b"small" * 1000, many.stderr
            at_once = run("curl", "-sf", "--no-progress-meter", "--parallel", "--parallel-max", 20, f"{url}/small?[1-200]")
            assert at_once.stdout == b"small" * 200, at_once.stderr


@needs("mosquitto", "mosquitto_pub", "mosquitto_sub")
def test_mqtt_between_two_programs():
    port = free_port()
    with program(find("mosquitto"), "-p", port, until=listens(port)):
        serving = Serving("/x/mqtt", f"127.0.0.1:{port}", listen=TCP)
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/mqtt")
        with stopping(forwarding, serving):
            command = ["mosquitto_sub", "-p", str(forwarding.port), "-t", "t", "-C", "3"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as subscriber:
                # Nobody is told when it has subscribed, so they come until it has had enough.
                deadline = clock.Deadline(20)
                while subscriber.poll() is None and not deadline.is_over:
                    assert run("mosquitto_pub", "-p", forwarding.port, "-t", "t", "-m", "message").returncode == 0
                subscriber.terminate()
                assert subscriber.stdout.read() == b"message\n" * 3


@needs("coap-server-notls", "coap-client-notls")
@pytest.mark.parametrize("listen", [TCP, QUIC], ids=["tcp", "quic-v1"])
def test_coap_with_a_block_wise_transfer(listen, tmp_path):
    port = free_port()
    sent = os.urandom(20_000)
    (tmp_path / "sent").write_bytes(sent)
    command = [find("coap-server-notls"), "-A", "127.0.0.1", "-p", port, "-d", "10"]

    def answers():
        return run("coap-client-notls", "-B", 1, "-m", "get", f"coap://127.0.0.1:{port}/").stdout != b""

    with program(*command, until=answers):
        serving = Serving("/x/coap", f"127.0.0.1:{port}", listen=listen, options=["--udp"])
        forwarding = Forwarding("127.0.0.1:0", serving.address, "/x/coap", "--udp")
        with stopping(forwarding, serving):
            resource = f"coap://127.0.0.1:{forwarding.port}/block"
            put = run("coap-client-notls", "-B", 20, "-b", 1024, "-m", "put", "-f", tmp_path / "sent", resource)
            assert put.returncode == 0, put
            got = run("coap-client-notls", "-B", 20, "-b", 1024, "-m", "get", "-o", tmp_path / "got", resource)
            assert got.returncode == 0 and (tmp_path / "got").read_bytes() == sent, got
