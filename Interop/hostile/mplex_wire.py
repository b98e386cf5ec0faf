"""mplex made by hand, on an encrypted channel of `wire`, so that it can be made to lie."""

import dataclasses

from peers.clock import Deadline
from peers.formats import uvarint

from .wire import Ended, propose, secured

MPLEX = "/mplex/6.7.0"
NEW_STREAM, MESSAGE_RECEIVER, MESSAGE_INITIATOR, CLOSE_RECEIVER, CLOSE_INITIATOR, RESET_RECEIVER, RESET_INITIATOR = range(7)
MOST_BODY = 1 << 20


@dataclasses.dataclass(frozen=True)
class Frame:
    flag: int
    number: int
    body: bytes = b""

    @property
    def wire(self):
        return uvarint(self.number << 3 | self.flag) + uvarint(len(self.body)) + self.body


class Mplex:
    """An mplex session that obeys the rules until it is told otherwise. Streams that the peer opens are kept, and not answered."""

    def __init__(self, channel):
        self.channel = channel
        self.link = channel.link
        self._next = 0
        self.ours = {}
        self.theirs = {}

    def send(self, *frames):
        self.channel.send(b"".join(frame.wire for frame in frames))

    def next_number(self):
        number, self._next = self._next, self._next + 1
        return number

    def _uvarint(self):
        value = shift = 0
        while True:
            byte = self.channel.receive_exactly(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def receive_frame(self):
        header, size = self._uvarint(), self._uvarint()
        assert size <= MOST_BODY, "the peer's own frames are well-formed"
        frame = Frame(header & 7, header >> 3, self.channel.receive_exactly(size))
        if frame.flag == NEW_STREAM:
            self.theirs[frame.number] = Stream(self, frame.number)
        else:
            # A receiver's frame is about a stream that we opened.
            streams = self.ours if frame.flag & 1 else self.theirs
            if stream := streams.get(frame.number):
                stream.received(frame)
        return frame

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

    def how_it_ends(self, within=15):
        """Receives until the peer ends the connection: "fin" or "rst", None when it doesn't."""
        try:
            self.pump(lambda: False, within)
        except Ended as ended:
            return ended.how
        return None

    def start(self, name=b"", number=None):
        """A stream that is opened and nothing more."""
        number = self.next_number() if number is None else number
        stream = self.ours[number] = Stream(self, number)
        self.send(Frame(NEW_STREAM, number, name))
        return stream

    def open(self, protocol, **how):
        """A stream on which a protocol is agreed."""
        stream = self.start(**how)
        answer = propose(stream, protocol)
        assert answer == protocol, answer
        return stream


class Stream:
    """A stream that we opened, or one of the peer's; the session does the receiving."""

    def __init__(self, session, number):
        self.session = session
        self.number = number
        self.data = bytearray()
        self.is_finished = self.is_reset = False

    def received(self, frame):
        self.is_finished |= frame.flag in (CLOSE_RECEIVER, CLOSE_INITIATOR)
        self.is_reset |= frame.flag in (RESET_RECEIVER, RESET_INITIATOR)
        self.data += frame.body

    def send(self, data):
        self.session.send(Frame(MESSAGE_INITIATOR, self.number, data))

    def receive_exactly(self, count, within=15):
        if not self.session.pump(lambda: len(self.data) >= count or self.is_finished or self.is_reset, within):
            raise TimeoutError(f"{len(self.data)} of {count} bytes came")
        if len(self.data) < count:
            raise Ended("stream reset" if self.is_reset else "stream finished")
        data = bytes(self.data[:count])
        del self.data[:count]
        return data

    def finish(self):
        self.session.send(Frame(CLOSE_INITIATOR, self.number))

    def reset(self):
        self.session.send(Frame(RESET_INITIATOR, self.number))

    def how_it_ends(self, within=15):
        """ "reset" or "finished", "connection" when that ended instead, None when it stays open."""
        try:
            self.session.pump(lambda: self.is_finished or self.is_reset, within)
        except Ended:
            return "connection"
        return "reset" if self.is_reset else "finished" if self.is_finished else None


def mplex_session(endpoint):
    """An mplex session of a fresh identity with a daemon."""
    channel = secured(endpoint)
    assert propose(channel, MPLEX) == MPLEX
    return Mplex(channel)
