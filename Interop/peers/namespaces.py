"""Two network namespaces with a wire between them, and a witness of everything that leaves the first."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import uuid

from .processes import JSONProcess

WITNESS = pathlib.Path(__file__).with_name("witness.py")


class TwoNetworks:
    """`near` has one address; `far` has two and knows a name that nobody else does."""

    NEAR, PROXY, TARGET = "10.78.0.1", "10.78.0.2", "10.78.0.3"
    NAME = "target.test"

    def __init__(self):
        stem = f"p2p-{os.getpid()}-{uuid.uuid4().hex[:4]}"
        self.near, self.far = f"{stem}-near", f"{stem}-far"
        self._room = pathlib.Path(tempfile.mkdtemp(prefix="p2p-net-"))
        (self._room / "hosts").write_text(f"127.0.0.1 localhost\n{self.TARGET} {self.NAME}\n")
        try:
            for name in (self.near, self.far):
                self._run("ip", "netns", "add", name)
            here, there = self.inside(self.near), self.inside(self.far)
            self._run(
                *here, "ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", self.far
            )
            for inside in (here, there):
                self._run(*inside, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
                for link in ("lo", "wire"):
                    self._run(*inside, "ip", "link", "set", link, "up")
            self._run(*here, "ip", "address", "add", f"{self.NEAR}/24", "dev", "wire")
            for address in (self.PROXY, self.TARGET):
                self._run(*there, "ip", "address", "add", f"{address}/24", "dev", "wire")
        except BaseException:
            self.remove()
            raise

    @staticmethod
    def inside(name):
        return ["ip", "netns", "exec", name]

    @property
    def knowing_the_name(self):
        """A command prefix: in `far`, with a hosts file that has the name, and shared memory that nobody has left something in."""
        script = f'mount --bind {self._room / "hosts"} /etc/hosts && mount -t tmpfs none /dev/shm && exec "$@"'
        return [*self.inside(self.far), "unshare", "-m", "sh", "-c", script, "sh"]

    def witness(self):
        """Watches every interface of `near`."""
        process = JSONProcess([*self.inside(self.near), sys.executable, WITNESS])
        process.wait_for("watching")
        return process

    @staticmethod
    def _run(*command):
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def remove(self):
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=20)
        shutil.rmtree(self._room, ignore_errors=True)


def packets(witness):
    """What was seen: one (protocol, destination, port) for each kind of packet that left."""
    return {(item["protocol"], item["to"], item["port"]) for item in witness.all("packet")}
