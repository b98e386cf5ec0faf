"""A member of a hash table and a rendezvous point in py-libp2p, which obeys commands on stdin, JSON lines both ways.

Says {"event": "ready", "peer": …, "addresses": […]}, then for each command {"id": …, "result": …} or {"id": …, "error": …}.
It ends when stdin does.
"""

import argparse
import json
import logging
import os
import signal
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.discovery.rendezvous.client import RendezvousClient
from libp2p.discovery.rendezvous.errors import RendezvousError
from libp2p.discovery.rendezvous.service import RendezvousService
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.tools.anyio_service import background_trio_service

PATIENCE = 20
"""Seconds that one command may take."""


class AnyValue:
    """Takes every value of a namespace."""

    def validate(self, key, value):
        pass

    def select(self, key, values):
        return 0


def say(item):
    print(json.dumps(item), flush=True)


def plain(result):
    if isinstance(result, bytes):
        return result.hex()
    if isinstance(result, PeerInfo):
        return [str(result.peer_id), [str(address) for address in result.addrs]]
    if isinstance(result, list):
        return [plain(item) for item in result]
    return result


async def obey(host, table, command):
    match command["do"]:
        case "connect":
            info = info_from_p2p_addr(multiaddr.Multiaddr(command["address"]))
            await host.connect(info)
            await table.routing_table.add_peer(info.peer_id)
        case "put":
            await table.put_value(command["key"], bytes.fromhex(command["value"]))
        case "get":
            return await table.get_value(command["key"])
        case "provide":
            return await table.provide(command["key"])
        case "find_providers":
            return await table.find_providers(command["key"])
        case "find_peer":
            return await table.find_peer(ID.from_string(command["peer"]))
        case "register" | "discover" as action:
            info = info_from_p2p_addr(multiaddr.Multiaddr(command["address"]))
            await host.connect(info)
            point = RendezvousClient(host, info.peer_id)
            try:
                if action == "register":
                    return await point.register(command["namespace"])
                peers, cookie = await point.discover(command["namespace"])
                return [peers, cookie]
            except RendezvousError as error:
                return {"status": int(error.status), "message": error.message}


async def main(mode):
    host = new_host(key_pair=create_new_key_pair())
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        table = KadDHT(host, DHTMode.SERVER if mode == "server" else DHTMode.CLIENT)
        table.register_validator("test", AnyValue())
        RendezvousService(host)
        async with background_trio_service(table):
            addresses = [str(address) for address in host.get_addrs()]
            say({"event": "ready", "peer": str(host.get_id()), "addresses": addresses})
            async for line in trio.wrap_file(sys.stdin):
                command = json.loads(line)
                try:
                    with trio.fail_after(PATIENCE):
                        result = await obey(host, table, command)
                    say({"id": command["id"], "result": plain(result)})
                except Exception as error:
                    say({"id": command["id"], "error": f"{type(error).__name__}: {error}"})
    os._exit(0)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["server", "client"], default="server")
    trio.run(main, parser.parse_args().mode)
