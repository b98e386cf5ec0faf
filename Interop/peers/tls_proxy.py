"""An HTTP CONNECT proxy that is spoken to within TLS, with a certificate that the test chooses."""

import base64
import socket
import ssl
import threading

from .loopback_server import LoopbackServer, pump


class TLSProxy(LoopbackServer):
    """Runs until it is closed; `asked` has every target that was asked for, `heard` the user and password of each."""

    def __init__(self, chain, key):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain, key)
        self.asked, self.heard = [], []
        super().__init__()

    def serve(self, link):
        try:
            with self._context.wrap_socket(link, server_side=True) as near:
                self._tunnel(near)
        except OSError:
            link.close()

    def _tunnel(self, near):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = near.recv(1)
            if not byte:
                return
            head += byte
        request, *fields = head.decode().split("\r\n")
        method, target, _ = request.split(" ")
        self.asked.append(target)
        for field in fields:
            if field.lower().startswith("proxy-authorization: basic "):
                self.heard.append(base64.b64decode(field.rpartition(" ")[2]).decode())
        host, _, port = target.rpartition(":")
        if method != "CONNECT":
            near.sendall(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        with socket.create_connection((host.strip("[]"), int(port)), 10) as far:
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()
