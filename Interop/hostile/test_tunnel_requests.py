"""What peers ask of a node that connects targets for them, by its rules: what refuses, hangs, resets, is not granted, or makes no sense."""

import random

import pytest

from peers.formats import fields, uvarint

from .conftest import Target, times
from .tunnel_servers import EXIT, SERVICE, TCP, UDP, UNIX, ask, endpoint, request
from .tunnel_servers import servers as make_servers


@pytest.fixture(scope="module")
def servers():
    with make_servers() as made:
        yield made


@pytest.fixture(scope="module")
def target(keys, servers, tmp_path_factory):
    room = tmp_path_factory.mktemp("tunnels")
    names = ["echo", "moody", "refusing", "full"]
    (room / "tunnels").write_text(servers.lines(*names))
    granted = ",".join(getattr(servers, name).rpartition(":")[2] for name in names)
    (room / "rules").write_text(f"allow tcp-listen:*\nallow service:*\nallow tunnel-connect:tcp/127.0.0.1:{granted}\n")
    target = Target(keys, daemon_options=["--tunnels", room / "tunnels", "--policy", room / "rules"])
    yield target
    target.stop()


class TestTargets:
    def test_exact_outcomes(self, attack, servers):
        """By name, a stream is reset; by the request, the answer has the code."""
        outcomes = {
            servers.refusing: (5, "Connection refused"),
            servers.full: (6, ""),
            "10.0.0.1:1": (1, ""),
        }
        session = attack.session()
        with session.link:
            asked = {text: session.open(EXIT) for text in outcomes}
            for text, stream in asked.items():
                stream.send(request(TCP, *endpoint(text)))
            named = {name: session.open(f"/x/{name}") for name in ("refusing", "full", "moody")}
            named["moody"].send(b"x")
            for name, stream in named.items():
                assert stream.how_it_ends(30) == "reset", name
            for text, (code, words) in outcomes.items():
                stream = asked[text]
                assert stream.how_it_ends(30) == "finished", text
                answer = fields(bytes(stream.data[2 if stream.data[0] >= 0x80 else 1 :]))
                assert answer[1] == [code] and words in answer[2][0].decode(), (text, answer)
            # One that is opened and then reset is no refusal.
            stream, code, _ = ask(session, request(TCP, *endpoint(servers.moody)))
            assert code == 0
            stream.send(b"x")
            assert stream.how_it_ends() == "reset"
            assert session.is_alive()
        servers.assert_quiet()

    @pytest.mark.parametrize(
        ("opening", "code"),
        [
            (request(99, "127.0.0.1", 1), 8),
            (request(UNIX, "/etc/passwd"), 8),
            (request(TCP, "127.0.0.1"), 2),
            (request(TCP, "", 80), 2),
            (request(TCP, "127.0.0.1", 65_536 + 80), 2),
            (request(TCP, "a\0b", 80), 2),
            (request(TCP, "2130706433", 80), 2),
            (request(TCP, "0177.0.0.1", 80), 2),
            (request(TCP, "127.0.0.1", 1, "/x/echo"), 2),
            (request(SERVICE, name="/y/echo"), 2),
            (request(SERVICE, name="/x//echo"), 2),
            (request(SERVICE, name="/x/nothing"), 1),
            (request(UDP, name="/x/echo"), 1),
            (request(TCP, "0.0.0.0", 22), 1),
            (request(TCP, "::ffff:10.0.0.1", 22), 1),
            (request(TCP, "169.254.169.254", 80), 1),
            (b"\0", 8),
            (uvarint(3) + b"\xff\xff\xff", 2),
            (uvarint(2) + b"\x12\x7f", 2),
            (uvarint(1_025) + bytes(1_025), None),
            (b"\xff" * 10, None),
            (b"\x80" * 9 + b"\x01", None),
        ],
        ids=str,
    )
    def test_requests_that_make_no_sense(self, attack, opening, code):
        session = attack.session()
        with session.link:
            _, said, text = ask(session, opening)
            assert said == code, (said, text)
            if code == 1:
                assert text == "permission denied"
            assert session.is_alive()

    def test_noise_for_requests(self, attack):
        chance = random.Random(17)
        session = attack.session()
        with session.link:
            for _ in range(times(100, 2_000)):
                size = chance.randrange(1, 300)
                _, code, _ = ask(session, uvarint(size) + chance.randbytes(size))
                assert code is None or 1 <= code <= 9
            assert session.is_alive()
