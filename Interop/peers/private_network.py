"""Private networks by other means than our own: the cipher from pycryptodome, which comes with py-libp2p, and the rest by hand."""

import hashlib
import os
import socket
import struct
import threading

from Crypto.Cipher import Salsa20

NONCE_SIZE, KEY_SIZE = 24, 32


def _rotated(word, count):
    return (word << count | word >> (32 - count)) & 0xFFFFFFFF


def _quarter_round(x, a, b, c, d):
    x[b] ^= _rotated((x[a] + x[d]) & 0xFFFFFFFF, 7)
    x[c] ^= _rotated((x[b] + x[a]) & 0xFFFFFFFF, 9)
    x[d] ^= _rotated((x[c] + x[b]) & 0xFFFFFFFF, 13)
    x[a] ^= _rotated((x[d] + x[c]) & 0xFFFFFFFF, 18)


def hsalsa20(key, nonce):
    """The subkey that XSalsa20 makes of a key and the first 16 bytes of its nonce."""
    sigma, k, n = (struct.unpack(f"<{len(data) // 4}I", data) for data in (b"expand 32-byte k", key, nonce))
    x = [sigma[0], *k[:4], sigma[1], *n, sigma[2], *k[4:], sigma[3]]
    for _ in range(10):
        for column in ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)):
            _quarter_round(x, *column)
        for row in ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)):
            _quarter_round(x, *row)
    return struct.pack("<8I", *(x[at] for at in (0, 5, 10, 15, 6, 7, 8, 9)))


def key_stream(key, nonce):
    """A cipher for one direction: `encrypt(data)` goes on where it stopped, and decrypts as well."""
    return Salsa20.new(key=hsalsa20(key, nonce[:16]), nonce=nonce[16:])


def fingerprint(key):
    """As go's nodes print it."""
    return hashlib.shake_128(Salsa20.new(key=key, nonce=b"finprint").encrypt(bytes(64))).hexdigest(16)


class Member:
    """One end of a connection: what goes out is sealed, what comes in is opened."""

    def __init__(self, key, nonce=None):
        self._key = key
        self.nonce = nonce or os.urandom(NONCE_SIZE)
        self._out = self._in = None
        self._their_nonce = b""

    def seal(self, data):
        opening = b""
        if self._out is None and data:
            opening, self._out = self.nonce, key_stream(self._key, self.nonce)
        return opening + (self._out.encrypt(data) if data else b"")

    def open(self, data):
        if self._in is None:
            missing = NONCE_SIZE - len(self._their_nonce)
            self._their_nonce, data = self._their_nonce + data[:missing], data[missing:]
            if len(self._their_nonce) < NONCE_SIZE:
                return b""
            self._in = key_stream(self._key, self._their_nonce)
        return self._in.encrypt(data) if data else b""


class Gate:
    """Joins a node that knows nothing of private networks to one: a relay of bytes, with the key on one side of it.

    `Gate(key, target)` lets members reach an outsider; with `towards_member` an outsider reaches a member.
    """

    def __init__(self, key, target, *, towards_member=False):
        self._key, self._target, self._towards_member = key, target, towards_member
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def address(self, peer):
        return f"/ip4/127.0.0.1/tcp/{self.port}/p2p/{peer}"

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target, 10)
            except OSError:
                return
            member = Member(self._key)
            inward, outward = (member.seal, member.open) if self._towards_member else (member.open, member.seal)
            for source, sink, change in ((near, far, inward), (far, near, outward)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._carry, args=(source, sink, change), daemon=True).start()

    @staticmethod
    def _carry(source, sink, change):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(change(data))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for pipe in (source, sink):
                pipe.close()

    def close(self):
        self._listener.close()
