"""Bad packets for local discovery, from inside a test's own network: mdns_attack_main.py KIND OWN-IP; prints how many went out."""

import os
import random
import socket
import struct
import sys

GROUP, PORT = "224.0.0.251", 5353
SERVICE = b"\x04_p2p\x04_udp\x05local\x00"
PEER = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"


def header(flags, *counts):
    return struct.pack(">HHHHHH", 0, flags, *counts)


def query(unicast):
    return header(0, 1, 0, 0, 0) + SERVICE + struct.pack(">HH", 12, 0x8001 if unicast else 1)


def fake_peer(number, ip):
    text = f"dnsaddr=/ip4/{ip}/tcp/{1 + number % 60_000}/p2p/{PEER}".encode()
    name = bytes([len(str(number)) + 1]) + b"f" + str(number).encode() + SERVICE
    data = bytes([len(text)]) + text
    return header(0x8400, 0, 1, 0, 0) + name + struct.pack(">HHIH", 16, 1, 120, len(data)) + data


def loop(number):
    pointers = [b"\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\x01a\xc0\x0c", b"\xff\xff", b"\xc0\x0d"]
    return header(0x8400 if number % 2 else 0, 1, 1, 0, 0) + pointers[number % len(pointers)] * 20 + b"\x00\x0c\x00\x01"


def packets(kind, ip):
    random.seed(1)
    if kind == "garbage":
        for _ in range(20_000):
            yield os.urandom(random.randrange(0, 1_400))
    elif kind == "loops":
        for number in range(5_000):
            yield loop(number)
    elif kind == "queries":
        for number in range(20_000):
            yield query(number % 2)
    elif kind == "peers":
        for number in range(5_000):
            yield fake_peer(number, ip)


kind, ip = sys.argv[1:3]
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ip))
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
sender.bind((ip, PORT))
count = 0
for packet in packets(kind, sys.argv[3] if len(sys.argv) > 3 else ip):
    sender.sendto(packet, (GROUP, PORT))
    count += 1
print(count)
