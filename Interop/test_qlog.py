"""`--qlog DIR`: what each QUIC connection writes is what other tools read."""

import json

from peers import clock, ours

QUIC = "/ip4/127.0.0.1/udp/0/quic-v1"


def records(path):
    """The JSON texts of a sequence (RFC 7464)."""
    texts = path.read_text().split("\x1e")
    assert texts[0] == ""
    return [json.loads(text) for text in texts[1:]]


def test_both_sides_of_a_connection_are_found_together(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    daemon = ours.Daemon(QUIC, options=["--qlog", here])
    try:
        assert ours.run("ping", "--count", "2", "--qlog", there, daemon.address).code == 0
        deadline = clock.Deadline(10)
        while not (list(here.glob("*")) and list(there.glob("*"))):
            assert not deadline.is_over, "no file was made"
    finally:
        assert daemon.stop() == 0
    (server,) = here.iterdir()
    (client,) = there.iterdir()
    assert (client.name, server.name) == (client.stem[: -len("client")] + "client.sqlog", client.stem[: -len("client")] + "server.sqlog")
    assert server.stat().st_mode & 0o777 == 0o600
    events = records(server)
    assert events[0]["qlog_format"] == "JSON-SEQ"
    names = {event.get("name", "") for event in events[1:]}
    assert any(name.endswith("packet_sent") for name in names) and any(name.endswith("packet_received") for name in names), names


def test_a_directory_that_cannot_be_made_is_an_error():
    outcome = ours.run("daemon", "--json", "--listen", QUIC, "--qlog", "/proc/nowhere/qlog")
    assert outcome.code == 1 and outcome.error["code"] == "invalidConfiguration", outcome
