"""The python node's process with circuits: a relay, or a node that uses relays.

It obeys what `python_node_main.py` does, and `reserve`, which takes a place at the relay of that address. Addresses with `/p2p-circuit` are dialled
through the relay.
"""

import argparse
import logging
import os
import signal

import multiaddr
import trio
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.relay.circuit_v2.config import RelayConfig, RelayRole
from libp2p.relay.circuit_v2.protocol import PROTOCOL_ID, STOP_PROTOCOL_ID, CircuitV2Protocol
from libp2p.relay.circuit_v2.resources import RelayLimits
from libp2p.relay.circuit_v2.transport import CircuitV2Transport
from libp2p.tools.anyio_service import background_trio_service

from python_node_main import ECHO, Commands, make_host, obey, say, serve_echo

LIMITS = RelayLimits(duration=3600, data=1 << 27, max_circuit_conns=16, max_reservations=16)


class RelayCommands(Commands):
    def __init__(self, host, options, transport):
        super().__init__(host, options)
        self.transport = transport

    async def run(self, command):
        address = multiaddr.Multiaddr(command["address"])
        with trio.fail_after(command["timeout"]):
            if command["do"] == "reserve":
                return await self.reserve(info_from_p2p_addr(address))
            if "/p2p-circuit" not in command["address"]:
                return await super().run(command)
            await self.transport.dial(address)
            peer = info_from_p2p_addr(multiaddr.Multiaddr(f"/p2p/{command['address'].rpartition('/p2p/')[2]}")).peer_id
            return await self.echo(peer, command["size"])

    async def reserve(self, relay):
        await self.host.connect(relay)
        stream = await self.host.new_stream(relay.peer_id, [PROTOCOL_ID])
        async with trio.open_nursery() as nursery:
            taken = await self.transport.reserve(stream, relay.peer_id, nursery)
            # Renewing is nothing that these tests are about.
            nursery.cancel_scope.cancel()
        if not taken:
            raise ValueError("the relay has no place")
        return {}


async def main(options):
    host, listen = make_host(options)
    serves = options.role == "hop"
    circuits = CircuitV2Protocol(host, limits=LIMITS, allow_hop=serves)
    roles = RelayRole.STOP | RelayRole.CLIENT | (RelayRole.HOP if serves else RelayRole.CLIENT)
    async with host.run(listen_addrs=listen):
        await host.get_network().auto_connector.stop()
        host.set_stream_handler(ECHO, serve_echo)
        if serves:
            host.set_stream_handler(PROTOCOL_ID, circuits._handle_hop_stream)
        host.set_stream_handler(STOP_PROTOCOL_ID, circuits._handle_stop_stream)
        async with background_trio_service(circuits):
            transport = CircuitV2Transport(host, circuits, RelayConfig(roles=roles, limits=LIMITS))
            say({"event": "ready", "peer": str(host.get_id()), "addresses": [str(address) for address in host.get_addrs()]})
            await obey(RelayCommands(host, options, transport), failures=BaseException)
            os._exit(0)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", choices=("hop", "client"), default="client")
    options = parser.parse_args()
    options.transport, options.security, options.muxer, options.psk, options.certificate = "tcp", "noise", "yamux", None, None
    trio.run(main, options)
