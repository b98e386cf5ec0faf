"""The python node's process: py-libp2p that listens, and obeys commands on stdin, JSON lines both ways.

Says {"event": "ready", "peer": …, "addresses": […]}, then for each command {"id": …, "ok": true, …} or
{"id": …, "error": …}. It ends when stdin does.
"""

import argparse
import hashlib
import json
import logging
import os
import signal
import ssl
import sys
import time

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.stream.exceptions import StreamEOF, StreamReset
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.perf import PerfService
from libp2p.transport.quic.exceptions import QUICStreamClosedError

PING, IDENTIFY, ECHO = (TProtocol(name) for name in ("/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/echo/1.0.0"))
CHUNK = 32 * 1024
LISTEN = {
    "tcp": "/ip4/127.0.0.1/tcp/0",
    "ws": "/ip4/127.0.0.1/tcp/0/ws",
    "wss": "/ip4/127.0.0.1/tcp/0/wss",
    "quic-v1": "/ip4/127.0.0.1/udp/0/quic-v1",
}


def say(item):
    print(json.dumps(item), flush=True)


def security_options(name, keys):
    if name == "noise":
        from libp2p.crypto.x25519 import create_new_key_pair as new_x25519
        from libp2p.security.noise.transport import PROTOCOL_ID, Transport

        return {PROTOCOL_ID: Transport(keys, noise_privkey=new_x25519().private_key)}
    if name == "plaintext":
        from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport

        return {PLAINTEXT_PROTOCOL_ID: InsecureTransport(keys)}
    from libp2p.security.tls.transport import PROTOCOL_ID, TLSTransport

    return {PROTOCOL_ID: TLSTransport(keys)}


def muxer_options(name):
    if name == "yamux":
        from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID, Yamux

        return {TProtocol(PROTOCOL_ID): Yamux}
    from libp2p.stream_muxer.mplex.mplex import MPLEX_PROTOCOL_ID, Mplex

    return {TProtocol(MPLEX_PROTOCOL_ID): Mplex}


def use_private_network():
    """Puts a protector that follows the spec in place of py-libp2p's own: that one is plain Salsa20 with nonces of 8 bytes."""
    from libp2p.network import swarm
    from libp2p.security.pnet.psk_conn import PskConn

    from private_network import Member

    class SpecifiedConn(PskConn):
        def __init__(self, conn, psk):
            super().__init__(conn, psk)
            self._member = Member(bytes.fromhex(psk))

        async def write(self, data):
            await self._conn.write(self._member.seal(data))

        async def read(self, n=None):
            while data := await self._conn.read(n):
                if text := self._member.open(data):
                    return text
            return b""

    swarm.new_protected_conn = SpecifiedConn


def keep_the_last_bytes():
    """Over QUIC, py-libp2p looks for bytes, waits for a lock, and then looks for the end: bytes that came meanwhile, together with
    the end, are never read. A busy machine makes that likely."""
    from libp2p.transport.quic.stream import QUICStream

    read = QUICStream.read

    async def read_all(self, n=None):
        try:
            return await read(self, n)
        except (QUICStreamClosedError, EOFError):
            if not self._receive_buffer:
                raise
            return self._extract_data_from_buffer(-1 if n is None else n)

    QUICStream.read = read_all


