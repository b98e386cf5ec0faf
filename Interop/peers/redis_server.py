"""A redis-server of our own on a free port of loopback, as the interoperability contract wants."""

import shutil
import subprocess
import tempfile
import time

from .clock import Deadline
from .ports import free_port
from .processes import tied


class RedisServer:
    """`wrapper` is a command in front, to run it inside a network namespace."""

    def __init__(self, wrapper=()):
        self._room = tempfile.TemporaryDirectory(prefix="redis-")
        port = str(free_port())
        self.address = f"127.0.0.1:{port}"
        self._client = [*wrapper, "redis-cli", "-p", port]
        server = [*wrapper, shutil.which("redis-server"), "--port", port, "--bind", "127.0.0.1"]
        server += ["--save", "", "--appendonly", "no", "--dir", self._room.name]
        self._process = subprocess.Popen(tied(server), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = Deadline(10)
        while subprocess.run([*self._client, "ping"], capture_output=True, timeout=10).returncode != 0:
            if deadline.is_over:
                self.stop()
                raise RuntimeError("redis-server did not start")
            time.sleep(0.05)

    def flush(self):
        subprocess.run([*self._client, "flushall"], check=True, capture_output=True, timeout=10)

    def stop(self):
        self._process.terminate()
        self._process.wait(10)
        self._room.cleanup()
