"""A py-libp2p node with mDNS: one JSON object a line.

    mdns_python_main.py ADDRESS
"""

import json
import os
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.discovery.events.peerDiscovery import peerDiscovery


def say(**item):
    print(json.dumps(item), flush=True)


async def main(address):
    listen = multiaddr.Multiaddr(address)
    peerDiscovery.register_peer_discovered_handler(
        lambda info: say(event="discovered", peer=str(info.peer_id), addresses=[str(item) for item in info.addrs])
    )
    host = new_host(enable_mDNS=True, listen_addrs=[listen])
    async with host.run(listen_addrs=[listen]):
        say(event="ready", peer=str(host.get_id()), addresses=[str(item) for item in host.get_addrs()])
        await trio.sleep_forever()


try:
    trio.run(main, sys.argv[1])
except BaseException as error:
    say(event="error", message=repr(error))
    os._exit(1)