def make_host(options):
    keys = create_new_key_pair()
    settings = {"enable_quic": True} if options.transport == "quic-v1" else {}
    if options.transport == "quic-v1":
        keep_the_last_bytes()
    if options.transport == "wss":
        settings["tls_server_config"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        settings["tls_server_config"].load_cert_chain(*options.certificate)
        settings["tls_client_config"] = ssl.create_default_context(cafile=options.certificate[0])
        settings["tls_client_config"].check_hostname = False
    if options.security:
        settings["sec_opt"] = security_options(options.security, keys)
    if options.psk:
        use_private_network()
        settings["psk"] = options.psk
    if options.muxer:
        settings["muxer_opt"] = muxer_options(options.muxer)
    listen = [multiaddr.Multiaddr(LISTEN[options.transport])]
    return new_host(key_pair=keys, listen_addrs=listen, **settings), listen


async def read_exactly(stream, count):
    data = bytearray()
    while len(data) < count:
        chunk = await stream.read(count - len(data))
        if not chunk:
            raise EOFError(f"the stream ended after {len(data)} of {count} bytes")
        data += chunk
    return bytes(data)


async def chunks_of(stream):
    """What comes until the peer finishes; py-libp2p tells that by an exception.

    Over QUIC it is another one when the end comes together with the last bytes, after a half-close of its own.
    """
    try:
        while chunk := await stream.read(CHUNK):
            yield chunk
    except StreamEOF:
        return
    except StreamReset as error:
        if not isinstance(error.__cause__, QUICStreamClosedError):
            raise


async def serve_echo(stream):
    try:
        async for chunk in chunks_of(stream):
            await stream.write(chunk)
        await stream.close()
    except Exception:
        await stream.reset()


class Commands:
    def __init__(self, host, options):
        self.host = host
        self.options = options

    async def ping(self, peer, count):
        stream = await self.host.new_stream(peer, [PING])
        times = []
        for _ in range(count):
            sent, started = os.urandom(32), time.perf_counter()
            await stream.write(sent)
            if await read_exactly(stream, 32) != sent:
                raise ValueError("another ping came back")
            times.append((time.perf_counter() - started) * 1e3)
        await stream.close()
        return {"times": times}

    async def identify(self, peer):
        stream = await self.host.new_stream(peer, [IDENTIFY])
        size = shift = 0
        while True:
            byte = (await read_exactly(stream, 1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        about = Identify()
        about.ParseFromString(await read_exactly(stream, size))
        return {
            "peer": str(peer),
            "agent": about.agent_version,
            "protocols": list(about.protocols),
            "addresses": [str(multiaddr.Multiaddr(address)) for address in about.listen_addrs],
            "observed": str(multiaddr.Multiaddr(about.observed_addr)) if about.observed_addr else None,
            "signed_record": bool(about.signedPeerRecord),
        }

    async def echo(self, peer, size):
        stream = await self.host.new_stream(peer, [ECHO])
        payload = os.urandom(size)
        chunks = [payload[at : at + CHUNK] for at in range(0, size, CHUNK)]
        received = b""
        if self.options.muxer == "mplex":
            # Its mplex streams are half-duplex: a blocked read blocks every write.
            for chunk in chunks:
                await stream.write(chunk)
                received += await read_exactly(stream, len(chunk))
        else:
            async with trio.open_nursery() as nursery:

                async def write():
                    for chunk in chunks:
                        await stream.write(chunk)

                nursery.start_soon(write)
                received = await read_exactly(stream, size)
        await stream.close()
        return {"sent": hashlib.sha256(payload).hexdigest(), "received": hashlib.sha256(received).hexdigest()}

    async def half_close(self, peer, text):
        """Sends, finishes its own side, and only then reads to the end."""
        stream = await self.host.new_stream(peer, [ECHO])
        await stream.write(text.encode())
        await stream.close_write()
        return {"received": b"".join([chunk async for chunk in chunks_of(stream)]).decode()}

    async def exchange(self, peer, protocol, sent):
        """Sends bytes of any protocol, finishes its own side, and reads to the end."""
        stream = await self.host.new_stream(peer, [TProtocol(protocol)])
        await stream.write(bytes.fromhex(sent))
        await stream.close_write()
        return {"received": b"".join([chunk async for chunk in chunks_of(stream)]).hex()}

    async def perf(self, peer, address, upload, download):
        service = PerfService(self.host)
        await service.start()
        async for output in service.measure_performance(multiaddr.Multiaddr(address), upload, download):
            if output["type"] == "final":
                return {"upload_bytes": output["upload_bytes"], "download_bytes": output["download_bytes"]}
        raise EOFError("perf ended without a result")

    async def run(self, command):
        name, address = command["do"], command["address"]
        info = info_from_p2p_addr(multiaddr.Multiaddr(address))
        with trio.fail_after(command["timeout"]):
            await self.host.connect(info)
            match name:
                case "ping":
                    answer = await self.ping(info.peer_id, command["count"])
                case "identify":
                    answer = await self.identify(info.peer_id)
                case "echo":
                    answer = await self.echo(info.peer_id, command["size"])
                case "half_close":
                    answer = await self.half_close(info.peer_id, command["text"])
                case "exchange":
                    answer = await self.exchange(info.peer_id, command["protocol"], command["sent"])
                case "perf":
                    answer = await self.perf(info.peer_id, address, command["upload"], command["download"])
        if not command.get("stays"):
            with trio.move_on_after(5):
                await self.host.disconnect(info.peer_id)
        return answer


def reasons(error):
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reasons(inner) for inner in error.exceptions)
    because = f" because {reasons(error.__cause__)}" if error.__cause__ else ""
    return f"{type(error).__name__}: {error}{because}"


async def obey(commands, failures=Exception):
    """Runs what comes on standard input, a command a line, and says what came of each, until the input ends."""
    async for line in trio.wrap_file(sys.stdin):
        command = json.loads(line)
        try:
            say({"id": command["id"], "ok": True, **await commands.run(command)})
        except failures as error:
            say({"id": command["id"], "error": reasons(error)[:2000]})


async def main(options):
    host, listen = make_host(options)
    async with host.run(listen_addrs=listen):
        # It would dial everybody whom it knows a minute after they have gone, and keep those connections.
        await host.get_network().auto_connector.stop()
        host.set_stream_handler(ECHO, serve_echo)
        await PerfService(host).start()
        say({"event": "ready", "peer": str(host.get_id()), "addresses": [str(address) for address in host.get_addrs()]})
        await obey(Commands(host, options))
        os._exit(0)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=LISTEN, default="tcp")
    parser.add_argument("--security", choices=("noise", "tls", "plaintext"))
    parser.add_argument("--muxer", choices=("yamux", "mplex"))
    parser.add_argument("--psk", help="a private network's key in hexadecimal digits")
    parser.add_argument("--certificate", nargs=2, help="chain and key for wss, also believed")
    trio.run(main, parser.parse_args())
