"""Our own node: the tool `p2p` as a daemon, and as the command that dials."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time

from . import clock
from .processes import JSONProcess, tied

ROOT = pathlib.Path(__file__).parents[2]
BINARY = pathlib.Path(os.environ.get("P2P_BIN", ROOT / ".build" / "debug" / "p2p")).absolute()


def environment():
    """Without the backtracer, which would hold a crashed process for seconds, and without this machine's own proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "SWIFT_BACKTRACE": "enable=no"}


class Daemon:
    """`p2p daemon --json`."""

    name = "ours"

    def __init__(self, listen="/ip4/127.0.0.1/tcp/0", *, key=None, options=(), wrapper=()):
        listens = [listen] if isinstance(listen, str) else list(listen)
        arguments = [*wrapper, BINARY, "daemon", "--json", *options]
        for address in listens:
            arguments += ["--listen", address]
        if key:
            arguments += ["--key", key]
        self.process = JSONProcess(arguments, environment=environment())
        self.peer = self.process.wait_for("ready", timeout=30)["peer"]
        self.addresses = [item["address"] for item in self.process.all("listening")]

    @property
    def address(self):
        return self.addresses[0]

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process.is_running

    @property
    def endpoint(self):
        """Host and port of the first TCP address."""
        parts = self.address.split("/")
        return parts[2], int(parts[4])

    def stats(self, timeout=10):
        """The snapshot that the daemon prints on SIGUSR1."""
        mark = self.process.mark()
        os.kill(self.pid, signal.SIGUSR1)
        return self.process.wait_for("stats", after=mark, timeout=timeout)

    def wait_until_without(self, peer, timeout=10):
        """Waits until every connection of that peer has ended."""
        deadline = clock.Deadline(timeout)
        while True:
            came, went = (
                sum(item["peer"] == peer for item in self.process.all(event)) for event in ("connected", "disconnected")
            )
            if came == went:
                return
            assert not deadline.is_over, f"{peer} is connected still"
            time.sleep(0.02)

    def log_text(self):
        return self.process.log_text()

    def stop(self, grace=5):
        return self.process.stop(grace)


class Outcome:
    """What a command printed, and its exit code."""

    def __init__(self, arguments, finished):
        self.arguments = arguments
        self.code = finished.returncode
        self.stdout = finished.stdout
        self.stderr = finished.stderr.decode(errors="replace")

    @property
    def objects(self):
        return [json.loads(line) for line in self.stdout.decode().splitlines() if line.strip()]

    def event(self, name):
        """The last JSON object with that event, or None."""
        return next((item for item in reversed(self.objects) if item.get("event") == name), None)

    @property
    def error(self):
        """The error object; --json puts it on stderr or stdout."""
        for text in (self.stderr, self.stdout.decode(errors="replace")):
            for line in text.splitlines():
                try:
                    item = json.loads(line)
                except ValueError:
                    continue
                if isinstance(item, dict) and item.get("event") == "error":
                    return item
        return None

    def __repr__(self):
        return f"{self.arguments} exited {self.code}\nstdout: {self.stdout[-2000:]!r}\nstderr: {self.stderr[-4000:]}"


def run(*arguments, stdin=b"", timeout=60, variables=None, wrapper=()):
    """Runs the tool to its end. Standard input has the bytes; None keeps it open and says nothing."""
    arguments = [str(argument) for argument in (*wrapper, BINARY, *arguments)]
    quiet, kept = os.pipe() if stdin is None else (subprocess.PIPE, None)
    process = subprocess.Popen(
        tied(arguments),
        stdin=quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment(), **(variables or {})},
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(
            f"{arguments} still ran after {timeout} s\nstdout: {stdout[-2000:]!r}\nstderr: {stderr[-2000:]!r}"
        ) from None
    finally:
        if kept is not None:
            os.close(quiet)
            os.close(kept)
    return Outcome(
        arguments[len(wrapper) + 1 :], subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)
    )


def digest(data):
    return hashlib.sha256(data).hexdigest()
