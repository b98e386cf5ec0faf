"""What the proxies that are written here share: a listener on loopback, with a thread for each connection."""

import socket
import threading


def pump(source, sink):
    """Hands bytes on until one of the two ends, then ends both."""
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class LoopbackServer:
    """Calls `serve` with each connection, in a thread of its own, until it is closed."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def serve(self, link):
        raise NotImplementedError

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()
