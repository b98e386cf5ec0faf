"""Local networks of a test's own: namespaces on a bridge, without a way out."""

import itertools
import os
import subprocess
import uuid


def run(*command, check=True):
    return subprocess.run([str(part) for part in command], check=check, capture_output=True, text=True, timeout=20)


class Host:
    """A namespace with loopback and any number of interfaces."""

    def __init__(self, name):
        self.name = name
        self.inside = ["ip", "netns", "exec", name]
        run("ip", "netns", "add", name)
        try:
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise

    def run(self, *command, check=True):
        return run(*self.inside, *command, check=check)

    def remove(self):
        run("ip", "netns", "delete", self.name, check=False)


class Lan:
    """A bridge in a namespace of its own; hosts are plugged into it."""

    def __init__(self, prefix="10.77.0"):
        self.prefix = prefix
        self._tag = f"{os.getpid() % 10_000}{uuid.uuid4().hex[:3]}"
        self._numbers = itertools.count(1)
        self.hosts = []
        self.switch = Host(f"p2p-{self._tag}-sw")
        try:
            self.switch.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            self.switch.run("ip", "link", "set", "br0", "up")
        except BaseException:
            self.remove()
            raise

    def host(self):
        """A new host with one address on this network."""
        host = Host(f"p2p-{self._tag}-{len(self.hosts)}")
        self.hosts.append(host)
        host.address = self.plug(host)
        return host

    def plug(self, host, name="eth0", prefix=None):
        """Gives a host an interface on this network; returns its address."""
        number = next(self._numbers)
        far = f"v{self._tag}{number}"[-15:]
        self.switch.run("ip", "link", "add", far, "type", "veth", "peer", "name", name, "netns", host.name)
        self.switch.run("ip", "link", "set", far, "master", "br0", "up")
        address = f"{prefix or self.prefix}.{number}"
        host.run("ip", "address", "add", f"{address}/24", "dev", name)
        host.run("ip", "link", "set", name, "up")
        return address

    def unplug(self, host, name="eth0"):
        """Moves a host's interface away; the addresses go with it."""
        host.run("ip", "link", "set", name, "netns", self.switch.name)

    def plug_back(self, host, name="eth0"):
        """Moves the interface back under its address."""
        self.switch.run("ip", "link", "set", name, "netns", host.name)
        host.run("ip", "address", "add", f"{host.address}/24", "dev", name)
        host.run("ip", "link", "set", name, "up")

    def remove(self):
        for host in [*self.hosts, self.switch]:
            host.remove()
