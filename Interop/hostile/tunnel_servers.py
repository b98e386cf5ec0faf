"""What the tunnels of a daemon lead to, and how a peer asks for them by hand."""

import contextlib
import select
import socket
import struct
import threading

from peers.clock import wait_until
from peers.formats import fields, message, uvarint
from peers.tunnels import server

from .wire import Ended

EXIT = "/p2p-tunnel/1"
TCP, UDP, UNIX, SERVICE = 1, 2, 3, 4


class Servers:
    """What the daemon's tunnels lead to."""

    def __init__(self, stack):
        self.living, self.served = 0, 0
        self._lock = threading.Lock()
        self.echo = stack.enter_context(server(self._counted(self._echo)))
        self.hang = stack.enter_context(server(self._counted(self._hang)))
        self.flood = stack.enter_context(server(self._counted(self._flood)))
        self.moody = stack.enter_context(server(self._counted(self._reset)))
        # Nobody listens there, and nobody else will.
        self._closed = stack.enter_context(socket.socket())
        self._closed.bind(("127.0.0.1", 0))
        self.refusing = "127.0.0.1:%d" % self._closed.getsockname()[1]
        self.full = self._full(stack)
        self.datagrams = self._datagrams(stack)

    def _counted(self, handle):
        def counted(pipe):
            with self._lock:
                self.living += 1
                self.served += 1
            try:
                handle(pipe)
            finally:
                with self._lock:
                    self.living -= 1

        return counted

    @staticmethod
    def _echo(pipe):
        while data := pipe.recv(1 << 16):
            pipe.sendall(data)

    @staticmethod
    def _hang(pipe):
        """Reads a byte, and then nothing until the other side is gone."""
        pipe.recv(1)
        poll = select.poll()
        poll.register(pipe, select.POLLRDHUP)
        poll.poll(60_000)

    @staticmethod
    def _flood(pipe):
        while True:
            pipe.sendall(bytes(1 << 16))

    @staticmethod
    def _reset(pipe):
        pipe.recv(1)
        pipe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pipe.close()

    @staticmethod
    def _full(stack):
        """A listener whose queue is full: the system answers nobody any more."""
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        return "127.0.0.1:%d" % listener.getsockname()[1]

    @staticmethod
    def _datagrams(stack):
        echo = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        echo.bind(("127.0.0.1", 0))

        def run():
            with contextlib.suppress(OSError):
                while True:
                    data, source = echo.recvfrom(65_535)
                    echo.sendto(data, source)

        threading.Thread(target=run, daemon=True).start()
        return "127.0.0.1:%d" % echo.getsockname()[1]

    def lines(self, *names):
        """A file of tunnels that serves these by their names."""
        return "".join(f"serve /x/{name} {getattr(self, name)}{' udp' if name == 'datagrams' else ''}\n" for name in names)

    def assert_quiet(self):
        wait_until(lambda: self.living == 0, 15, "the end of every connection to a server")


@contextlib.contextmanager
def servers():
    with contextlib.ExitStack() as stack:
        yield Servers(stack)


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def request(network, host="", port=0, name="", more=b""):
    """An Open, with its length in front."""
    parts = [(1, network)] + ([(2, host)] if host else []) + ([(3, port)] if port else []) + ([(4, name)] if name else [])
    body = message(*parts) + more
    return uvarint(len(body)) + body


def ask(session, opening):
    """A stream with a request, and the code of the answer and its text; the code is None when the stream was reset instead."""
    stream = session.open(EXIT)
    stream.send(opening)
    try:
        size = stream.receive_exactly(1)[0]
        if size >= 0x80:
            size = size & 0x7F | stream.receive_exactly(1)[0] << 7
        answer = fields(stream.receive_exactly(size))
        return stream, answer.get(1, [0])[0], answer.get(2, [b""])[0].decode()
    except Ended:
        return stream, None, ""
