"""An independent mDNS implementation (python-zeroconf) that knows nothing of libp2p: one JSON object a line.

    zeroconf_main.py browse IP
    zeroconf_main.py advertise IP TEXT
"""

import json
import secrets
import socket
import sys
import time

from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

SERVICE = "_p2p._udp.local."


def say(**item):
    print(json.dumps(item), flush=True)


class Listener(ServiceListener):
    def add_service(self, zc, type_, name):
        info = zc.get_service_info(type_, name, 3000)
        if info is None:
            say(event="unresolved", name=name)
            return
        texts = {key.decode(): value and value.decode() for key, value in info.properties.items()}
        say(event="found", name=name, port=info.port, host=info.server, addresses=info.parsed_addresses(), texts=texts)

    def update_service(self, zc, type_, name):
        pass

    def remove_service(self, zc, type_, name):
        say(event="removed", name=name)


kind, ip = sys.argv[1:3]
zeroconf = Zeroconf(interfaces=[ip])
if kind == "browse":
    browser = ServiceBrowser(zeroconf, SERVICE, Listener())
else:
    name = secrets.token_hex(16)
    info = ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=4001,
        properties={"dnsaddr": sys.argv[3]},
        server=f"{name}.local.",
        addresses=[socket.inet_aton(ip)],
    )
    zeroconf.register_service(info)
say(event="ready")
while True:
    time.sleep(60)
