"""A real py-libp2p node in a process of its own."""

import itertools
import pathlib
import sys

from . import certificates
from .processes import JSONProcess

MAIN = pathlib.Path(__file__).with_name("python_node_main.py")
RELAY_MAIN = pathlib.Path(__file__).with_name("python_relay_main.py")


class Refused(Exception):
    """The python node reports that a command failed; the text is its own."""


class PythonNode:
    """One py-libp2p process with one transport, security and muxer."""

    name = "py"
    agent = "py-libp2p/"

    def __init__(self, *, transport="tcp", security="noise", muxer="yamux", psk=None):
        arguments = [sys.executable, MAIN, "--transport", transport]
        arguments += ["--security", security] if security else []
        arguments += ["--muxer", muxer] if muxer else []
        arguments += ["--psk", psk.hex()] if psk else []
        arguments += ["--certificate", *certificates.shared()] if transport == "wss" else []
        self._start(arguments)

    def _start(self, arguments):
        self._process = JSONProcess(arguments, stdin=True)
        self._ids = itertools.count(1)
        ready = self._process.wait_for("ready", timeout=90)
        self.peer, self.addresses = ready["peer"], ready["addresses"]

    @property
    def address(self):
        return self.addresses[0]

    def stop(self):
        self._process.stop()

    def _command(self, name, address, timeout=60, **details):
        number = next(self._ids)
        self._process.send({"id": number, "do": name, "address": address, "timeout": timeout, **details})
        answer = self._process.wait_for(lambda item: item.get("id") == number, timeout=timeout + 10)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    # What the matrix asks of every dialer

    def ping(self, address, count=3, timeout=60, stays=False):
        """Dials and pings; returns the round trips in milliseconds. The connection is closed unless it `stays`."""
        return self._command("ping", address, timeout=timeout, count=count, stays=stays)["times"]

    def identify(self, address):
        """Dials and reads the peer's identify message."""
        return self._command("identify", address)

    def echo(self, address, size):
        """Dials and echoes random bytes; returns the SHA-256 of what was sent and of what came back."""
        answer = self._command("echo", address, size=size)
        return answer["sent"], answer["received"]

    # What only this node can do

    def half_close(self, address, text):
        """Sends, half-closes, then reads the echo to its end."""
        return self._command("half_close", address, text=text)["received"]

    def exchange(self, address, protocol, data):
        """Sends bytes of any protocol, half-closes, and returns what comes back up to the peer's end."""
        return bytes.fromhex(self._command("exchange", address, protocol=protocol, sent=data.hex())["received"])

    def perf(self, address, upload, download):
        """Uploads and downloads so many bytes over /perf/1.0.0."""
        return self._command("perf", address, upload=upload, download=download)


class PythonRelayNode(PythonNode):
    """A py-libp2p process over TCP, Noise and yamux that is a relay (`hop`), or uses relays (`client`)."""

    def __init__(self, role="client"):
        self._start([sys.executable, RELAY_MAIN, "--role", role])

    def reserve(self, address):
        """Takes a place at a relay."""
        self._command("reserve", address)
