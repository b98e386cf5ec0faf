"""Two homes behind routers of chosen kinds on an internet of its own: a relay and peers that say where they see others, in namespaces. Needs root
and nftables.

The internet here is 45.0.0.0/8, every host of it in a network (/16) of its own. It leads nowhere else: what is set aside for documentation is
nobody's public address, so nodes would neither tell nor dial it.
"""

import os
import shutil
import subprocess
import uuid

from .lan import Host, run

NFT = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

KINDS = {
    "open": "no router: the machine has a public address",
    "firewall": "a public address behind a router that lets in only answers",
    "full": "one outer port for all peers, and everybody gets in there",
    "address": "one outer port for all peers; hosts that were contacted get in, from any port",
    "port": "one outer port for all peers; only where it has sent to answers get in from",
    "symmetric": "another outer port for each peer; only that peer gets in",
    "double": "a router of the kind port behind another one",
    "udpblock": "the kind port, and no UDP",
    "refuse": "the kind port, but what is not let in is told so (RST, ICMP)",
}
TRANSLATED = ["full", "address", "port", "symmetric", "double", "udpblock", "refuse"]


class Net:
    """The hosts of one lab, and the wires between them."""

    def __init__(self):
        self._tag = f"{os.getpid() % 10_000}{uuid.uuid4().hex[:3]}"
        self._hosts = []
        self._wires = 0

    def host(self, name):
        host = Host(f"nat-{self._tag}-{name}")
        self._hosts.append(host)
        host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        return host

    def wire(self, one, device, other, far):
        one.run("ip", "link", "add", device, "type", "veth", "peer", "name", far, "netns", other.name)
        for host, name in ((one, device), (other, far)):
            host.run("ip", "link", "set", name, "up")

    def remove(self):
        for host in reversed(self._hosts):
            host.remove()
        self._hosts = []


class Lab(Net):
    """`relay`, `observers`, and the homes `a` and `b`: hosts with an `address`."""

    def __init__(self, kind_a, kind_b="open", observers=3):
        super().__init__()
        try:
            self._switch = self.host("sw")
            self._switch.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            self._switch.run("ip", "link", "set", "br0", "up")
            self.relay = self._public("relay", 1)
            self.observers = [self._public(f"o{number}", 10 + number) for number in range(observers)]
            self.a = self._home("a", 101, kind_a)
            self.b = self._home("b", 102, kind_b)
        except BaseException:
            self.remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def _join(self, host, *addresses):
        """Gives a host an interface `ext` on the internet."""
        self._wires += 1
        far = f"p{self._wires}"
        self.wire(host, "ext", self._switch, far)
        self._switch.run("ip", "link", "set", far, "master", "br0")
        for address in addresses:
            host.run("ip", "address", "add", f"{address}/8", "dev", "ext")

    def _public(self, name, number):
        host = self.host(name)
        host.address = f"45.{number}.0.1"
        self._join(host, host.address)
        return host

    def _home(self, name, number, kind):
        if kind == "open":
            return self._public(name, number)
        host, router = self.host(name), self.host(f"{name}-router")
        if kind == "double":
            carrier = self.host(f"{name}-carrier")
            self._join(carrier, f"45.{number}.0.1")
            self._behind(carrier, router, "ext", f"100.64.{number}")
            self._rule(carrier, "port", f"100.64.{number}.2")
        else:
            self._join(router, f"45.{number}.0.1")
        if kind == "firewall":
            self._behind_firewall(router, host, number)
        else:
            self._behind(router, host, "eth0", f"10.{number}.0")
        self._rule(router, "port" if kind == "double" else kind, host.address)
        host.outer = router
        return host

    def _behind(self, router, host, device, prefix):
        self.wire(router, "int", host, device)
        router.run("ip", "address", "add", f"{prefix}.1/24", "dev", "int")
        host.run("ip", "address", "add", f"{prefix}.2/24", "dev", device)
        host.run("ip", "route", "add", "default", "via", f"{prefix}.1")
        host.address = f"{prefix}.2"

    def _behind_firewall(self, router, host, number):
        """The router answers for the host's public address, and passes on what it lets through."""
        host.address = f"45.{number}.1.1"
        self.wire(router, "int", host, "eth0")
        host.run("ip", "address", "add", f"{host.address}/32", "dev", "eth0")
        host.run("ip", "route", "add", "169.254.7.1", "dev", "eth0")
        host.run("ip", "route", "add", "default", "via", "169.254.7.1", "src", host.address)
        router.run("ip", "address", "add", "169.254.7.1/32", "dev", "int")
        router.run("ip", "route", "add", f"{host.address}/32", "dev", "int")
        for device in ("ext", "int"):
            router.run("sysctl", "-qw", f"net.ipv4.conf.{device}.proxy_arp=1")

    def _rule(self, router, kind, host):
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        subprocess.run(
            [*router.inside, NFT, "-f", "-"], input=rules(kind, host), text=True, check=True, capture_output=True, timeout=20
        )


def rules(kind, host):
    """What one router lets through.

    What nobody has asked for is dropped before the kernel keeps a record of it: the record would hold the port, and the home's own packets would
    leave by another one.
    """
    sets, before, forward, arriving, after = [], [], [], [], []
    if kind in ("full", "address"):
        # Who may come in is what has gone out: its port, or its port and where it went.
        for protocol in ("tcp", "udp"):
            kept = "inet_service" if kind == "full" else "ipv4_addr . inet_service"
            out, back = ("", "") if kind == "full" else ("ip daddr . ", "ip saddr . ")
            sets.append(f"set seen_{protocol} {{ type {kept}; size 4096; flags dynamic,timeout; timeout 300s; }}")
            forward.append(f'iifname "int" update @seen_{protocol} {{ {out}{protocol} sport }}')
            before.append(f'iifname "ext" {back}{protocol} dport @seen_{protocol} dnat to {host}')
    if kind == "udpblock":
        forward.append("meta l4proto udp drop")
    forward += ["ct state established,related accept", "ct status dnat accept", 'iifname "int" accept']
    if kind == "refuse":
        for refusals in (forward, arriving):
            refusals.append('iifname "ext" ct state new meta l4proto tcp reject with tcp reset')
            refusals.append('iifname "ext" ct state new meta l4proto udp reject')
    # Neither does it answer what belongs to nothing that it knows of.
    arriving += ['iifname "ext" ct state established,related accept', 'iifname "ext" meta l4proto { tcp, udp } drop']
    if kind != "firewall":
        how = "masquerade random,fully-random" if kind == "symmetric" else "masquerade"
        after.append(f'oifname "ext" meta l4proto {{ tcp, udp }} {how}')
    chains = [
        ("before", "type nat hook prerouting priority -100;", before),
        ("forward", "type filter hook forward priority 0; policy drop;", forward),
        ("arriving", "type filter hook input priority 0;", arriving),
        ("after", "type nat hook postrouting priority 100;", after),
    ]
    lines = [*sets, *(f"chain {name} {{ {hook}\n" + "\n".join(body) + "\n}" for name, hook, body in chains)]
    return "table ip nat_lab {\n" + "\n".join(lines) + "\n}\n"


def is_possible():
    """Whether there can be namespaces and routers here."""
    if not NFT or os.geteuid() != 0:
        return False
    probe = f"nat-probe-{os.getpid()}-{uuid.uuid4().hex[:4]}"
    try:
        run("ip", "netns", "add", probe)
        run("ip", "netns", "delete", probe)
    except (OSError, subprocess.SubprocessError):
        return False
    return True
