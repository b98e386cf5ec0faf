"""The process of a kubo node: kubo as a C library, and commands for it on stdin, JSON lines both ways.

    kubo_main.py LIBRARY REPOSITORY SETTINGS

SETTINGS is the part of kubo's configuration that shall be otherwise than in a new repository, as JSON. Says {"event": "ready", "peer": …,
"addresses": […]}, then for each command {"id": …, "ok": true, …} or {"id": …, "error": …}. It ends with 0 on SIGTERM, and when stdin ends.
"""

import ctypes
import ipaddress
import json
import os
import pathlib
import signal
import subprocess
import sys

NEARBY = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "224.0.0.0/4", "fc00::/7", "fe80::/10", "ff00::/8")
]
"""Where routes may lead: private, link-local and multicast addresses."""


class Failed(Exception):
    """A function of the library failed; the text is the last that kubo said."""


def ways_out():
    """The destinations, of any routing table of this namespace, that are not nearby."""
    found = []
    for family, everything in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
        listing = subprocess.run(["ip", "-json", family, "route", "show", "table", "all"], check=True, capture_output=True, text=True)
        for route in json.loads(listing.stdout or "[]"):
            # The other types deliver here, or nowhere.
            if route.get("type", "unicast") != "unicast":
                continue
            network = ipaddress.ip_network(everything if route["dst"] == "default" else route["dst"])
            if not any(network.version == near.version and network.subnet_of(near) for near in NEARBY):
                found.append(route["dst"])
    return found


class Library:
    """The functions that the library exports: text comes as JSON or bare, failure as a number below zero, and its reason in a log.

    What they return is never freed: the library's own function for that does nothing.
    """

    LOG = pathlib.Path("kubo.log")
    TEXTS = "GetNodeID", "GetNodeMultiAddrs", "ListPeers", "FindPeer"
    CODES = "CreateRepo", "RunNode", "CleanupNode", "ConnectToPeer", "P2PListen", "P2PForward"

    def __init__(self, path, repository):
        library = ctypes.CDLL(path)
        self._repository = os.fsencode(repository)
        self._functions = {name: getattr(library, name) for name in (*self.TEXTS, *self.CODES)}
        for name in self.TEXTS:
            self._functions[name].restype = ctypes.c_char_p

    def call(self, name, *arguments):
        """What it returned: text, or a number of zero or more."""
        said = self._log_size()
        result = self._functions[name](self._repository, *arguments)
        if name in self.TEXTS:
            return (result or b"").decode()
        if result < 0:
            raise Failed(f"{name} returned {result}: {self._log_from(said)}")
        return result

    def call_for_json(self, name, *arguments):
        """Its answer; none and `null` are an empty list."""
        return json.loads(self.call(name, *arguments) or "null") or []

    def _log_size(self):
        return self.LOG.stat().st_size if self.LOG.exists() else 0

    def _log_from(self, offset):
        if not self.LOG.exists():
            return "no reason given"
        with self.LOG.open("rb") as log:
            log.seek(offset)
            return " ".join(log.read().decode(errors="replace").split())[-2000:]


def merge(into, changes):
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value


class Node:
    def __init__(self, library, repository, settings):
        repository.mkdir(exist_ok=True)
        # It logs into the working directory.
        os.chdir(repository)
        self._library = Library(library, repository)
        configuration = repository / "config"
        if not configuration.exists():
            self._library.call("CreateRepo")
        content = json.loads(configuration.read_text())
        merge(content, settings)
        configuration.write_text(json.dumps(content))
        if self._library.call("RunNode") != 1:
            raise Failed("RunNode did not start a node")
        self.peer = self._library.call("GetNodeID")

    def addresses(self):
        return self._library.call_for_json("GetNodeMultiAddrs")

    def run(self, command):
        match command["do"]:
            case "connect":
                self._library.call("ConnectToPeer", command["address"].encode())
                return {}
            case "peers":
                return {"peers": self._library.call_for_json("ListPeers")}
            case "find":
                return {"addresses": self._library.call_for_json("FindPeer", command["peer"].encode(), command["seconds"])}
            case "listen_tunnel":
                self._library.call("P2PListen", command["tunnel"].encode(), command["target"].encode())
                return {}
            case "forward_tunnel":
                self._library.call("P2PForward", command["tunnel"].encode(), command["listen"].encode(), command["peer"].encode())
                return {}
            case name:
                raise Failed(f"{name} is no command")

    def stop(self):
        self._library.call("CleanupNode")


def main(library, repository, settings):
    # Kubo prints what it likes on standard output.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(item):
        print(json.dumps(item), file=answers, flush=True)

    if ways := ways_out():
        sys.exit(f"kubo stays off the Internet: it runs only where no route leads there, and here are some, to {', '.join(ways)}")
    node = Node(library, pathlib.Path(repository), json.loads(settings))
    # Only now: the library takes the signal for itself when it starts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        say({"event": "ready", "peer": node.peer, "addresses": node.addresses()})
        for line in sys.stdin:
            command = json.loads(line)
            try:
                say({"id": command["id"], "ok": True, **node.run(command)})
            except Exception as error:
                say({"id": command["id"], "error": str(error) or repr(error)})
    finally:
        node.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
