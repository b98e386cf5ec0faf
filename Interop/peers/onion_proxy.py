"""A SOCKS 5 proxy that, like Tor, knows one onion service: everything that is asked of it by that name goes to one address."""

import socket
import struct
import threading

from .loopback_server import LoopbackServer, pump
from .p2pd import read_exactly


class OnionProxy(LoopbackServer):
    """Runs until it is closed; `asked` has every (name, port) that was asked for."""

    def __init__(self, name, endpoint):
        self._name, self._endpoint = name, endpoint
        self.asked = []
        super().__init__()

    @property
    def url(self):
        return f"socks5://127.0.0.1:{self.port}"

    def serve(self, link):
        with link:
            methods = read_exactly(link, read_exactly(link, 2)[1])
            assert 0 in methods
            link.sendall(b"\x05\x00")
            command = read_exactly(link, 4)
            if command != b"\x05\x01\x00\x03":
                link.sendall(b"\x05\x08\x00\x01" + bytes(6))
                return
            name = read_exactly(link, read_exactly(link, 1)[0]).decode()
            (port,) = struct.unpack(">H", read_exactly(link, 2))
            self.asked.append((name, port))
            if name != self._name:
                link.sendall(b"\x05\x04\x00\x01" + bytes(6))
                return
            with socket.create_connection(self._endpoint) as far:
                link.sendall(b"\x05\x00\x00\x01" + bytes(6))
                back = threading.Thread(target=pump, args=(far, link), daemon=True)
                back.start()
                pump(link, far)
                back.join()
