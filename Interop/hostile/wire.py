"""A peer made by hand, layer by layer, so that each layer can be made to lie: TCP, multistream-select, Noise XX, yamux.

link = Link(endpoint)                       # bytes
propose(link, "/noise")                     # multistream-select
channel = initiate(link, Key())             # Noise
session = Yamux(channel, is_client=True)    # frames
stream = session.open("/echo/1.0.0")
"""

import contextlib
import dataclasses
import hashlib
import hmac
import select
import socket
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from peers.clock import Deadline
from peers.formats import Key, fields, message, uvarint
from peers.private_network import Member

MULTISTREAM, NOISE, YAMUX = "/multistream/1.0.0", "/noise", "/yamux/1.0.0"
PING, IDENTIFY, ECHO = "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/echo/1.0.0"


class Ended(Exception):
    """The peer closed or reset the connection (`how` is "fin" or "rst"), or a stream of it."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


# Bytes


class Buffered:
    """Reads whole pieces: what a time-out interrupts stays in the buffer."""

    def __init__(self):
        self._buffer = bytearray()

    def _more(self):
        """The next bytes, at least one."""
        raise NotImplementedError

    def peek(self, count):
        """The next `count` bytes, which stay."""
        while len(self._buffer) < count:
            self._buffer += self._more()
        return bytes(self._buffer[:count])

    def receive_exactly(self, count):
        data = self.peek(count)
        del self._buffer[:count]
        return data


class Link(Buffered):
    """A TCP connection that counts what it sends and can be cut after so many bytes. With `psk`, in that private network; with `source`,
    from that address."""

    def __init__(self, endpoint, *, timeout=15, cut_after=None, cut_by="fin", psk=None, source=None):
        super().__init__()
        self._member = Member(psk) if psk else None
        source = (source, 0) if source else None
        self.socket = endpoint if isinstance(endpoint, socket.socket) else socket.create_connection(endpoint, timeout, source)
        self.socket.settimeout(60)
        self._timeout = timeout
        self._deadline = None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0
        self._cut_after = cut_after
        self._cut_by = cut_by

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.send_raw(self._member.seal(data) if self._member else data)

    def send_raw(self, data):
        """Sends bytes as they are, also in a private network."""
        is_cut = self._cut_after is not None and self.sent + len(data) >= self._cut_after
        if is_cut:
            data = data[: self._cut_after - self.sent]
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Ended("rst") from error
        self.sent += len(data)
        if is_cut:
            self.reset() if self._cut_by == "rst" else self.close()
            raise Ended("cut")

    def send_by_the_byte(self, data):
        for byte in data:
            self.send(bytes([byte]))

    def _wait(self):
        """Blocks until there is something to read, within the patience of the moment."""
        deadline = self._deadline or Deadline(self._timeout)
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        while not poll.poll(deadline.slice * 1000):
            if deadline.is_over:
                raise TimeoutError("nothing came")

    def has_input(self):
        """Whether something has arrived, or the end."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    def _more(self):
        self._wait()
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError as error:
            raise Ended("rst") from error
        if not data:
            raise Ended("fin")
        if not self._member:
            return data
        # A nonce alone says nothing yet.
        return self._member.open(data) or self._more()

    def receive(self):
        """Whatever comes next."""
        return self.receive_exactly(max(1, len(self._buffer)))

    @contextlib.contextmanager
    def patience(self, seconds):
        """Reads inside wait so long, all together, and then raise TimeoutError."""
        before, self._deadline = self._deadline, Deadline(seconds)
        try:
            yield
        finally:
            self._deadline = before

    def how_it_ends(self, within):
        """Reads until the peer ends the connection: "fin" or "rst", or None when it is still open after `within` seconds."""
        with self.patience(within):
            try:
                while True:
                    self.receive()
            except Ended as ended:
                return ended.how
            except TimeoutError:
                return None

    def finish(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


# multistream-select


def token(name):
    line = (name if isinstance(name, bytes) else name.encode()) + b"\n"
    return uvarint(len(line)) + line


def receive_token(source):
    """One token, without its newline. The length is read byte by byte, so nothing behind it is consumed."""
    size = shift = 0
    for _ in range(9):
        byte = source.receive_exactly(1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    line = source.receive_exactly(size)
    assert line.endswith(b"\n"), line
    return line[:-1].decode()


def propose(source, name):
    """The dialer's part: header and proposal in one flight; returns the answer to the proposal."""
    source.send(token(MULTISTREAM) + token(name))
    assert receive_token(source) == MULTISTREAM
    return receive_token(source)


def agree(source, *supported):
    """The listener's part: answers `na` until a supported protocol is proposed, and returns that."""
    source.send(token(MULTISTREAM))
    assert receive_token(source) == MULTISTREAM
    while True:
        name = receive_token(source)
        source.send(token(name if name in supported else "na"))
        if name in supported:
            return name


# Noise XX

NOISE_NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
SIGNATURE_PREFIX = b"noise-libp2p-static-key:"
MOST_PLAINTEXT = 65_519


def _hkdf(chaining_key, material):
    temporary = hmac.digest(chaining_key, material, "sha256")
    first = hmac.digest(temporary, b"\x01", "sha256")
    return first, hmac.digest(temporary, first + b"\x02", "sha256")


def _nonce(counter):
    return bytes(4) + struct.pack("<Q", counter)


def payload(key, static, *, prefix=SIGNATURE_PREFIX, signer=None, extensions=b""):
    """The handshake payload that proves `key`, unless it is made to lie."""
    signature = (signer or key).sign(prefix + static.public)
    parts = [(1, key.public_message), (2, signature)]
    return message(*parts, *([(4, extensions)] if extensions else []))


class DHKey:
    def __init__(self):
        self._key = X25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def shared(self, public):
        try:
            return self._key.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:  # an all-zero secret: a low-order point
            return bytes(32)


class Handshake:
    """Noise XX with its symmetric state open to everybody. Messages here are without the length in front."""

    def __init__(self):
        self.hash = self.chaining_key = NOISE_NAME
        self._mix_hash(b"")
        self.ephemeral, self.static = DHKey(), DHKey()
        self.their_ephemeral = self.their_static = None
        self._cipher, self._counter = None, 0

    def _mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def _mix_key(self, secret):
        self.chaining_key, key = _hkdf(self.chaining_key, secret)
        self._cipher, self._counter = ChaCha20Poly1305(key), 0

    def _seal(self, plaintext):
        sealed = plaintext
        if self._cipher:
            sealed = self._cipher.encrypt(_nonce(self._counter), plaintext, self.hash)
            self._counter += 1
        self._mix_hash(sealed)
        return sealed

    def _open(self, sealed):
        plaintext = sealed
        if self._cipher:
            plaintext = self._cipher.decrypt(_nonce(self._counter), sealed, self.hash)
            self._counter += 1
        self._mix_hash(sealed)
        return plaintext

    # -> e

    def write_first(self, public=None):
        public = public or self.ephemeral.public
        self._mix_hash(public)
        return public + self._seal(b"")

    def read_first(self, data):
        self.their_ephemeral = data[:32]
        self._mix_hash(self.their_ephemeral)
        self._open(data[32:])

    # <- e, ee, s, es

    def write_second(self, content):
        self._mix_hash(self.ephemeral.public)
        self._mix_key(self.ephemeral.shared(self.their_ephemeral))
        static = self._seal(self.static.public)
        self._mix_key(self.static.shared(self.their_ephemeral))
        return self.ephemeral.public + static + self._seal(content)

    def read_second(self, data):
        self.their_ephemeral = data[:32]
        self._mix_hash(self.their_ephemeral)
        self._mix_key(self.ephemeral.shared(self.their_ephemeral))
        self.their_static = self._open(data[32:80])
        self._mix_key(self.ephemeral.shared(self.their_static))
        return self._open(data[80:])

    # -> s, se

    def write_third(self, content, public=None):
        static = self._seal(public or self.static.public)
        self._mix_key(self.static.shared(self.their_ephemeral))
        return static + self._seal(content)

    def read_third(self, data):
        self.their_static = self._open(data[:48])
        self._mix_key(self.ephemeral.shared(self.their_static))
        return self._open(data[48:])

    def split(self):
        """The keys of the initiator's and of the responder's direction."""
        return _hkdf(self.chaining_key, b"")


def framed(data):
    return struct.pack(">H", len(data)) + data


def receive_framed(link):
    (size,) = struct.unpack(">H", link.peek(2))
    return link.receive_exactly(2 + size)[2:]


class Channel(Buffered):
    """The encrypted bytes after a handshake."""

    def __init__(self, link, sending_key, receiving_key, their_payload):
        super().__init__()
        self.link = link
        self.their_payload = fields(their_payload)
        self._seal, self._open = ChaCha20Poly1305(sending_key), ChaCha20Poly1305(receiving_key)
        self._sent = self._received = 0

    def record(self, plaintext):
        """One sealed record with its length, not sent yet. The nonce is spent."""
        sealed = self._seal.encrypt(_nonce(self._sent), plaintext, b"")
        self._sent += 1
        return framed(sealed)

    def send(self, data):
        out = bytearray()
        for at in range(0, len(data), MOST_PLAINTEXT):
            out += self.record(data[at : at + MOST_PLAINTEXT])
        self.link.send(bytes(out))

    def _more(self):
        plaintext = b""
        while not plaintext:
            plaintext = self._open.decrypt(_nonce(self._received), receive_framed(self.link), b"")
            self._received += 1
        return plaintext


def initiate(link, key, *, extensions=b"", make_payload=payload):
    """The dialer's handshake behind an agreed /noise; returns the channel."""
    noise = Handshake()
    link.send(framed(noise.write_first()))
    theirs = noise.read_second(receive_framed(link))
    link.send(framed(noise.write_third(make_payload(key, noise.static, extensions=extensions))))
    ours, others = noise.split()
    return Channel(link, ours, others, theirs)


def respond(link, key, *, extensions=b"", make_payload=payload):
    """The listener's handshake behind an agreed /noise; returns the channel."""
    noise = Handshake()
    noise.read_first(receive_framed(link))
    link.send(framed(noise.write_second(make_payload(key, noise.static, extensions=extensions))))
    theirs = noise.read_third(receive_framed(link))
    others, ours = noise.split()
    return Channel(link, ours, others, theirs)


def stream_muxers(*names):
    """Noise extensions that announce muxers."""
    return message(*((2, name) for name in names))


# yamux

DATA, WINDOW_UPDATE, PING_FRAME, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
INITIAL_WINDOW = 256 * 1024
NORMAL, PROTOCOL_ERROR, INTERNAL_ERROR = range(3)
"""The codes of GoAway."""


@dataclasses.dataclass(frozen=True)
class Frame:
    kind: int
    flags: int = 0
    stream: int = 0
    length: int = 0
    """Bytes that follow, credit, ping value or GoAway code."""
    body: bytes = b""
    version: int = 0

    @property
    def wire(self):
        return struct.pack(">BBHII", self.version, self.kind, self.flags, self.stream, self.length) + self.body


def data_frame(stream, body, flags=0):
    return Frame(DATA, flags, stream, len(body), body)


class Yamux:
    """A yamux session that obeys the rules until it is told otherwise.

    It answers pings, refuses inbound streams unless `accept` is given, and gives credit only when asked to.
    """

    def __init__(self, channel, *, is_client=True, accept=None):
        self.channel = channel
        self.link = channel.link
        self._next = 1 if is_client else 2
        self._accept = accept
        self.streams = {}
        self.go_away = None
        """The code of the peer's GoAway."""
        self.pongs = []
        self.answers_pings = True

    def send(self, *frames):
        self.channel.send(b"".join(frame.wire for frame in frames))

    def next_id(self):
        number, self._next = self._next, self._next + 2
        return number

    def receive_frame(self):
        version, kind, flags, stream, length = struct.unpack(">BBHII", self.channel.peek(12))
        assert version == 0, "the peer's own frames are well-formed"
        body = self.channel.receive_exactly(12 + (length if kind == DATA else 0))[12:]
        frame = Frame(kind, flags, stream, length, body)
        self._dispatch(frame)
        return frame

    def _dispatch(self, frame):
        if frame.kind == PING_FRAME:
            if not frame.flags & SYN:
                self.pongs.append(frame.length)
            elif self.answers_pings:
                self.send(Frame(PING_FRAME, ACK, 0, frame.length))
        elif frame.kind == GO_AWAY:
            self.go_away = frame.length
        elif frame.flags & SYN:
            inbound = self.adopt(frame.stream)
            inbound.received(frame)
            if self._accept:
                self.send(Frame(WINDOW_UPDATE, ACK, frame.stream, 0))
                self._accept(inbound)
            else:
                self.send(Frame(WINDOW_UPDATE, RST, frame.stream, 0))
        elif stream := self.streams.get(frame.stream):
            stream.received(frame)

    def pump(self, until, within=15):
        """Receives frames until `until()`; returns its value, or None after `within` seconds."""
        deadline = Deadline(within)
        while not (value := until()):
            if deadline.is_over:
                return None
            try:
                with self.link.patience(deadline.left):
                    self.receive_frame()
            except TimeoutError:
                return None
        return value

    def flood(self, batches):
        """Sends batches of frames until there are no more, or the peer has said goodbye or is gone.

        It listens meanwhile: a goodbye that waits while the sender goes on is lost with the connection.
        """
        try:
            for batch in batches:
                self.send(*batch)
                while self.go_away is None and self.channel.link.has_input():
                    self.receive_frame()
                if self.go_away is not None:
                    return
        except Ended:
            pass

    def how_it_ends(self, within=15):
        """Receives until the peer ends the connection: (how, code of its GoAway or None); how is None when it doesn't."""
        try:
            self.pump(lambda: False, within)
        except Ended as ended:
            return ended.how, self.go_away
        return None, self.go_away

    def adopt(self, number):
        """Keeps what arrives for a stream that somebody opened by hand."""
        stream = self.streams[number] = Stream(self, number)
        return stream

    def start(self):
        """A stream that is opened and nothing more."""
        stream = self.adopt(self.next_id())
        self.send(Frame(WINDOW_UPDATE, SYN, stream.id, 0))
        return stream

    def open(self, protocol):
        """A stream on which a protocol is agreed."""
        stream = self.start()
        answer = propose(stream, protocol)
        assert answer == protocol, answer
        return stream

    def is_alive(self, value=0x5EED, within=15):
        """Whether it still answers a ping."""
        self.send(Frame(PING_FRAME, SYN, 0, value))
        try:
            return bool(self.pump(lambda: value in self.pongs, within))
        except Ended:
            return False


class Stream:
    """One stream; the session does the receiving."""

    def __init__(self, session, number):
        self.session = session
        self.id = number
        self.data = bytearray()
        self.credit = INITIAL_WINDOW
        """What the peer allows us to send, in bytes."""
        self.is_acknowledged = self.is_finished = self.is_reset = False
        self.reset_code = None
        """The number that came with the peer's reset."""

    def received(self, frame):
        self.is_acknowledged |= bool(frame.flags & ACK)
        self.is_finished |= bool(frame.flags & FIN)
        self.is_reset |= bool(frame.flags & RST)
        if frame.kind == WINDOW_UPDATE and frame.flags & RST:
            self.reset_code = frame.length
        elif frame.kind == WINDOW_UPDATE:
            self.credit += frame.length
        else:
            self.data += frame.body

    def send(self, data, flags=0):
        """Sends within the peer's credit, waiting for more of it."""
        view = memoryview(data)
        while view:
            if self.credit == 0 and not self.session.pump(lambda: self.credit or self.is_reset):
                raise TimeoutError("no credit")
            if self.is_reset:
                raise Ended("stream reset")
            chunk = bytes(view[: min(self.credit, 1 << 16)])
            self.credit -= len(chunk)
            view = view[len(chunk) :]
            self.session.send(data_frame(self.id, chunk, 0 if view else flags))

    def receive_exactly(self, count, within=15):
        """Takes bytes and gives their credit back."""
        if not self.session.pump(lambda: len(self.data) >= count or self.is_finished or self.is_reset, within):
            raise TimeoutError(f"{len(self.data)} of {count} bytes came")
        if len(self.data) < count:
            raise Ended("stream reset" if self.is_reset else "stream finished")
        data = bytes(self.data[:count])
        del self.data[:count]
        self.give_credit(count)
        return data

    def give_credit(self, count, flags=0):
        self.session.send(Frame(WINDOW_UPDATE, flags, self.id, count))

    def finish(self):
        self.session.send(Frame(WINDOW_UPDATE, FIN, self.id, 0))

    def reset(self):
        self.session.send(Frame(WINDOW_UPDATE, RST, self.id, 0))

    def how_it_ends(self, within=15):
        """ "reset" or "finished", "connection" when that ended instead, None when it stays open."""
        try:
            self.session.pump(lambda: self.is_finished or self.is_reset, within)
        except Ended:
            return "connection"
        return "reset" if self.is_reset else "finished" if self.is_finished else None


# The whole way up


def secured(endpoint, key=None, **link_options):
    """A channel to a daemon: TCP, /noise, handshake."""
    link = Link(endpoint, **link_options)
    assert propose(link, NOISE) == NOISE
    return initiate(link, key or Key())


def session(endpoint, key=None, *, accept=None, **link_options):
    """A yamux session to a daemon."""
    channel = secured(endpoint, key, **link_options)
    assert propose(channel, YAMUX) == YAMUX
    return Yamux(channel, accept=accept)


class Listener:
    """A listening socket for our own tool to dial."""

    def __init__(self, key=None, psk=None):
        self.key = key or Key()
        self._psk = psk
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(60)
        self.address = f"/ip4/127.0.0.1/tcp/{self.socket.getsockname()[1]}/p2p/{self.key.peer}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def link(self):
        return Link(self.socket.accept()[0], psk=self._psk)

    def secured(self, *, extensions=b"", make_payload=payload):
        link = self.link()
        agree(link, NOISE)
        return respond(link, self.key, extensions=extensions, make_payload=make_payload)

    def session(self, *, accept=None):
        channel = self.secured()
        agree(channel, YAMUX)
        return Yamux(channel, is_client=False, accept=accept)
