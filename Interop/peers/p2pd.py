"""A real go-libp2p node: `p2pd`, driven through its control socket.

The control protocol is protobuf messages with their length in front, one request a connection. A connection that
opened a stream, or that the daemon made for a stream handler, carries that stream's bytes afterwards. It has no
half-close, so both sides here read exact counts.
"""

import hashlib
import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from .clock import Deadline
from .formats import address_binary, address_text, delimited, fields, message, peer_text, split_peer, uvarint
from .processes import tied

VERSION = "1.1.12"
BINARY = pathlib.Path(os.environ.get("P2PD", pathlib.Path(__file__).parents[1] / ".cache" / f"p2pd-{VERSION}"))

PING, IDENTIFY, ECHO = "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/echo/1.0.0"

# Request types, and the field of the request that carries their details.
_IDENTIFY, _CONNECT, _STREAM_OPEN, _STREAM_HANDLER, _DHT, _LIST_PEERS, _DISCONNECT = 0, 1, 2, 3, 4, 5, 7
_DETAILS = {_CONNECT: 2, _STREAM_OPEN: 3, _STREAM_HANDLER: 4, _DHT: 5, _DISCONNECT: 7}

# What is asked of the table of a node that runs one.
FIND_PEER, FIND_PROVIDERS, GET_CLOSEST_PEERS, GET_VALUE, PUT_VALUE, PROVIDE = 0, 2, 3, 5, 7, 8


class Refused(Exception):
    """The go node reports that a request failed; the text is its own."""


def read_exactly(pipe, count):
    data = bytearray()
    while len(data) < count:
        chunk = pipe.recv(min(count - len(data), 1 << 18))
        if not chunk:
            raise EOFError(f"ended after {len(data)} of {count} bytes")
        data += chunk
    return bytes(data)


