"""Turns the public test vectors into seeds: `seeds.py VECTORS SEEDS` writes SEEDS/TARGET/* and dictionaries SEEDS/TARGET.dict."""

import csv
import hashlib
import json
import pathlib
import re
import sys

# What Go's fuzz corpora escape.
PLAIN = {"n": 10, "r": 13, "t": 9, "a": 7, "b": 8, "f": 12, "v": 11, "\\": 92, '"': 34, "'": 39}
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)


def unescape(text):
    def one(match):
        body = match[1].decode("latin-1")
        if body[0] == "x":
            return bytes([int(body[1:], 16)])
        if body[0] in "uU":
            return chr(int(body[1:], 16)).encode("utf-8", "replace")
        return bytes([PLAIN.get(body, ord(body))])

    return ESCAPE.sub(one, text)


def go_corpus(folder):
    for path in sorted(folder.glob("*")):
        content = path.read_bytes()
        first, last = content.find(b'"'), content.rfind(b'"')
        if 0 <= first < last:
            yield unescape(content[first + 1 : last])


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [[field.strip() for field in row] for row in csv.reader(file, skipinitialspace=True)]


def hexadecimal(text):
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def key(name, encoded):
    if "private" in name:
        yield "private-key", encoded
        yield "key-file", b"\x01\x80" + encoded
    if "public" in name:
        yield "public-key", encoded
        if len(encoded) <= 42:
            yield "peer-id-bytes", bytes([0, len(encoded)]) + encoded


def seeds(vectors):
    """(target, bytes) for everything that fits a target."""
    for name, target in (("FuzzNewMultiaddrBytes", "multiaddr-bytes"), ("FuzzNewMultiaddrString", "multiaddr-text")):
        for seed in go_corpus(vectors / "multiaddr/testdata/fuzz" / name):
            yield target, seed
    for path in sorted((vectors / "multibase").glob("*.csv")):
        for row in rows(path):
            for field in row[1:]:
                yield "multibase", field.encode()
    base58 = vectors / "multibase/bitcoin_base58_encode_decode.json"
    if base58.exists():
        for _, text in json.loads(base58.read_text()):
            yield "multibase", b"z" + text.encode()
            yield "peer-id-text", text.encode()
    for path in sorted((vectors / "multihash").glob("*.csv")):
        for row in rows(path):
            hashed = hexadecimal(row[-1])
            yield "multihash", hashed
            yield "cid", b"\x01\x72" + hashed
            yield "peer-id-bytes", hashed
    keys = vectors / "peerid/specs-peer-ids-key-vectors.json"
    if keys.exists():
        for row in json.loads(keys.read_text()):
            yield from key(row["name"], hexadecimal(row["protobuf_hex"]))
    for path in sorted((vectors / "peerid/go-libp2p-test_data").glob("*")):
        yield from key({".priv": "private key", ".pub": "public key"}.get(path.suffix, ""), path.read_bytes())
    varints = vectors / "varint/unsigned-varint-readme.json"
    if varints.exists():
        for text in re.findall(r'"((?:[0-9a-fA-F]{2})+)"', varints.read_text()):
            yield "varint", bytes.fromhex(text)
    for path in sorted((vectors / "protobuf-corpus/FuzzTesting/FailCases").glob("*")):
        for target in ("public-key", "private-key", "signed-envelope", "peer-record", "noise-payload"):
            yield target, path.read_bytes()
        yield "identify", b"\x00" + path.read_bytes()
    for path in sorted((vectors / "dns-corpus/test").glob("*/*")):
        packet = path.read_bytes()
        yield "dns-message", packet
        if len(packet) < 1 << 16:
            yield "mdns-machine", b"\x09\x00\x32" + len(packet).to_bytes(2, "big") + packet


def quic(vectors):
    """Frames in a client's first packet, and packets as they are; each behind its operation and its length."""
    corpus = vectors / "quic-corpus/fuzz/corpus"
    for path in sorted(corpus.glob("*/*")):
        data = path.read_bytes()
        operation = 1 if path.parent.name == "decode_frame" else 0
        size = min(len(data), 4000).to_bytes(2, "big")
        yield "quic-endpoint", bytes([operation]) + size + data + bytes([4]) + bytes([operation]) + size + data + bytes([6])


def certificates(vectors):
    """Certificates, after the byte that says that they are whole ones."""
    folder = vectors / "tls-certs"
    specified = folder / "specs-tls-vectors.json"
    if specified.exists():
        for row in json.loads(specified.read_text()):
            yield "certificate", b"\x00" + hexadecimal(row["certificate_der_hex"])
    for path in sorted(folder.rglob("*.der")):
        yield "certificate", b"\x00" + path.read_bytes()


def main():
    vectors, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if not vectors.is_dir():
        print(f"no vectors at {vectors}: only the built-in seeds are used", file=sys.stderr)
        return
    for target, seed in [*seeds(vectors), *certificates(vectors), *quic(vectors)]:
        folder = out / target
        if seed and folder.is_dir():
            (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    protocols = vectors / "multiaddr/protocols.csv"
    if protocols.exists():
        names = [row[2] for row in rows(protocols)[1:] if len(row) > 2 and row[2]]
        (out / "multiaddr-text.dict").write_text("".join(f'"/{name}"\n"/{name}/"\n' for name in names))


main()
