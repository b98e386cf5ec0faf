"""Tunnels of our own, and small servers for them to lead to."""

import contextlib
import socket
import socketserver
import subprocess
import threading

from . import ours
from .clock import wait_until
from .processes import JSONProcess, tied


class Serving(ours.Daemon):
    """`p2p tunnel serve`."""

    def __init__(self, name, target, *, listen="/ip4/127.0.0.1/tcp/0", options=(), wrapper=()):
        listens = [listen] if isinstance(listen, str) else listen
        arguments = [*wrapper, ours.BINARY, "tunnel", "serve", name, target, "--json", *options]
        for address in listens:
            arguments += ["--listen", address]
        self.process = JSONProcess(arguments, environment=ours.environment())
        self.peer = self.process.wait_for("ready", timeout=30)["peer"]
        self.process.wait_for("serving", timeout=30)
        self.addresses = [item["address"] for item in self.process.all("listening")]


class Forwarding:
    """`p2p tunnel forward`, or `p2p socks` with `command`."""

    def __init__(self, *arguments, command=("tunnel", "forward"), wrapper=(), options=()):
        self.process = JSONProcess(
            [*wrapper, ours.BINARY, *command, *arguments, "--json", *options], environment=ours.environment()
        )
        self.listen = self.process.wait_for("forwarding", timeout=30)["listen"]

    @property
    def port(self):
        return int(self.listen.rpartition(":")[2])

    def connect(self, timeout=20):
        if self.listen.startswith("unix:"):
            made = socket.socket(socket.AF_UNIX)
            made.settimeout(timeout)
            made.connect(self.listen.removeprefix("unix:"))
            return made
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def stop(self, grace=5):
        return self.process.stop(grace)


@contextlib.contextmanager
def stopping(*things):
    """Stops what runs, in the order in which it is given; every one must end well."""
    try:
        yield
    finally:
        codes = [thing.stop() for thing in things]
    assert codes == [0] * len(codes), codes


@contextlib.contextmanager
def server(handle, path=None, host="127.0.0.1"):
    """Serves each connection with a function of its socket; yields where, as our tool names it."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                handle(self.request)

    class TCP(socketserver.ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True
        request_queue_size = 128

    class Unix(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 128

    with Unix(str(path), Handler) if path else TCP((host, 0), Handler) as made:
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"unix:{path}" if path else f"{host}:{made.server_address[1]}"
        finally:
            made.shutdown()


def read_all(pipe):
    found = bytearray()
    while chunk := pipe.recv(1 << 18):
        found += chunk
    return bytes(found)


def ask(pipe, question):
    """Says everything, half-closes, and reads everything."""
    sender = threading.Thread(target=lambda: (pipe.sendall(question), pipe.shutdown(socket.SHUT_WR)), daemon=True)
    sender.start()
    answer = read_all(pipe)
    sender.join(20)
    return answer


def answer_after_the_end(pipe):
    """Returns what it was sent once all has come."""
    pipe.sendall(read_all(pipe))


@contextlib.contextmanager
def program(*arguments, until, **settings):
    """A server of the system, from when `until()` holds."""
    process = subprocess.Popen(
        tied([str(argument) for argument in arguments]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **settings
    )
    try:
        wait_until(lambda: process.poll() is not None or until(), within=15, what=str(arguments[0]))
        assert process.poll() is None, process.stdout.read().decode(errors="replace")
        yield process
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def listens(port):
    def looks():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return looks


