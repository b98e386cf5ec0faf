"""Processes that speak JSON, one object a line, on their standard output."""

import json
import shutil
import subprocess
import threading

from .clock import Deadline


class ProcessEnded(Exception):
    """The process ended, or stayed silent, before it said what was waited for."""


def tied(arguments):
    """The same command, ended by the kernel when the harness dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *arguments] if setpriv else [*arguments]


class JSONProcess:
    """Runs a command, collects the JSON objects of its stdout and the lines of its stderr."""

    def __init__(self, arguments, *, environment=None, stdin=False, directory=None):
        self.arguments = [str(argument) for argument in arguments]
        self.objects = []
        self.log = []
        self._changed = threading.Condition()
        self._open_pipes = 2
        self.process = subprocess.Popen(
            tied(self.arguments),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=directory,
            text=True,
            errors="replace",
            bufsize=1,
        )
        for pipe, keep in ((self.process.stdout, self._keep_object), (self.process.stderr, self.log.append)):
            threading.Thread(target=self._collect, args=(pipe, keep), daemon=True).start()

    def _keep_object(self, line):
        try:
            self.objects.append(json.loads(line))
        except ValueError:
            self.objects.append({"event": "not json", "line": line})

    def _collect(self, pipe, keep):
        for line in pipe:
            with self._changed:
                keep(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open_pipes -= 1
            self._changed.notify_all()

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process.poll() is None

    def mark(self):
        """A place in the stream of objects, for `wait_for(after:)`."""
        with self._changed:
            return len(self.objects)

    def wait_for(self, matches, *, after=0, timeout=20):
        """The first object from `after` on that matches (an event name, or a function of the object)."""
        wanted = matches
        if isinstance(matches, str):
            wanted = lambda item: item.get("event") == matches  # noqa: E731
        deadline = Deadline(timeout)
        with self._changed:
            while True:
                for item in self.objects[after:]:
                    if wanted(item):
                        return item
                if deadline.is_over or self._open_pipes == 0:
                    why = "ended" if self._open_pipes == 0 else f"said nothing of the kind in {timeout} s"
                    raise ProcessEnded(f"{self.arguments[:3]} {why}: waited for {matches}\n{self.report()}")
                self._changed.wait(deadline.slice)

    def all(self, event):
        with self._changed:
            return [item for item in self.objects if item.get("event") == event]

    def log_text(self):
        with self._changed:
            return "\n".join(self.log)

    def report(self):
        """Its last words, for a failed test."""
        said = "\n".join(json.dumps(item) for item in self.objects[-10:])
        return f"stdout:\n{said}\nstderr:\n" + "\n".join(self.log[-20:])

    def send(self, item):
        self.process.stdin.write(json.dumps(item) + "\n")
        self.process.stdin.flush()

    def wait(self, within):
        """Its exit code, when it has ended by itself and all that it said is here."""
        code = self.process.wait(within)
        self._hear_out()
        return code

    def _hear_out(self):
        """Somebody whom it has started may hold the pipes open."""
        deadline = Deadline(2)
        with self._changed:
            while self._open_pipes > 0 and not deadline.is_over:
                self._changed.wait(deadline.slice)

    def stop(self, grace=5):
        """Ends it by SIGTERM; returns its exit code, or None when it had to be killed."""
        if self.is_running:
            self.process.terminate()
        try:
            code = self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        self._hear_out()
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except OSError:
                pass
        return code
