"""Prints, once each, where the packets of this network namespace go, as JSON lines. Until it is killed."""

import json
import socket
import struct

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, OUTGOING = 3, 0x0800, 0x86DD, 4


def destination(kind, packet):
    """Protocol number, destination and port of an IP packet."""
    if kind == ETH_P_IP:
        protocol, rest = packet[9], packet[(packet[0] & 15) * 4 :]
        address = socket.inet_ntop(socket.AF_INET, packet[16:20])
    else:
        protocol, rest = packet[6], packet[40:]
        address = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    port = struct.unpack(">H", rest[2:4])[0] if protocol in (6, 17) else 0
    return {"event": "packet", "protocol": protocol, "to": address, "port": port}


def main():
    watcher = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    print(json.dumps({"event": "watching"}), flush=True)
    seen = set()
    while True:
        packet, (_, kind, direction, *_) = watcher.recvfrom(65536)
        if direction != OUTGOING or kind not in (ETH_P_IP, ETH_P_IPV6):
            continue
        line = json.dumps(destination(kind, packet))
        if line not in seen:
            seen.add(line)
            print(line, flush=True)


main()
