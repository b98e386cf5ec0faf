"""A name server on loopback that knows TXT records, and the ways in which one can be wrong."""

import contextlib
import socket
import struct
import threading

from .ports import free_port

TXT, IN = 16, 1


def read_name(message, place):
    labels = []
    while message[place]:
        length = message[place]
        labels.append(message[place + 1 : place + 1 + length].decode("latin-1"))
        place += 1 + length
    return ".".join(labels).lower(), place + 1


def text_record(text, pointer=0xC00C):
    data = b"".join(bytes([len(text[start : start + 255])]) + text[start : start + 255] for start in range(0, len(text), 255)) or b"\0"
    return struct.pack(">HHHIH", pointer, TXT, IN, 60, len(data)) + data


def answer(query, texts, *, identifier=None, flags=0x8580, pointer=0xC00C):
    """A whole answer to a query, whatever its size."""
    _, end = read_name(query, 12)
    records = [text_record(text.encode(), pointer) for text in texts]
    number = struct.unpack(">H", query[:2])[0] if identifier is None else identifier
    return struct.pack(">HHHHHH", number, flags, 1, len(records), 0, 0) + query[12 : end + 4] + b"".join(records)


class DNSServer:
    """Answers from `zone`: domain -> texts, or a function of (query, is_tcp) that returns bytes or None for silence."""

    def __init__(self, zone):
        self.zone = zone
        self.asked = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port = free_port()
        self._udp.bind(("127.0.0.1", port))
        self.address = f"127.0.0.1:{port}"
        self._tcp = socket.create_server(("127.0.0.1", port))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def _answer(self, query, is_tcp):
        name, _ = read_name(query, 12)
        self.asked.append(name)
        entry = self.zone.get(name)
        if callable(entry):
            return entry(query, is_tcp)
        if entry is None:
            return answer(query, [], flags=0x8583)
        whole = answer(query, entry)
        return whole if is_tcp or len(whole) <= 512 else answer(query, [], flags=0x8780)

    def _serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                query, sender = self._udp.recvfrom(4_096)
                if not query:
                    return
                reply = self._answer(query, False)
                if reply is not None:
                    with contextlib.suppress(OSError):
                        self._udp.sendto(reply, sender)

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection, contextlib.suppress(OSError, struct.error):
            while True:
                length = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                reply = self._answer(connection.recv(length, socket.MSG_WAITALL), True)
                if reply is not None:
                    connection.sendall(struct.pack(">H", min(len(reply), 65_535)) + reply[:65_535])

    def stop(self):
        for listener in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
