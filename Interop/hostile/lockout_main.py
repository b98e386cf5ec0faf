"""Takes all places that a node has for arrivals, from inside a test's own network: lockout_main.py KIND HOST PORT COUNT SECONDS SOURCE…

Keeps COUNT connections from each source and opens another for each that is cut; prints how many it opened.
"""

import collections
import os
import select
import socket
import sys
import time

GREETING = b"\x13/multistream/1.0.0\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: " + b"x" * 8_000
PACE = 1_000
"""Connections that are opened in a second, once all are there."""


class Held:
    """One connection; it says a byte of its text each second, or nothing."""

    def __init__(self, target, source, text):
        self.source, self.text, self.said = source, text, 0
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.bind((source, 0))
        self.socket.connect_ex(target)

    def speak(self):
        """Says the next byte; whether there is more to say."""
        try:
            self.said += self.socket.send(self.text[self.said : self.said + 1])
        except OSError:
            pass
        return self.said < len(self.text)


def tcp(kind, target, count, seconds, sources):
    """Does no more than it has to: the machine is to have its time for those who are attacked."""
    text = {"silent": b"", "connects": b"", "drips": GREETING, "upgrades": REQUEST}[kind]
    poll, held, speakers, opened = select.epoll(), {}, collections.deque(), 0
    missing = {source: count for source in sources}
    started, allowance, last = time.monotonic(), count * len(sources), time.monotonic()
    while (now := time.monotonic()) - started < seconds:
        allowance = min(allowance + (now - last) * PACE, count * len(sources))
        last = now
        for source in [source for source, some in missing.items() if some]:
            while missing[source] and allowance >= 1:
                made = Held(target, source, text)
                held[made.socket.fileno()] = made
                poll.register(made.socket, select.EPOLLIN)
                if text:
                    speakers.append((now, made))
                missing[source] -= 1
                allowance -= 1
                opened += 1
        while speakers and speakers[0][0] <= now:
            due, one = speakers.popleft()
            if one.socket.fileno() >= 0 and one.speak():
                speakers.append((due + 1, one))
        for number, _ in poll.poll(0.02):
            gone = held.pop(number)
            poll.unregister(number)
            gone.socket.close()
            missing[gone.source] += 1
    return opened


def quic(target, count, seconds, sources):
    """Hellos, with the proof of the address where that is asked for, and then silence."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    made, started = [], time.monotonic()
    for number in range(count):
        for source in sources:
            if time.monotonic() - started > seconds:
                return len(made)
            made.append(half(target, source))
    while time.monotonic() - started < seconds:
        time.sleep(0.1)
    return len(made)


def half(target, source):
    """The half of a handshake."""
    from aioquic.quic.connection import QuicConnection
    from hostile.quic import configuration
    from hostile.tls import Certificate

    connection = QuicConnection(configuration=configuration(Certificate(), True))
    pipe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    pipe.bind((source, 0))
    pipe.settimeout(0.05)
    connection.connect(target, time.monotonic())
    for _ in range(2):
        for packet, _ in connection.datagrams_to_send(time.monotonic()):
            pipe.sendto(packet, target)
        try:
            packet = pipe.recv(65536)
        except TimeoutError:
            break
        # A Retry is answered; the server's hello is not.
        if packet[0] & 0xF0 != 0xF0:
            break
        connection.receive_datagram(packet, target, time.monotonic())
    return connection, pipe


def main():
    kind, host, port, count, seconds, *sources = sys.argv[1:]
    target, count, seconds = (host, int(port)), int(count), float(seconds)
    print(quic(target, count, seconds, sources) if kind == "quic" else tcp(kind, target, count, seconds, sources))


if __name__ == "__main__":
    main()
