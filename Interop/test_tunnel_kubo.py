"""Tunnels with kubo, both ways: what its `ipfs p2p listen` and `ipfs p2p forward` do."""

import os

import pytest

from conftest import make_kubo
from peers import ours
from peers.processes import JSONProcess
from peers.tunnels import Forwarding, Serving, stopping

MIB = 1024 * 1024
PORT = 7_000
SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print('{"event": "ready"}', flush=True)
while True:
    pipe, _ = listener.accept()
    size = int.from_bytes(pipe.recv(8, socket.MSG_WAITALL))
    pipe.sendall(pipe.recv(size, socket.MSG_WAITALL)[::-1])
"""
CLIENT = """
import os, socket, sys
data = os.urandom(int(sys.argv[2]))
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as pipe:
    pipe.sendall(len(data).to_bytes(8))
    pipe.sendall(data)
    if sys.argv[3] == "half":
        pipe.shutdown(socket.SHUT_WR)
    answer = b""
    while len(answer) < len(data) and (more := pipe.recv(1 << 18)):
        answer += more
print(answer == data[::-1])
"""


@pytest.fixture(scope="module")
def kubo(shared_lan):
    made = make_kubo(shared_lan.host(), "tcp", "quic-v1")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def near(shared_lan):
    return shared_lan.host()


def program(host, text, *arguments):
    process = JSONProcess([*host.inside, "python3", "-c", text, *arguments])
    process.wait_for("ready")
    return process


def client(host, port, half):
    return host.run("python3", "-c", CLIENT, port, 4 * MIB, "half" if half else "open", check=False)


@pytest.mark.parametrize("half", [False, True], ids=["open", "half-closed"])
@pytest.mark.parametrize("transport", ["tcp", "quic-v1"])
def test_kubo_serves_and_we_forward(kubo, near, transport, half):
    """Its first end closes both ways, so a half-close is kept from it until its service has answered.

    The service does not close first: kubo then resets what it has just finished, and over QUIC takes back what it has not sent yet."""
    port = PORT + (transport == "tcp") + 2 * half
    server = program(kubo.host, SERVER, port)
    try:
        kubo.listen_tunnel(f"/x/kubo{port}", f"/ip4/127.0.0.1/tcp/{port}")
        forwarding = Forwarding("127.0.0.1:0", kubo.address(transport), f"/x/kubo{port}", wrapper=near.inside)
        with stopping(forwarding):
            said = client(near, forwarding.port, half)
            assert said.stdout.strip() == "True", said
    finally:
        server.stop()


@pytest.mark.parametrize("transport", ["tcp", "quic-v1"])
def test_we_serve_and_kubo_forwards(kubo, near, transport):
    port = PORT + 10 + (transport == "tcp")
    server = program(near, SERVER, port)
    listen = {"tcp": f"/ip4/{near.address}/tcp/0", "quic-v1": f"/ip4/{near.address}/udp/0/quic-v1"}[transport]
    try:
        serving = Serving("/x/ours", f"127.0.0.1:{port}", listen=listen, wrapper=near.inside)
        with stopping(serving):
            kubo.connect(serving.address)
            kubo.forward_tunnel("/x/ours", f"/ip4/127.0.0.1/tcp/{port}", serving.peer)
            said = client(kubo.host, port, False)
            assert said.stdout.strip() == "True", said
    finally:
        server.stop()


def test_kubo_refuses_what_it_does_not_serve(kubo, near):
    """Nothing is sent behind the proposal: kubo takes it for another, and may reset the stream before its `na` has left."""
    outcome = ours.run("pipe", kubo.address("tcp"), "/x/nothing", "--json", wrapper=near.inside, stdin=None)
    assert (outcome.code, outcome.error["code"]) == (3, "denied"), outcome


def test_kubo_may_reset_before_it_refuses_where_bytes_come_at_once(kubo, near):
    outcome = ours.run("pipe", kubo.address("tcp"), "/x/nothing", "--json", wrapper=near.inside, stdin=os.urandom(10))
    assert (outcome.code, outcome.error["code"]) in {(3, "denied"), (1, "unanswered")}, outcome