def read_message(pipe, limit=1 << 20):
    size = shift = 0
    for _ in range(9):
        byte = read_exactly(pipe, 1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > limit:
        raise ValueError(f"a message of {size} bytes")
    return read_exactly(pipe, size)


def _unix_address(path):
    """The binary multiaddr of a unix socket, with the slash that go expects at the front of the path."""
    return uvarint(400) + delimited(str(path).encode())


def echo_handler(pipe):
    while chunk := pipe.recv(1 << 16):
        pipe.sendall(chunk)


class GoNode:
    """One p2pd process with one transport address. A fresh one for every test that expects a failed dial:
    a failed address is in back-off."""

    name = "go"
    agent = "p2pd/"

    def __init__(self, listen="/ip4/127.0.0.1/tcp/0", *, security="noise", key=None, flags=(), wrapper=(), echo=echo_handler):
        self.room = pathlib.Path(tempfile.mkdtemp(prefix="p2pd-"))
        self.control = self.room / "control"
        self._log = self.room / "log"
        self._names = itertools.count()
        self._listeners = []
        arguments = [*wrapper, str(BINARY), "-listen", f"/unix{self.control}"]
        arguments += ["-hostAddrs", listen] if listen else ["-noListenAddrs"]
        arguments += {"noise": ["-tls=false"], "tls": ["-noise=false"]}.get(security, [])
        if key:
            path = self.room / "key"
            path.write_bytes(key.private_message)
            path.chmod(0o600)
            arguments += ["-id", str(path)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                tied(arguments + list(flags)), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self.peer, addresses = self._wait_until_ready()
            self.addresses = [f"{address}/p2p/{self.peer}" for address in addresses]
            self.serve(ECHO, echo)
        except BaseException:
            self.stop()
            raise

    @property
    def address(self):
        return self.addresses[0]

    def log_text(self):
        return self._log.read_text(errors="replace")

    def _wait_until_ready(self, timeout=20):
        deadline = Deadline(timeout)
        while True:
            try:
                return self._identify_self()
            except (OSError, EOFError):
                if self.process.poll() is not None or deadline.is_over:
                    raise RuntimeError(f"p2pd did not start:\n{self.log_text()}") from None
                time.sleep(0.02)

    def stop(self):
        for listener in self._listeners:
            listener.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.room, ignore_errors=True)

    # Requests

    def _request(self, kind, details=None, timeout=30):
        """Returns the fields of the answer and the control connection that it came on."""
        pipe = socket.socket(socket.AF_UNIX)
        pipe.settimeout(timeout)
        try:
            pipe.connect(str(self.control))
            request = message((1, kind)) + (b"" if details is None else message((_DETAILS[kind], details)))
            pipe.sendall(delimited(request))
            answer = fields(read_message(pipe))
            if answer.get(1, [0])[0] != 0:
                error = fields(answer.get(2, [b""])[0])
                raise Refused(error.get(1, [b"no reason given"])[0].decode(errors="replace"))
            return answer, pipe
        except BaseException:
            pipe.close()
            raise

    def _ask(self, kind, details=None, timeout=30):
        answer, pipe = self._request(kind, details, timeout)
        pipe.close()
        return answer

    def _identify_self(self):
        about = fields(self._ask(_IDENTIFY)[4][0])
        return peer_text(about[1][0]), [address_text(address) for address in about.get(2, [])]

    def connect(self, address, timeout=15):
        """Dials; returns the peer id as bytes."""
        transport, peer = split_peer(address)
        self._ask(_CONNECT, message((1, peer), (2, address_binary(transport)), (3, timeout)), timeout + 5)
        return peer

    def time_to_connect(self, address):
        """Seconds until a fresh connection stands and go has identified the peer; closes it."""
        started = time.monotonic()
        peer = self.connect(address, timeout=30)
        taken = time.monotonic() - started
        self.disconnect(peer)
        return taken

    def disconnect(self, peer):
        self._ask(_DISCONNECT, message((1, peer)))

    def peers(self):
        """The peer ids (text) that it is connected to."""
        return [peer_text(fields(item)[1][0]) for item in self._ask(_LIST_PEERS).get(6, [])]

    def addresses_of(self, peer):
        """Where it is connected to that peer, as far as it says: one address for each connection."""
        listed = [fields(item) for item in self._ask(_LIST_PEERS).get(6, [])]
        return [address_text(address) for item in listed if peer_text(item[1][0]) == peer for address in item.get(2, [])]

    def open(self, peer, protocol, timeout=15):
        """Opens a stream; returns the socket that carries it."""
        _, pipe = self._request(_STREAM_OPEN, message((1, peer), (2, protocol), (3, timeout)), timeout + 5)
        pipe.settimeout(60)
        return pipe

    def serve(self, protocol, handler):
        """Calls `handler(pipe)` on a thread of its own for each inbound stream of a protocol."""
        path = self.room / f"handler-{next(self._names)}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(256)
        self._listeners.append(listener)

        def serve_one(pipe):
            with pipe:
                try:
                    read_message(pipe)
                    handler(pipe)
                except (OSError, EOFError):
                    pass

        def accept():
            while True:
                try:
                    pipe, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve_one, args=(pipe,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        self._ask(_STREAM_HANDLER, message((1, _unix_address(path)), (2, protocol), (3, 0)))

    # The table of a node that was started with -dhtServer or -dhtClient

    def dht(self, kind, timeout=30, **details):
        """Asks the table; returns the values that come, peers as (id, addresses).

        Details: peer, cid, key, value (bytes), count (how many suffice).
        """
        numbers = {"peer": 2, "cid": 3, "key": 4, "value": 5, "count": 6}
        body = message((1, kind), *((numbers[name], value) for name, value in details.items()), (7, timeout))
        answer, pipe = self._request(_DHT, body, timeout + 5)
        with pipe:
            first = fields(answer[5][0]) if 5 in answer else {}
            # A single value, or none at all; otherwise a sequence begins, whose messages stand alone.
            if 5 not in answer or first.get(1, [0])[0] != 0:
                return [self._dht_value(first)]
            values = []
            while (item := fields(read_message(pipe))).get(1) != [2]:
                values.append(self._dht_value(item))
            return values

    @staticmethod
    def _dht_value(item):
        if 2 in item:
            peer = fields(item[2][0])
            return peer_text(peer[1][0]), [address_text(address) for address in peer.get(2, [])]
        return item.get(3, [None])[0]

    # What the matrix asks of every dialer

    def ping(self, address, count=3):
        """Dials and pings; returns the round trips in milliseconds."""
        peer = self.connect(address)
        times = []
        with self.open(peer, PING) as pipe:
            for _ in range(count):
                sent, started = os.urandom(32), time.perf_counter()
                pipe.sendall(sent)
                if read_exactly(pipe, 32) != sent:
                    raise ValueError("another ping came back")
                times.append((time.perf_counter() - started) * 1e3)
        self.disconnect(peer)
        return times

    def identify(self, address):
        """Dials and reads the peer's identify message."""
        peer = self.connect(address)
        with self.open(peer, IDENTIFY) as pipe:
            about = fields(read_message(pipe))
        self.disconnect(peer)
        return {
            "peer": peer_text(peer),
            "agent": about.get(6, [b""])[0].decode(),
            "protocols": [name.decode() for name in about.get(3, [])],
            "addresses": [address_text(listen) for listen in about.get(2, [])],
            "observed": address_text(about[4][0]) if 4 in about else None,
            "signed_record": 8 in about,
        }

    def echo(self, address, size):
        """Dials and echoes random bytes; returns the SHA-256 of what was sent and of what came back."""
        peer, payload = self.connect(address), os.urandom(size)
        with self.open(peer, ECHO) as pipe:
            sender = threading.Thread(target=pipe.sendall, args=(payload,), daemon=True)
            sender.start()
            received = read_exactly(pipe, size)
            sender.join()
        self.disconnect(peer)
        return hashlib.sha256(payload).hexdigest(), hashlib.sha256(received).hexdigest()


def is_here():
    return os.access(BINARY, os.X_OK)
