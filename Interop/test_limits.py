"""Limits from the command line, and proxies whose clients are counted instead of themselves."""

import socket
import ssl
import struct

import pytest

from hostile.websocket import WebSocket
from hostile.wire import NOISE, YAMUX, Ended, Link, Yamux, initiate, propose
from peers import certificates, clock, ours
from peers.formats import Key

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def client(number):
    return f"192.0.2.{number}"


def version_1(number):
    return f"PROXY TCP4 {client(number)} 127.0.0.1 5000 4001\r\n".encode()


def version_2(number):
    addresses = socket.inet_aton(client(number)) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 5000, 4001)
    return SIGNATURE + struct.pack(">BBH", 0x21, 0x11, len(addresses)) + addresses


def session(link, key=None):
    """A yamux session, of a fresh identity unless it has one, over a link that is there."""
    assert propose(link, NOISE) == NOISE
    channel = initiate(link, key or Key())
    assert propose(channel, YAMUX) == YAMUX
    return Yamux(channel)


def announced(header):
    """A session that begins with a proxy's header."""

    def open_session(endpoint, number):
        link = Link(endpoint)
        link.send(header(number))
        return session(link)

    return open_session


def announced_web_socket(endpoint, number):
    """A session in a WebSocket that begins with a proxy's header."""
    connection = socket.create_connection(endpoint, 10)
    connection.sendall(version_2(number))
    return session(WebSocket(connection))


def forwarded(endpoint, number):
    """A session in a WebSocket whose request a proxy passes on."""
    return session(WebSocket(endpoint, fields=[f"X-Forwarded-For: 1.1.1.1, {client(number)}"]))


def forwarded_over_tls(endpoint, number):
    """The same, by a proxy that speaks TLS with its server."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return forwarded(context.wrap_socket(socket.create_connection(endpoint, 10), server_hostname="localhost"), number)


def is_refused(open_session):
    """Whether it ends once it has proved its key, wherever it is in its handshakes then."""
    try:
        how, _ = open_session().how_it_ends(within=5)
    except Ended:
        return True
    return how is not None


WAYS = {
    # What is listened on, options, how a session is opened.
    "version-1": ("", (), announced(version_1)),
    "version-2": ("", (), announced(version_2)),
    "version-2-of-a-web-socket": ("/ws", (), announced_web_socket),
    "forwarded": ("/ws", (), forwarded),
    "forwarded-to-a-shared-port": ("", ("--share-port",), forwarded),
    "forwarded-over-tls": ("/tls/ws", (), forwarded_over_tls),
}


@pytest.mark.parametrize("way", WAYS)
def test_clients_of_a_proxy_are_counted_each(way, tmp_path):
    suffix, options, open_session = WAYS[way]
    options = [*options, "--trusted-proxy", "127.0.0.0/8", "--limit", "connectionsPerAddress=2"]
    if "tls" in suffix:
        chain, key = certificates.make(tmp_path)
        options += ["--tls-cert", chain, "--tls-key", key]
    daemon = ours.Daemon(f"/ip4/127.0.0.1/tcp/0{suffix}", options=options)
    held = []
    try:
        for number in (1, 1, 2, 2):
            held.append(open_session(daemon.endpoint, number))
            assert held[-1].is_alive()
        assert is_refused(lambda: open_session(daemon.endpoint, 1))
        clock.wait_until(
            lambda: {item["address"].split("/")[2] for item in daemon.process.all("connected")} == {client(1), client(2)}, 5, "both clients"
        )
    finally:
        for one in held:
            getattr(one.link, "link", one.link).close()
        assert daemon.stop() == 0, daemon.process.report()


def test_a_strangers_header_is_ignored():
    daemon = ours.Daemon("/ip4/127.0.0.1/tcp/0/ws", options=["--trusted-proxy", "10.0.0.0/8"])
    try:
        with forwarded(daemon.endpoint, 1).link:
            connected = daemon.process.wait_for("connected")
            assert connected["address"].startswith("/ip4/127.0.0.1/")
    finally:
        assert daemon.stop() == 0, daemon.process.report()


def test_the_message_for_an_unknown_limit_lists_what_there_is():
    outcome = ours.run("daemon", "--limit", "conections=5")
    assert outcome.code == 64
    assert "There is no limit named conections" in outcome.stderr
    assert "connectionsPerAddress (128)" in outcome.stderr
    assert "connectionsPerAddress (128)" in ours.run("daemon", "--help").stdout.decode()


def test_the_limits_are_a_table():
    outcome = ours.run("limits", "--json", "--preset", "phone", "--limit", "memory=40MiB", "--limit", "memoryAllowed=1MiB")
    rows = {row["limit"]: row for row in outcome.objects}
    assert outcome.code == 0 and all(row["event"] == "limit" and row["meaning"] for row in rows.values())
    assert rows["memory"]["value"] == 40 << 20 and rows["memory"]["unit"] == "bytes"
    assert rows["memory"]["setting"] == "--limit memory=VALUE"
    assert (rows["memoryPerPeer"]["value"], rows["memoryAllowed"]["value"]) == (10 << 20, 1 << 20)
    assert rows["connections"]["value"] <= 128 and rows["handshakeTimeout"]["unit"] == "seconds"
    assert ours.run("limits", "--preset", "mainframe").code == 64


def test_a_daemon_shows_how_near_its_limits_are(keys):
    daemon = ours.Daemon(key=keys("ed25519"), options=("--limit", "connectionsPerPeer=2"))
    try:
        key = Key()
        links = [Link(daemon.endpoint) for _ in range(2)]
        sessions = [session(link, key) for link in links]
        assert all(near.is_alive() for near in sessions)
        # A muxer answers a moment before its connection counts as one.
        clock.wait_until(lambda: daemon.stats()["connections"] == 2, 10, "both connections")
        limits = {row["limit"]: row for row in daemon.stats()["limits"]}
        assert limits["connections"]["use"] == 2 and limits["connections"]["refusals"] == 0
        assert limits["connectionsPerPeer"] == {
            "limit": "connectionsPerPeer", "value": 2, "unit": "count", "use": 2, "peak": 2, "refusals": 0,
            "setting": "--limit connectionsPerPeer=VALUE",
        }
        assert limits["memory"]["use"] >= 2 * 32 * 1024 and limits["memory"]["peak"] >= limits["memory"]["use"]
        for link in links:
            link.close()
    finally:
        daemon.stop()
