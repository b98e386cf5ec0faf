"""A reverse proxy between peers and a server that would each like the other to read something else than it does."""

import contextlib
import types
import uuid

import pytest

from peers import ours
from peers.clock import wait_until
from peers.processes import JSONProcess
from peers.tunnels import server

from .conftest import Target, times
from .wire import Ended

HTTP = "/http/1.1"


class Recorder:
    """A server that keeps what each connection says, and answers as it is told: to requests for `/reply/N` with the Nth of its replies."""

    REPLIES = {
        "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "a switch that nobody asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello",
        "no status": b"HTTP/1.1 hello\r\n\r\n",
        "an old one": b"SSH-2.0-OpenSSH\r\n\r\n",
        "a folded field": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        "bare newlines": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "a long head": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 40_000 + b"\r\n\r\n",
        "many fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        "interim ones without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        "nothing": b"",
        "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    }

    def __init__(self):
        self.heard = []

    def said(self, tag):
        """What was said in the requests of one test, and what no test means to be said, once all of that is over."""

        def mine():
            return [one for one in list(self.heard) if tag in one.data or one.data and not one.data.startswith((b"GET /", b"POST /"))]

        wait_until(lambda: all(one.is_over for one in mine()), 20, "the end of what was said")
        return [bytes(one.data) for one in mine()]

    def __call__(self, pipe):
        pipe.settimeout(5)
        data = bytearray()
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in data and (more := pipe.recv(1 << 16)):
                data += more
            # Before anybody is answered, who may look at it then.
            one = types.SimpleNamespace(data=data, is_over=False)
            self.heard.append(one)
            try:
                self._answer(pipe, data)
            finally:
                one.is_over = True

    def _answer(self, pipe, data):
        line = bytes(data.split(b"\r\n", 1)[0])
        if line.startswith(b"GET /reply/"):
            pipe.sendall(list(self.REPLIES.values())[int(line.split(b" ")[1].rpartition(b"/")[2])])
        elif line.startswith(b"POST "):
            self._body(pipe, data)
        else:
            pipe.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    @staticmethod
    def _body(pipe, data):
        """Reads to the end of a chunked body, or of the connection, and says how much there was of it."""
        while not data.endswith(b"0\r\n\r\n") and (more := pipe.recv(1 << 16)):
            data += more
        text = b"%d" % len(data)
        pipe.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))


@pytest.fixture(scope="module")
def recorder():
    made = Recorder()
    with server(made) as address:
        made.address = address
        yield made


@pytest.fixture(scope="module")
def target(keys, recorder):
    class Serving(ours.Daemon):
        """`p2p http serve`."""

        def __init__(self, listen, *, key, wrapper, options):
            arguments = [*wrapper, ours.BINARY, "http", "serve", "default", recorder.address, "--json", "--listen", listen, "--key", key, *options]
            self.process = JSONProcess(arguments, environment=ours.environment())
            self.peer = self.process.wait_for("ready", timeout=30)["peer"]
            self.addresses = [item["address"] for item in self.process.all("listening")]

    target = Target(keys, make=Serving)
    yield target
    target.stop()


def answer(session, request, *, finishes=True, within=20):
    """The status of the answer and what follows its head; None for a reset."""
    stream = session.open(HTTP)
    try:
        stream.send(request)
        if finishes:
            stream.finish()
    except Ended:
        pass
    session.pump(lambda: stream.is_finished or stream.is_reset, within)
    if stream.is_reset and not stream.data:
        return None, b""
    head, _, body = bytes(stream.data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), head[:100]
    return int(head.split(b" ")[1]), body


