"""Two network namespaces with a wire between them, and a witness of everything that leaves the first."""

import os
import pathlib
import shutil
import sys
import tempfile
import uuid

from .lan import Host
from .processes import JSONProcess

WITNESS = pathlib.Path(__file__).with_name("witness.py")


class TwoNetworks:
    """`near` has one address; `far` has two and knows a name that nobody else does."""

    NEAR, PROXY, TARGET = "10.78.0.1", "10.78.0.2", "10.78.0.3"
    NAME = "target.test"

    def __init__(self):
        stem = f"p2p-{os.getpid()}-{uuid.uuid4().hex[:4]}"
        self._hosts = []
        self._room = pathlib.Path(tempfile.mkdtemp(prefix="p2p-net-"))
        (self._room / "hosts").write_text(f"127.0.0.1 localhost\n{self.TARGET} {self.NAME}\n")
        try:
            for end in ("near", "far"):
                self._hosts.append(Host(f"{stem}-{end}"))
            near, far = self._hosts
            near.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far.name)
            for host in self._hosts:
                host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
                host.run("ip", "link", "set", "wire", "up")
            near.run("ip", "address", "add", f"{self.NEAR}/24", "dev", "wire")
            for address in (self.PROXY, self.TARGET):
                far.run("ip", "address", "add", f"{address}/24", "dev", "wire")
        except BaseException:
            self.remove()
            raise

    @property
    def near(self):
        """A command prefix: in `near`."""
        return self._hosts[0].inside

    @property
    def far(self):
        """A command prefix: in `far`."""
        return self._hosts[1].inside

    @property
    def knowing_the_name(self):
        """A command prefix: in `far`, with a hosts file that has the name, and shared memory that nobody has left something in."""
        script = f'mount --bind {self._room / "hosts"} /etc/hosts && mount -t tmpfs none /dev/shm && exec "$@"'
        return [*self.far, "unshare", "-m", "sh", "-c", script, "sh"]

    def witness(self):
        """Watches every interface of `near`."""
        process = JSONProcess([*self.near, sys.executable, WITNESS])
        process.wait_for("watching")
        return process

    def remove(self):
        for host in self._hosts:
            host.remove()
        shutil.rmtree(self._room, ignore_errors=True)


def packets(witness):
    """What was seen: one (protocol, destination, port) for each kind of packet that left."""
    return {(item["protocol"], item["to"], item["port"]) for item in witness.all("packet")}
