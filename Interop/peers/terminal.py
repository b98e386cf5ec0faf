"""Programs on a terminal of their own, as a person runs them."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

from .clock import Deadline
from .ours import environment
from .processes import tied


class Terminal:
    """Runs a command on a pseudo-terminal, types lines, and collects what it shows."""

    def __init__(self, arguments, *, directory=None):
        self.arguments = [str(argument) for argument in arguments]
        self._shown = ""
        self._changed = threading.Condition()
        self._is_open = True
        self._master, slave = pty.openpty()
        settings = termios.tcgetattr(slave)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(
            tied(self.arguments), stdin=slave, stdout=slave, stderr=slave, env=environment(), cwd=directory
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            with self._changed:
                self._shown += data.decode(errors="replace")
                self._is_open = bool(data)
                self._changed.notify_all()
            if not data:
                return

    @property
    def shown(self):
        with self._changed:
            return self._shown

    def type(self, line):
        os.write(self._master, line.encode() + b"\n")

    def end_input(self):
        """Ctrl-D."""
        os.write(self._master, b"\x04")

    def wait_for(self, pattern, timeout=30):
        """The first match of a regular expression in everything that it has shown."""
        deadline = Deadline(timeout)
        with self._changed:
            while not (match := re.search(pattern, self._shown)):
                assert self._is_open, f"{self.arguments} ended without {pattern!r}; it showed:\n{self._shown[-4000:]}"
                assert not deadline.is_over, f"no {pattern!r} within {timeout} s; it showed:\n{self._shown[-4000:]}"
                self._changed.wait(deadline.slice)
            return match

    def code(self, timeout=30):
        """Its exit code, once it ends."""
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code

    def kill(self):
        """Ends it at once."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def close(self):
        self.kill()
        os.close(self._master)
