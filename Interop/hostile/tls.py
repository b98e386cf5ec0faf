"""TLS 1.3 by hand: certificates that may be wrong in any way, and a channel of OpenSSL over a link."""

import contextlib
import datetime
import pathlib
import ssl
import tempfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from peers.formats import Key

from .wire import Buffered, Ended, Link, Yamux, propose

TLS, LIBP2P = "/tls/1.0.0", "libp2p"
EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.53594.1.1")
SIGNATURE_PREFIX = b"libp2p-tls-handshake:"
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def octets(data):
    """An OCTET STRING in DER."""
    return element(4, data)


def element(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


class Certificate:
    """A certificate that proves a key, unless it is made to lie; and its own key."""

    def __init__(self, key=None, *, since=-1, until=1, extension=True, critical=False, others=(), forger=None, signed=None):
        self.host = key or Key()
        self.key = ec.generate_private_key(ec.SECP256R1())
        now, hour = datetime.datetime.now(datetime.UTC), datetime.timedelta(hours=1)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "libp2p")])
        info = self.key.public_key().public_bytes(DER, SPKI)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .serial_number(x509.random_serial_number())
            .public_key(self.key.public_key())
            .not_valid_before(now + since * hour)
            .not_valid_after(now + until * hour)
        )
        if extension:
            signature = self.host.sign(SIGNATURE_PREFIX + (signed or info))
            value = element(0x30, octets(self.host.public_message) + octets(signature))
            builder = builder.add_extension(x509.UnrecognizedExtension(EXTENSION, value), critical)
        for oid, value, is_critical in others:
            builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), is_critical)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        if forger:
            self.certificate = self._resigned(forger)

    def _resigned(self, forger):
        """The same certificate with the signature of another key."""
        body = self.certificate.tbs_certificate_bytes
        algorithm = bytes.fromhex("300a06082a8648ce3d040302")
        signature = forger.sign(body, ec.ECDSA(hashes.SHA256()))
        return x509.load_der_x509_certificate(element(0x30, body + algorithm + element(3, b"\0" + signature)))

    def load_into(self, context, copies=1):
        """OpenSSL takes certificates from files alone."""
        with tempfile.TemporaryDirectory() as room:
            chain, key = pathlib.Path(room, "chain"), pathlib.Path(room, "key")
            chain.write_bytes(self.certificate.public_bytes(PEM) * copies)
            bare = serialization.NoEncryption()
            key.write_bytes(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, bare))
            context.load_cert_chain(chain, key)


# name -> (what is wrong, by whose fault, what the log says)
FAULTS = {
    "expired": (lambda key=None: Certificate(key, since=-2, until=-1), 1, "your clock or theirs is wrong: the peer's certificate was valid until"),
    "future": (lambda key=None: Certificate(key, since=1, until=2), 1, "your clock or theirs is wrong: the peer's certificate is valid from"),
    "two": (Certificate, 2, "presented 2 certificates"),
    "no-extension": (lambda: Certificate(extension=False), 1, "lacks the extension"),
    "unknown-critical": (lambda: Certificate(others=[("1.2.3.4", b"\5\0", True)]), 1, "is critical, and nobody here understands"),
    "bad-self-signature": (
        lambda: Certificate(forger=ec.generate_private_key(ec.SECP256R1())),
        1,
        "not signed by its own key",
    ),
    "bad-host-signature": (lambda: Certificate(signed=b"another key"), 1, "not signed by the host key"),
}
faults = pytest.mark.parametrize(("make", "copies", "reason"), FAULTS.values(), ids=FAULTS.keys())


def client_context(certificate=None, *, copies=1, protocols=(LIBP2P,), version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _finish(context, certificate, copies, protocols, version)
    return context


def server_context(certificate=None, *, copies=1, protocols=(LIBP2P,), version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Asks for a certificate and takes none for an answer: what the client presents is of no interest here.
    context.verify_mode = ssl.CERT_NONE
    _finish(context, certificate, copies, protocols, version)
    return context


def _finish(context, certificate, copies, protocols, version):
    context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if certificate:
        certificate.load_into(context, copies)


class TLSChannel(Buffered):
    """The encrypted bytes of a TLS connection over a link."""

    def __init__(self, link, context, *, is_server=False, session=None):
        super().__init__()
        self.link = link
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=is_server, session=session)
        self._said_goodbye = False

    def hello(self):
        """The first flight of a client, not sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._out.read()

    def flush(self):
        if data := self._out.read():
            self.link.send(data)

    def _step(self, work):
        """Does something with OpenSSL, with as much of the wire as that needs."""
        while True:
            try:
                result = work()
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self._in.write(self.link.receive())
            except ssl.SSLError:
                # OpenSSL has an alert to send.
                with contextlib.suppress(Ended):
                    self.flush()
                raise

    def handshake(self):
        self._step(self.tls.do_handshake)
        return self

    def send(self, data):
        if self._said_goodbye:
            return  # An answer to what came in meanwhile; nobody would take it.
        for at in range(0, len(data), 1 << 14):
            self.tls.write(data[at : at + (1 << 14)])
        self.flush()

    def _more(self):
        try:
            data = self._step(lambda: self.tls.read(1 << 16))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError) as error:
            raise Ended("close_notify") from error
        if not data:
            raise Ended("close_notify")
        return data

    def say_goodbye(self):
        """Sends close_notify, and waits for none."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self._said_goodbye = True
        self.flush()


def tls_link(endpoint, **options):
    """A link on which /tls/1.0.0 is agreed."""
    link = Link(endpoint, **options)
    assert propose(link, TLS) == TLS
    return link


def tls_session(endpoint, key=None, *, muxer="/yamux/1.0.0", **options):
    """A yamux session to a daemon, its muxer agreed on within the handshake; or behind it, for None."""
    link = tls_link(endpoint, **options)
    protocols = ([muxer] if muxer else []) + [LIBP2P]
    channel = TLSChannel(link, client_context(Certificate(key), protocols=protocols)).handshake()
    assert channel.tls.selected_alpn_protocol() == protocols[0]
    if not muxer:
        assert propose(channel, "/yamux/1.0.0") == "/yamux/1.0.0"
    return Yamux(channel)