SMUGGLED = {
    "both": (b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", 400),
    "both, the other way": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcd", 400),
    "two lengths in one": (b"POST / HTTP/1.1\r\nContent-Length: 4, 40\r\n\r\nabcd", 400),
    "a signed length": (b"POST / HTTP/1.1\r\nContent-Length: +4\r\n\r\nabcd", 400),
    "a negative length": (b"POST / HTTP/1.1\r\nContent-Length: -4\r\n\r\nabcd", 400),
    "a hexadecimal length": (b"POST / HTTP/1.1\r\nContent-Length: 0x4\r\n\r\nabcd", 400),
    "a length beyond all": (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabcd", 400),
    "a space before the colon": (b"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "a coding in disguise": (b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "a coding twice": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501),
    "a vertical tab": (b"POST / HTTP/1.1\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "a nul": (b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 400),
    "a bare carriage return": (b"GET / HTTP/1.1\r\nA: b\rContent-Length: 4\r\n\r\n", 400),
    "a bare newline": (b"GET / HTTP/1.1\r\nA: b\nContent-Length: 4\r\n\r\n", 400),
    "a folded field": (b"GET / HTTP/1.1\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
    "a field without a name": (b"GET / HTTP/1.1\r\n: b\r\n\r\n", 400),
    "a space in front": (b"GET / HTTP/1.1\r\n A: b\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "another server": (b"GET http://evil.test/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a tunnel": (b"CONNECT evil.test:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a request line of two": (b"GET /\r\n\r\n", 400),
    "a newline in the target": (b"GET /\x0aHTTP/1.1 HTTP/1.1\r\n\r\n", 400),
    "another version": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "an old version with chunks": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a long head": (b"GET / HTTP/1.1\r\nA: " + b"b" * 40_000 + b"\r\n\r\n", 431),
    "a long target": (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", 431),
    "many fields": (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
}

# What is found only in a body, when the server has heard the head.
BROKEN_BODIES = {
    "a size that is none": b"zz\r\nhello\r\n0\r\n\r\n",
    "a size beyond all": b"FFFFFFFFFFFFFFFFF\r\nhello",
    "a signed size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a longer chunk than it says": b"2\r\nhello\r\n0\r\n\r\n",
    "a bare newline": b"5\nhello\n0\n\n",
    "a long extension": b"5;" + b"a" * 1_000 + b"\r\nhello\r\n0\r\n\r\n",
    "long trailers": b"0\r\n" + b"A: b\r\n" * 3_000 + b"\r\n",
}


@pytest.fixture
def tag():
    """What the targets of one test have in them."""
    return uuid.uuid4().hex.encode()


class TestPeers:
    @pytest.mark.parametrize(("request_", "status"), SMUGGLED.values(), ids=SMUGGLED.keys())
    def test_what_may_be_read_in_two_ways_is_refused_and_goes_no_further(self, attack, recorder, tag, request_, status):
        session = attack.session()
        with session.link:
            assert answer(session, request_.replace(b" /", b" /" + tag).replace(b"evil", tag + b"evil"))[0] == status
            assert answer(session, b"GET /fine/%b HTTP/1.1\r\n\r\n" % tag) == (200, b"ok")
        said = recorder.said(tag)
        assert len(said) == 1 and said[0].startswith(b"GET /fine/%b HTTP/1.1\r\n" % tag), said

    @pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
    def test_a_body_that_breaks_off_what_was_begun(self, attack, recorder, tag, body):
        session = attack.session()
        with session.link:
            status, _ = answer(session, b"POST /%b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % tag + body)
            assert status in (400, 431), status
            assert answer(session, b"GET /fine/%b HTTP/1.1\r\n\r\n" % tag) == (200, b"ok")
        said = recorder.said(tag)
        assert said and all(b"hello\r\n0\r\n" not in data for data in said), said

    def test_of_what_is_pipelined_the_server_hears_the_first(self, attack, recorder, tag):
        session = attack.session()
        with session.link:
            many = b"".join(b"GET /%b/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (tag, number) for number in range(100))
            assert answer(session, many) == (200, b"ok")
            request = b"POST /%b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /%bevil HTTP/1.1\r\n\r\n" % (tag, tag)
            status, _ = answer(session, request)
            assert status == 200
        said = recorder.said(tag)
        assert [data.split(b"\r\n")[0] for data in said] == [b"GET /%b/0 HTTP/1.1" % tag, b"POST /%b HTTP/1.1" % tag], said
        assert all(data.count(b"HTTP/1.1") == 1 for data in said), said

    def test_a_bomb_of_chunks_goes_through_as_large_as_it_is(self, attack):
        session = attack.session()
        count = times(20_000, 500_000)
        with session.link:
            body = b"1;a=bcdefgh\r\nx\r\n" * count + b"0\r\n\r\n"
            status, _ = answer(session, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body, within=60)
            assert status == 200

    def test_heads_that_come_by_the_byte_and_stop(self, attack):
        session = attack.session()
        with session.link:
            streams = [session.open(HTTP) for _ in range(times(50, 128))]
            for stream in streams:
                for byte in b"GET / HTTP/1.1\r\nA:":
                    stream.send(bytes([byte]))
            assert answer(session, b"GET /fine HTTP/1.1\r\n\r\n") == (200, b"ok")
            for stream in streams:
                assert stream.how_it_ends(20) == "reset"

    def test_a_peer_that_takes_no_answer(self, attack):
        session = attack.session()
        with session.link:
            for _ in range(times(100, 1_000)):
                stream = session.open(HTTP)
                stream.send(b"GET /fine HTTP/1.1\r\n\r\n")
            assert session.is_alive()


class TestServers:
    @pytest.mark.parametrize("number", range(len(Recorder.REPLIES)), ids=Recorder.REPLIES.keys())
    def test_what_is_no_answer_is_a_bad_gateway(self, attack, number):
        session = attack.session()
        with session.link:
            assert answer(session, b"GET /reply/%d HTTP/1.1\r\n\r\n" % number)[0] == 502
            assert answer(session, b"GET /fine HTTP/1.1\r\n\r\n") == (200, b"ok")
