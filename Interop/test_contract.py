"""`p2p interop`: the official interoperability contract, both generations, as dialer and as listener."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import uuid

import pytest

from conftest import STACKS
from peers import ours, p2pd
from peers.processes import tied
from peers.redis_server import RedisServer

GO_APP = [sys.executable, pathlib.Path(__file__).with_name("peers") / "contract_app.py"]
OUR_APP = [ours.BINARY, "interop"]
APPS = {"ours": OUR_APP, "go": GO_APP}
GENERATIONS = ["old", "new"]


def cells(*pairs):
    """Who dials whom over which stack; the contract knows no plaintext, and no certificates for secure WebSockets."""
    return [
        pytest.param(dialer, listener, stack, id=f"{dialer}-{listener}-{stack}")
        for dialer, listener in pairs
        for stack in STACKS
        if stack.security != "plaintext" and stack.transport != "wss" and stack.is_spoken_by(dialer) and stack.is_spoken_by(listener)
    ]


def variables(generation, stack, redis_address, key, is_dialer, ip="127.0.0.1"):
    role = "true" if is_dialer else "false"
    if generation == "old":
        return {
            "transport": stack.transport,
            "security": stack.security or "",
            "muxer": stack.muxer or "",
            "is_dialer": role,
            "ip": ip,
            "redis_addr": redis_address,
            "test_timeout_seconds": "60",
        }
    optional = {"SECURE_CHANNEL": stack.security, "MUXER": stack.muxer}
    return {
        "TRANSPORT": stack.transport,
        "IS_DIALER": role,
        "REDIS_ADDR": redis_address,
        "TEST_KEY": key,
        "LISTENER_IP": ip,
        "DEBUG": "false",
        **{name: value for name, value in optional.items() if value},
    }


def check_result(generation, text):
    """Exactly the result on stdout, in the generation's form, with sane figures."""
    if generation == "old":
        (line,) = text.splitlines()
        result = json.loads(line)
        assert set(result) == {"handshakePlusOneRTTMillis", "pingRTTMilllis"}
        handshake, ping = result["handshakePlusOneRTTMillis"], result["pingRTTMilllis"]
    else:
        number = r"([0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"
        pattern = rf"latency:\n  handshake_plus_one_rtt: {number}\n  ping_rtt: {number}\n  unit: ms\n?"
        found = re.fullmatch(pattern, text)
        assert found, text
        handshake, ping = float(found[1]), float(found[2])
    assert 0 < ping < handshake


@contextlib.contextmanager
def listening(command, environment):
    process = subprocess.Popen(
        tied(str(part) for part in command),
        env={**ours.environment(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


def dial(command, environment):
    return subprocess.run(
        [str(part) for part in command],
        env={**ours.environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def redis_server():
    if not shutil.which("redis-server"):
        pytest.skip("no redis-server")
    server = RedisServer()
    yield server
    server.stop()


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("dialer", "listener", "stack"), cells(("ours", "go"), ("go", "ours"), ("ours", "ours"), ("go", "go"))
)
def test_contract(redis_server, stack, generation, dialer, listener):
    if "go" in (dialer, listener) and not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    redis_server.flush()
    key = uuid.uuid4().hex[:8]
    environments = [variables(generation, stack, redis_server.address, key, role) for role in (False, True)]
    with listening(APPS[listener], environments[0]):
        finished = dial(APPS[dialer], environments[1])
    assert finished.returncode == 0, finished.stderr
    check_result(generation, finished.stdout)


@pytest.mark.parametrize("stack", [stack for stack in STACKS if stack.is_spoken_by("go")], ids=str)
def test_we_also_take_an_address_published_as_a_string(redis_server, stack):
    if not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    redis_server.flush()
    key = uuid.uuid4().hex[:8]
    far, near = (variables("new", stack, redis_server.address, key, role) for role in (False, True))
    with listening(GO_APP, {**far, "CONTRACT_PUBLISH": "string"}):
        finished = dial(OUR_APP, near)
    assert finished.returncode == 0, finished.stderr
    check_result("new", finished.stdout)


def test_without_a_listener_the_dialer_gives_up(redis_server):
    redis_server.flush()
    environment = variables("old", STACKS[0], redis_server.address, "", True) | {"test_timeout_seconds": "1"}
    finished = dial(OUR_APP, environment)
    assert finished.returncode == 1
    assert finished.stdout == "" and finished.stderr


class Namespace:
    """A network of its own with loopback and one interface address: py-libp2p's app publishes that one."""

    ADDRESS = "10.77.0.1"

    def __init__(self):
        self.name = f"p2p-{os.getpid()}-{uuid.uuid4().hex[:4]}"
        self.inside = ["ip", "netns", "exec", self.name]
        pair = [f"{self.name[-8:]}a", f"{self.name[-8:]}b"]
        self._run("ip", "netns", "add", self.name)
        try:
            self._run(*self.inside, "ip", "link", "add", pair[0], "type", "veth", "peer", "name", pair[1])
            for link in ("lo", *pair):
                self._run(*self.inside, "ip", "link", "set", link, "up")
            self._run(*self.inside, "ip", "address", "add", f"{self.ADDRESS}/24", "dev", pair[0])
        except BaseException:
            self.remove()
            raise

    @staticmethod
    def _run(*command):
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def remove(self):
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def namespace():
    try:
        made = Namespace()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def inner_redis(namespace):
    server = RedisServer(wrapper=namespace.inside)
    yield server
    server.stop()


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(("dialer", "listener", "stack"), cells(("ours", "py"), ("py", "ours"), ("py", "go")))
def test_contract_with_the_python_app(namespace, inner_redis, stack, generation, dialer, listener):
    python = [sys.executable, "-m", "interop.transport.ping_test", *(["--test-plans"] if generation == "old" else [])]
    if "go" in (dialer, listener) and not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    apps = {**APPS, "py": python}
    key = uuid.uuid4().hex[:8]
    inner_redis.flush()
    far, near = (
        variables(generation, stack, inner_redis.address, key, role, ip=namespace.ADDRESS) for role in (False, True)
    )
    with listening([*namespace.inside, *apps[listener]], far):
        finished = dial([*namespace.inside, *apps[dialer]], near)
    assert finished.returncode == 0, finished.stderr
    if dialer == "ours":
        check_result(generation, finished.stdout)
