"""QUIC by hand: aioquic's connection over a socket, told to break the rules."""

import socket
import ssl
import threading
import time

from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, PingAcknowledged, StreamDataReceived
from aioquic.quic.packet import pull_quic_header

from .tls import LIBP2P

VERSION = 1
# RFC 9000, section 20.1, and the alerts of TLS behind CRYPTO_ERROR.
FLOW_CONTROL_ERROR, STREAM_LIMIT_ERROR, FINAL_SIZE_ERROR = 3, 4, 6
BAD_CERTIFICATE, CERTIFICATE_REQUIRED, NO_APPLICATION_PROTOCOL = 0x100 + 42, 0x100 + 116, 0x100 + 120
RATE_LIMITED = 0x1002
ENOUGH = 1 << 40


def configuration(certificate, is_client, *, copies=1, protocols=(LIBP2P,)):
    result = QuicConfiguration(
        is_client=is_client, alpn_protocols=list(protocols) or None, verify_mode=ssl.CERT_NONE, supported_versions=[VERSION]
    )
    if certificate:
        result.certificate, result.private_key = certificate.certificate, certificate.key
        result.certificate_chain = [certificate.certificate] * (copies - 1)
    return result


class Endpoint:
    """A connection and its socket; whoever waits for something drives them."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.quic = None
        self.remote = None
        self.events = []

    def flush(self):
        for packet, _ in self.quic.datagrams_to_send(time.monotonic()):
            self.socket.sendto(packet, self.remote)

    def step(self, patience):
        """Waits for one packet, or as long as that."""
        timer = self.quic.get_timer() if self.quic else None
        wait = patience if timer is None else min(patience, max(0.001, timer - time.monotonic()))
        self.socket.settimeout(wait)
        try:
            packet, sender = self.socket.recvfrom(65536)
            self.received(packet, sender)
        except TimeoutError:
            if timer is not None and timer <= time.monotonic():
                self.quic.handle_timer(time.monotonic())
        except ConnectionRefusedError:
            pass
        if self.quic:
            while event := self.quic.next_event():
                self.events.append(event)
            self.flush()

    def received(self, packet, sender):
        self.quic.receive_datagram(packet, sender, time.monotonic())

    def wait_for(self, kind, within=10):
        """The first event of that kind that nobody has waited for."""
        deadline = time.monotonic() + within
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            assert time.monotonic() < deadline, f"no {kind.__name__}: {self.events}"
            self.step(0.1)

    def code(self, within=10):
        """The number with which the peer ends the connection."""
        return self.wait_for(ConnectionTerminated, within).error_code

    def close(self):
        if self.quic:
            self.quic.close()
            self.flush()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Dialer(Endpoint):
    def __init__(self, endpoint, certificate, source=None, **options):
        super().__init__()
        if source:
            self.socket.bind((source, 0))
        self.remote = endpoint
        self.quic = QuicConnection(configuration=configuration(certificate, True, **options))
        self.quic.connect(endpoint, time.monotonic())
        self.flush()

    def handshake(self):
        self.wait_for(HandshakeCompleted)
        # The daemon has looked at our certificate once it answers.
        self.ping()
        return self

    def ping(self, within=10):
        """A packet there and back."""
        self.quic.send_ping(1)
        self.flush()
        self.wait_for(PingAcknowledged, within)

    def lift_limits(self):
        """Forgets what the daemon allows."""
        self.quic._remote_max_data = ENOUGH
        self.quic._remote_max_streams_bidi = ENOUGH
        self.quic._remote_max_stream_data_bidi_remote = ENOUGH

    def stream(self, data=b"", end=False, number=None):
        """Opens a stream, sends on it, and returns its number."""
        number = self.quic.get_next_available_stream_id() if number is None else number
        self.quic.send_stream_data(number, data, end)
        self.flush()
        return number

    def sender(self, number):
        return self.quic._streams[number].sender

    def send_at(self, number, offset, data, end=False):
        """Sends bytes of a stream that belong elsewhere than behind those before."""
        sender = self.sender(number)
        sender._buffer_start = sender._buffer_stop = offset
        self.stream(data, end, number)

    def receive(self, number, count, within=10):
        data = b""
        deadline = time.monotonic() + within
        while len(data) < count:
            event = self.wait_for(StreamDataReceived, deadline - time.monotonic())
            if event.stream_id == number:
                data += event.data
        return data


class Listener(Endpoint):
    """Takes one connection, on a thread of its own."""

    def __init__(self, key):
        super().__init__()
        self.key = key
        self.options = {}
        self.certificate = None
        self.socket.bind(("127.0.0.1", 0))
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def address(self):
        return f"/ip4/127.0.0.1/udp/{self.socket.getsockname()[1]}/quic-v1/p2p/{self.key.peer}"

    def answer_with(self, certificate, **options):
        self.certificate, self.options = certificate, options
        self._thread.start()

    def received(self, packet, sender):
        if self.quic is None:
            header = pull_quic_header(Buffer(data=packet), host_cid_length=8)
            self.quic = QuicConnection(
                configuration=configuration(self.certificate, False, **self.options),
                original_destination_connection_id=header.destination_cid,
            )
            self.remote = sender
        super().received(packet, sender)

    def _run(self):
        while not self._is_over.is_set():
            self.step(0.05)

    def close(self):
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        super().close()
