"""The wire formats that every peer of the harness needs: uvarints, protobuf fields, peer ids, key files."""

from hashlib import sha256

import base58
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from multiaddr import Multiaddr

KEY_TYPES = ("ed25519", "secp256k1", "ecdsa", "rsa")

RSA, ED25519, SECP256K1, ECDSA = range(4)
"""The numbers of the key types in a key protobuf."""


def uvarint(value):
    """Encodes a non-negative integer, minimally."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def take_uvarint(data, at=0):
    """Decodes an integer; returns it with the offset behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def message(*fields):
    """A protobuf message of (number, value): integers as varints, bytes and text length-delimited."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            out += uvarint(number << 3) + uvarint(value)
        else:
            value = value.encode() if isinstance(value, str) else bytes(value)
            out += uvarint(number << 3 | 2) + uvarint(len(value)) + value
    return bytes(out)


def fields(data):
    """The fields of a protobuf message: number -> list of values, in the order of arrival."""
    out, at = {}, 0
    while at < len(data):
        tag, at = take_uvarint(data, at)
        match tag & 7:
            case 0:
                value, at = take_uvarint(data, at)
            case 2:
                size, at = take_uvarint(data, at)
                if size > len(data) - at:
                    raise ValueError("a protobuf field is longer than its message")
                value, at = data[at : at + size], at + size
            case kind:
                raise ValueError(f"protobuf wire type {kind} is not used here")
        out.setdefault(tag >> 3, []).append(value)
    return out


def delimited(data):
    """A message with its length in front."""
    return uvarint(len(data)) + data


def address_text(binary):
    return str(Multiaddr(binary))


def address_binary(text):
    return Multiaddr(text).to_bytes()


def split_peer(address):
    """Splits `/ip4/…/p2p/ID` into the address before the peer and the peer id as bytes."""
    transport, _, peer = address.rpartition("/p2p/")
    return transport, base58.b58decode(peer)


def with_peer(address, peer):
    """The same address, but with another peer id at its end."""
    return f"{address.rpartition('/p2p/')[0]}/p2p/{peer}"


def peer_id(public_key_message):
    """The peer id (bytes) of a public key in its protobuf form."""
    if len(public_key_message) <= 42:
        return b"\x00" + uvarint(len(public_key_message)) + public_key_message
    return b"\x12\x20" + sha256(public_key_message).digest()


def peer_text(binary):
    return base58.b58encode(binary).decode()


class Key:
    """An identity of one of the four key types, made fresh."""

    def __init__(self, kind="ed25519", bits=2048):
        self.kind = kind
        der = serialization.Encoding.DER
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        bare = serialization.NoEncryption()
        if kind == "ed25519":
            self._key = ed25519.Ed25519PrivateKey.generate()
            public = self._key.public_key().public_bytes_raw()
            self._number, secret = ED25519, self._key.private_bytes_raw() + public
        elif kind == "secp256k1":
            self._key = ec.generate_private_key(ec.SECP256K1())
            form = serialization.PublicFormat.CompressedPoint
            public = self._key.public_key().public_bytes(serialization.Encoding.X962, form)
            self._number, secret = SECP256K1, self._key.private_numbers().private_value.to_bytes(32, "big")
        elif kind == "ecdsa":
            self._key = ec.generate_private_key(ec.SECP256R1())
            public = self._key.public_key().public_bytes(der, spki)
            form = serialization.PrivateFormat.TraditionalOpenSSL
            self._number, secret = ECDSA, self._key.private_bytes(der, form, bare)
        elif kind == "rsa":
            self._key = rsa.generate_private_key(65537, bits)
            public = self._key.public_key().public_bytes(der, spki)
            form = serialization.PrivateFormat.TraditionalOpenSSL
            self._number, secret = RSA, self._key.private_bytes(der, form, bare)
        else:
            raise ValueError(kind)
        self.public_message = message((1, self._number), (2, public))
        self.private_message = message((1, self._number), (2, secret))

    @classmethod
    def from_file(cls, path):
        """The Ed25519 identity of a key file."""
        key = cls.__new__(cls)
        key.kind, key._number = "ed25519", ED25519
        key.private_message = path.read_bytes()
        secret = fields(key.private_message)[2][0]
        key._key = ed25519.Ed25519PrivateKey.from_private_bytes(secret[:32])
        key.public_message = message((1, ED25519), (2, secret[32:]))
        return key

    @property
    def peer(self):
        """The peer id as text."""
        return peer_text(peer_id(self.public_message))

    def sign(self, data):
        if self.kind == "ed25519":
            return self._key.sign(data)
        if self.kind == "rsa":
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))
