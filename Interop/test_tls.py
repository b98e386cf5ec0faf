"""TLS beyond the matrix: our certificate as openssl sees it, the muxer within the handshake, and peers that speak TLS alone."""

import re
import socket
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

from conftest import Stack, make_peer
from hostile.tls import EXTENSION, PEM, SIGNATURE_PREFIX, Certificate, tls_link
from peers import ours
from peers.formats import KEY_TYPES, fields, peer_id, peer_text

STACK = Stack("tcp", "tls", "yamux")


@pytest.fixture
def bare_tls(nodes):
    """Where plain TLS finds our daemon: a port that agrees on /tls/1.0.0 for whoever connects, and passes the rest on."""
    servers = []

    def serve(daemon):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def pump(source, sink):
            try:
                while data := source.recv(1 << 16):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        def accept():
            try:
                inner, _ = server.accept()
            except OSError:
                return
            outer = tls_link(daemon.endpoint).socket
            with inner, outer:
                back = threading.Thread(target=pump, args=(outer, inner), daemon=True)
                back.start()
                pump(inner, outer)
                back.join(10)

        threading.Thread(target=accept, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield serve
    for server in servers:
        server.close()


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_openssl_shows_our_certificate(nodes, bare_tls, tmp_path, key_type):
    daemon, mine = nodes.ours(STACK, key_type), Certificate()
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    bare = serialization.NoEncryption()
    key.write_bytes(mine.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, bare))
    certificate.write_bytes(mine.certificate.public_bytes(PEM))
    seen = subprocess.run(
        ["openssl", "s_client", "-connect", bare_tls(daemon), "-tls1_3", "-noservername", "-showcerts",
         "-alpn", "/yamux/1.0.0,libp2p", "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-cert", certificate, "-key", key],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
    assert "TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256" in seen, seen
    assert "ALPN protocol: /yamux/1.0.0" in seen, seen
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", seen, re.DOTALL)
    assert len(set(blocks)) == 1, "exactly one certificate"
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-text"], input=blocks[0], capture_output=True, text=True, timeout=30
    ).stdout
    assert "1.3.6.1.4.1.53594.1.1" in text and "prime256v1" in text and "ecdsa-with-SHA256" in text, text
    self_signed = ["openssl", "verify", "-check_ss_sig", "-CAfile", "/dev/stdin"]
    server = tmp_path / "server.pem"
    server.write_text(blocks[0])
    verified = subprocess.run([*self_signed, server], input=blocks[0], capture_output=True, text=True, timeout=30)
    assert verified.returncode == 0, verified

    # What the extension says is read by hand: SEQUENCE { OCTET STRING key, OCTET STRING signature }.
    parsed = x509.load_pem_x509_certificate(blocks[0].encode())
    extension = parsed.extensions.get_extension_for_oid(EXTENSION)
    assert not extension.critical
    assert len(parsed.extensions) == 1
    public_message, signature = signed_key(extension.value.value)
    assert peer_text(peer_id(public_message)) == daemon.peer
    info = parsed.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    verify(public_message, signature, SIGNATURE_PREFIX + info)


def take(data):
    """The content of the first DER element, and what follows it."""
    size, at = data[1], 2
    if size & 0x80:
        at = 2 + (size & 0x7F)
        size = int.from_bytes(data[2:at], "big")
    return data[at : at + size], data[at + size :]


def signed_key(value):
    content, rest = take(value)
    assert rest == b""
    public, rest = take(content)
    signature, rest = take(rest)
    assert rest == b""
    return public, signature


def verify(public_message, signature, signed):
    """Raises unless the host key signed this."""
    number, data = fields(public_message)[1][0], fields(public_message)[2][0]
    match number:
        case 0:
            key = serialization.load_der_public_key(data)
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        case 1:
            ed25519.Ed25519PublicKey.from_public_bytes(data).verify(signature, signed)
        case 2:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), data)
            key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        case 3:
            serialization.load_der_public_key(data).verify(signature, signed, ec.ECDSA(hashes.SHA256()))


def test_go_agrees_on_the_muxer_within_the_handshake(nodes, keys):
    """Both ways: it offers the muxer and takes ours, it takes what we offer."""
    go, daemon = nodes.peer("go", STACK), nodes.ours(STACK)
    outcome = ours.run("ping", go.address, "--count", 1, "--key", keys("ed25519"), *STACK.options, "--json")
    assert outcome.event("summary")["early_muxer"] is True, outcome
    mark = daemon.process.mark()
    go.ping(daemon.address, count=1)
    connected = daemon.process.wait_for("connected", after=mark)
    assert (connected["security"], connected["early_muxer"]) == ("/tls/1.0.0", True)


@pytest.mark.parametrize("peer", ["go", "py"])
def test_a_peer_that_speaks_tls_alone_is_reached_with_the_defaults(nodes, keys, peer):
    node = nodes.peer(peer, STACK)
    outcome = ours.run("ping", node.address, "--count", 1, "--key", keys("ed25519"), "--json")
    assert outcome.code == 0, outcome
    assert outcome.event("summary")["security"] == "/tls/1.0.0"


def test_noise_is_preferred_where_both_are_spoken(keys):
    node = make_peer("go", Stack("tcp", "any", "yamux"))
    try:
        outcome = ours.run("ping", node.address, "--count", 1, "--key", keys("secp256k1"), "--json")
        assert outcome.event("summary")["security"] == "/noise", outcome
    finally:
        node.stop()
