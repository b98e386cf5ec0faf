"""A gateway that misbehaves: it answers the search of UPnP, and then does what its case says. Says "ready" when it listens.

    hostile_gateway_main.py CASE ADDRESS OUTER

    huge       a description of 512 MiB            drip      one byte a second, for ever
    nested     20,000 elements within each other   redirect  sends whoever asks to another host
    elsewhere  URLs that lead to another host      silent    takes the connection, and answers nothing
    flood      20,000 answers to one search        entity    a bomb of entities
    lies       maps at an address of its own       denies    refuses, each time for another reason
    spin       an endless body in chunks           forged    NAT-PMP's answers come from another address
"""

import socket
import struct
import sys
import threading
import time

CASE, GATEWAY, OUTER = sys.argv[1:]
ELSEWHERE = OUTER.rsplit(".", 1)[0] + ".9"
ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'
FAULT = ENVELOPE % "<s:Fault><detail><UPnPError><errorCode>%d</errorCode></UPnPError></detail></s:Fault>"
DONE = ENVELOPE % (
    '<u:R xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1"><NewExternalIPAddress>10.9.9.9</NewExternalIPAddress>'
    "<NewConnectionStatus>Connected</NewConnectionStatus></u:R>"
)
DESCRIPTION = """<?xml version="1.0"?>%s<root>%s<device><friendlyName>%s</friendlyName><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>%s</controlURL></service></serviceList></device></root>"""
faults = iter((725, 718, 606))


def answer_searches(listener):
    place = f"http://{ELSEWHERE}/d.xml" if CASE == "elsewhere" else f"http://{GATEWAY}:5000/d.xml"
    while True:
        search, who = listener.recvfrom(2000)
        if b"M-SEARCH" not in search:
            continue
        for number in range(20_000 if CASE == "flood" else 1):
            listener.sendto(
                f"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:{number}\r\n"
                f"LOCATION: {place}\r\n\r\n".encode(),
                who,
            )


def reply(connection, body, status="200 OK", extra=""):
    connection.sendall(f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode())


def describe():
    if CASE == "nested":
        return "<root>" + "<a>" * 20_000
    if CASE == "entity":
        bomb = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
        return DESCRIPTION % (f"<!DOCTYPE r [<!ENTITY a0 'aaaaaaaaaa'>{bomb}]>", "", "&a9;", "/c")
    return DESCRIPTION % ("", "", "gateway", "/c")


def serve(connection):
    try:
        request = connection.recv(8192)
        if CASE == "silent":
            time.sleep(60)
        elif CASE == "redirect":
            reply(connection, "", "302 Found", f"Location: http://{ELSEWHERE}/d.xml\r\n")
        elif CASE == "drip":
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b" ")
                time.sleep(1)
        elif CASE == "huge":
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n<root>")
            for _ in range(8192):
                connection.sendall(b"<a>" + b"x" * 65529 + b"</a>")
        elif CASE == "spin":
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"10\r\n" + b" " * 16 + b"\r\n")
        elif request.startswith(b"GET"):
            reply(connection, describe())
        elif CASE == "denies" and b"PortMapping" in request:
            reply(connection, FAULT % next(faults, 606), "500 Internal Server Error")
        else:
            reply(connection, DONE)
    except OSError:
        pass
    finally:
        connection.close()


def forge(real, alien):
    while True:
        _, who = real.recvfrom(100)
        for epoch in range(1000):
            alien.sendto(struct.pack("!BBHI4s", 0, 128, 0, epoch, socket.inet_aton("45.33.0.6")), who)
            alien.sendto(struct.pack("!BBHIHHI", 0, 130, 0, epoch, 4001, 6666, 7200), who)


def datagrams(address, port):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    return made


def main():
    searches = datagrams("", 1900)
    group = socket.inet_aton("239.255.255.250") + socket.inet_aton(GATEWAY)
    searches.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    listener = socket.create_server((GATEWAY, 5000))
    if CASE == "forged":
        threading.Thread(target=forge, args=(datagrams(GATEWAY, 5351), datagrams(OUTER, 5351)), daemon=True).start()
    else:
        threading.Thread(target=answer_searches, args=(searches,), daemon=True).start()
    print("ready", flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


main()
