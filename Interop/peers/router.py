"""A home network: a host behind a router that can map ports, and a host outside, in namespaces of their own. Needs root and nftables.

The outside is called 45.33.0.0/24, because what is set aside for documentation is nobody's public address; it leads nowhere else.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

from .clock import Deadline
from .lan import Host, run
from .processes import tied

ROUTER, HOME, OUTER, OUTSIDE = "192.168.77.1", "192.168.77.2", "45.33.0.1", "45.33.0.9"
HOME_IPV6, LINK_LOCAL = "2600:77::2", "fe80::7"
MINIUPNPD = shutil.which("miniupnpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
NFT = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

RULES = """table inet filter {
  chain forward { type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "int" accept
    jump miniupnpd
  }
  chain miniupnpd { }
  chain prerouting { type nat hook prerouting priority -100;
    jump prerouting_miniupnpd
  }
  chain prerouting_miniupnpd { }
  chain postrouting { type nat hook postrouting priority 100;
    jump postrouting_miniupnpd
    oifname "ext" masquerade
  }
  chain postrouting_miniupnpd { }
}
"""


class HomeNetwork:
    """`home` is behind `router`, `outside` is not."""

    def __init__(self, outer=OUTER, ipv6=False):
        self.outer = outer
        self.room = pathlib.Path(tempfile.mkdtemp(prefix="p2p-router-"))
        self._daemon = None
        self._hosts = []
        try:
            tag = f"{os.getpid() % 10_000}{uuid.uuid4().hex[:3]}"
            self.home, self.router, self.outside = (self._host(f"p2p-{tag}-{name}") for name in ("h", "r", "o"))
            self._connect("int", ROUTER, self.home, HOME)
            self._connect("ext", outer, self.outside, outer.rsplit(".", 1)[0] + ".9")
            self.home.run("ip", "route", "add", "default", "via", ROUTER)
            self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            if ipv6:
                self._connect_ipv6()
            self._reset()
        except BaseException:
            self.remove()
            raise

    def _host(self, name):
        host = Host(name)
        self._hosts.append(host)
        return host

    def _connect(self, device, address, far, far_address):
        self.router.run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", far.name)
        for host, name, ip in ((self.router, device, address), (far, "eth0", far_address)):
            host.run("ip", "address", "add", f"{ip}/24", "dev", name)
            host.run("ip", "link", "set", name, "up")

    def _connect_ipv6(self):
        """Addresses that nobody translates, behind the same firewall; the router is known by its address on the link alone."""
        self.router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for host, address, device in (
            (self.router, f"{LINK_LOCAL}/64", "int"),
            (self.router, "2600:77::1/64", "int"),
            (self.home, f"{HOME_IPV6}/64", "eth0"),
            (self.router, "2600:33::1/64", "ext"),
            (self.outside, "2600:33::9/64", "eth0"),
        ):
            host.run("ip", "address", "add", address, "dev", device, "nodad")
        self.home.run("ip", "-6", "route", "add", "default", "via", LINK_LOCAL, "dev", "eth0")
        self.outside.run("ip", "-6", "route", "add", "2600:77::/64", "via", "2600:33::1")

    def _reset(self):
        """The router's rules, without any mapping."""
        self.router.run(NFT, "flush", "ruleset")
        rules = self.room / "rules"
        rules.write_text(RULES)
        self.router.run(NFT, "-f", rules)

    def start(self, **settings):
        """Starts what maps ports; settings are those of its configuration, such as enable_natpmp="no"."""
        configuration = {
            "ext_ifname": "ext",
            "listening_ip": "int",
            "enable_natpmp": "yes",
            "enable_upnp": "yes",
            "upnp_table_name": "filter",
            "upnp_nat_table_name": "filter",
            "upnp_forward_chain": "miniupnpd",
            "upnp_nat_chain": "prerouting_miniupnpd",
            "upnp_nat_postrouting_chain": "postrouting_miniupnpd",
            "secure_mode": "yes",
            "system_uptime": "no",
            "uuid": "00000000-0000-0000-0000-000000000001",
            "min_lifetime": "120",
            "max_lifetime": "86400",
            **settings,
        }
        lines = [f"{name}={value}" for name, value in configuration.items()]
        lines += [f"allow 1024-65535 192.168.77.0/24 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535", ""]
        path = self.room / "miniupnpd.conf"
        path.write_text("\n".join(lines))
        self._daemon = subprocess.Popen(
            tied([*self.router.inside, MINIUPNPD, "-d", "-f", str(path), "-P", str(self.room / "pid")]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self):
        if self._daemon:
            self._daemon.terminate()
            self._daemon.wait(5)
            self._daemon = None

    def reboot(self, **settings):
        """The router has forgotten everything when it is back."""
        self.stop()
        self._reset()
        self.start(**settings)

    def play(self, case):
        """Puts a gateway that misbehaves in the place of the router's own."""
        script = pathlib.Path(__file__).with_name("hostile_gateway_main.py")
        self._daemon = subprocess.Popen(
            tied([*self.router.inside, sys.executable, str(script), case, ROUTER, self.outer]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._daemon.stdout.readline().strip() == "ready"

    def mappings(self):
        """The ports that lead to the host at home, as (protocol, outer port)."""
        rules = self.router.run(NFT, "list", "chain", "inet", "filter", "prerouting_miniupnpd").stdout
        found = set()
        for line in rules.splitlines():
            # nft shows the number of the protocol as miniupnpd has written it, where it knows no name for what is compared.
            rule = re.search(r"(0x6|0x11|tcp|udp) (?:th )?dport (\d+) dnat", line)
            if rule:
                found.add(({"0x6": "tcp", "0x11": "udp"}.get(rule[1], rule[1]), int(rule[2])))
        return found

    def wait_for_mappings(self, expected, timeout=10):
        deadline = Deadline(timeout)
        while self.mappings() != expected:
            assert not deadline.is_over, f"the router maps {self.mappings()}, not {expected}"
            time.sleep(0.1)

    def remove(self):
        self.stop()
        for host in self._hosts:
            host.remove()
        shutil.rmtree(self.room, ignore_errors=True)
