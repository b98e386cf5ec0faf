"""WebSockets over TLS as others see them: one port for all, whose certificate is believed, and renewal while we run."""

import base64
import os
import shutil
import socket
import ssl
import time

import pytest

from hostile.websocket import BINARY, frame, request
from peers import certificates, ours, p2pd
from peers.clock import Deadline

PROPOSAL = b"\x13/multistream/1.0.0\n\x07/noise\n"
RENEWAL = 5
"""Seconds between two looks at the files."""


@pytest.fixture
def files(tmp_path):
    """Chain and key of this test's own."""
    return certificates.make(tmp_path)


@pytest.fixture
def start(keys, files):
    """Starts a daemon with the certificate."""
    started = []

    def start(*arguments, **settings):
        chain, key = files
        options = ["--tls-cert", chain, "--tls-key", key, *settings.pop("options", ())]
        started.append(ours.Daemon(*arguments, key=keys("ed25519"), options=options, **settings))
        return started[-1]

    yield start
    assert [daemon.stop() for daemon in started] == [0] * len(started)


def secured(endpoint, authority=None):
    """A TLS connection from python's own library, which knows nothing of us; believes anybody without an authority."""
    context = ssl.create_default_context(cafile=authority)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(socket.create_connection(endpoint, 10), server_hostname="localhost")


def read_until(link, enough):
    data = b""
    while not enough(data):
        more = link.recv(65536)
        if not more:
            break
        data += more
    return data


def shown(endpoint):
    """The certificate that a new arrival gets to see."""
    with secured(endpoint) as link:
        return link.getpeercert(binary_form=True)


def ping(address, *options):
    return ours.run("ping", address, "--count", 1, *options)


class TestOnePort:
    def test_peers_arrive_in_every_way(self, start, files):
        daemon = start(options=["--share-port"])
        forms = [address.split("/p2p/")[0].split("/", 5)[5:] for address in daemon.addresses]
        assert forms == [[], ["ws"], ["tls/ws"]]
        for address in daemon.addresses:
            outcome = ping(address, "--tls-ca", files[0])
            assert outcome.code == 0, outcome

    def test_a_page_that_is_not_there(self, start, files):
        daemon = start(options=["--share-port"])
        with secured(daemon.endpoint, files[0]) as link:
            assert link.selected_alpn_protocol() == "http/1.1"
            link.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_until(link, lambda data: b"\r\n\r\n" in data).startswith(b"HTTP/1.1 404 ")

    def test_a_websocket_that_is_not_ours(self, start, files):
        daemon = start(options=["--share-port"])
        with secured(daemon.endpoint, files[0]) as link:
            # Cut in the middle of everything.
            for byte in request(base64.b64encode(os.urandom(16)).decode()) + frame(BINARY, PROPOSAL):
                link.sendall(bytes([byte]))
            answer = read_until(link, lambda data: data.count(b"/noise\n"))
            head, _, rest = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert b"/multistream/1.0.0\n" in rest and rest.endswith(b"\x07/noise\n")

    def test_only_http_within_tls(self, start):
        daemon = start(options=["--share-port"])
        with secured(daemon.endpoint) as link:
            link.sendall(PROPOSAL)
            try:
                assert link.recv(1) == b""
            except OSError:
                pass

    def test_an_application_within_tls(self, start, files):
        daemon = start(options=["--share-port", "--web-echo", "/echo"])
        with secured(daemon.endpoint, files[0]) as link:
            link.sendall(request(base64.b64encode(os.urandom(16)).decode(), path="/echo") + frame(BINARY, b"hello"))
            answer = read_until(link, lambda data: data.endswith(b"hello"))
            assert answer.partition(b"\r\n\r\n")[2] == b"\x82\x05hello"


    def test_a_refusal_arrives_though_nobody_read_what_was_sent(self, start, files):
        daemon = start(options=["--share-port", "--web-echo", "/echo"])
        content = bytes(8 * 1024 * 1024)
        with secured(daemon.endpoint, files[0]) as link:
            link.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
            assert read_until(link, lambda data: b"\r\n\r\n" in data).startswith(b"HTTP/1.1 413 ")


class TestTrust:
    def test_by_default_it_is_the_systems(self, start):
        daemon = start("/ip4/127.0.0.1/tcp/0/tls/ws")
        outcome = ping(daemon.address)
        assert outcome.code != 0
        assert "CERTIFICATE_VERIFY_FAILED" in outcome.stderr, outcome
        assert ping(daemon.address, "--tls-ca", "any").code == 0

    def test_a_name_within_the_address(self, start, files):
        """The certificate is good for the address that is dialled, too, but that is not what is asked for."""
        daemon = start("/ip4/127.0.0.1/tcp/0/tls/ws")
        port = daemon.endpoint[1]
        for name, is_right in [("localhost", True), ("elsewhere.example", False)]:
            address = f"/ip4/127.0.0.1/tcp/{port}/tls/sni/{name}/ws/p2p/{daemon.peer}"
            outcome = ping(address, "--tls-ca", files[0])
            assert (outcome.code == 0) == is_right, outcome

    def test_another_authority(self, start, tmp_path):
        daemon = start("/ip4/127.0.0.1/tcp/0/wss")
        other = tmp_path / "other"
        other.mkdir()
        assert ping(daemon.address, "--tls-ca", certificates.make(other)[0]).code != 0


@pytest.mark.skipif(not p2pd.is_here(), reason="no go node here")
@pytest.mark.parametrize("security", ["noise", "tls"])
@pytest.mark.parametrize("form", ["wss", "tls/ws"])
def test_a_go_node_dials_us(start, files, form, security):
    """It has no option for a certificate to listen with; the authorities that it believes come from its environment."""
    daemon = start(f"/ip4/127.0.0.1/tcp/0/{form}", options=["--security", security])
    node = p2pd.GoNode(None, security=security, wrapper=["env", f"SSL_CERT_FILE={files[0]}"])
    try:
        assert len(node.ping(daemon.address, count=3)) == 3
        sent, received = node.echo(daemon.address, 10 * 1024 * 1024)
        assert received == sent
    finally:
        node.stop()


def test_paths(start, files):
    daemon = start("/ip4/127.0.0.1/tcp/0/tls/ws/http-path/a%2Fb")
    assert daemon.address.split("/p2p/")[0].endswith("/tls/ws/http-path/a%2Fb")
    assert ping(daemon.address, "--tls-ca", files[0]).code == 0
    outcome = ping(daemon.address.replace("/http-path/a%2Fb", ""), "--tls-ca", files[0])
    assert outcome.code != 0
    assert "404" in outcome.stderr, outcome


def test_a_renewed_certificate_is_shown_without_a_restart(start, files, tmp_path):
    daemon = start("/ip4/127.0.0.1/tcp/0/tls/ws")
    before = shown(daemon.endpoint)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    chain, key = certificates.make(fresh)
    # Half of a renewal: a chain without its key changes nothing.
    shutil.copyfile(chain, files[0])
    time.sleep(RENEWAL + 1)
    assert shown(daemon.endpoint) == before
    shutil.copyfile(key, files[1])
    deadline = Deadline(RENEWAL + 10)
    while (now := shown(daemon.endpoint)) == before:
        assert not deadline.is_over, "the old certificate is still shown"
        time.sleep(0.2)
    assert now == ssl.PEM_cert_to_DER_cert(chain.read_text())
    assert ping(daemon.address, "--tls-ca", chain).code == 0
