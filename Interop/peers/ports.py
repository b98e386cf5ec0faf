"""Ports that stay free until they are used."""

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below those that Linux gives to dialers, and to listeners that ask for any: one of them may be gone a moment later."""


def free_port():
    """A port of loopback that is free for TCP and UDP."""
    while True:
        port = random.randrange(FIRST, LAST)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            try:
                for probe in (stream, datagrams):
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
