"""System calls of a process that fail while a block runs, and are sound again afterwards: strace makes them."""

import contextlib
import pathlib
import subprocess
import time

from .clock import Deadline
from .processes import tied


def can_trace():
    try:
        return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], timeout=20).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def options(faults):
    """strace's, for faults like `accept4:error=EPROTO:when=2+3`, counted for each thread."""
    calls = ",".join(fault.partition(":")[0] for fault in faults)
    return ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", *(part for fault in faults for part in ("-e", f"inject={fault}"))]


def _is_traced(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks)


@contextlib.contextmanager
def failing(pid, *faults, only=()):
    """`only` are descriptors, by what /proc says of them; without, all count."""
    filters = [part for path in only for part in ("-P", path)]
    tracer = subprocess.Popen(tied(["strace", *options(faults), *filters, "-p", str(pid)]), stderr=subprocess.PIPE)
    try:
        late = Deadline(10)
        while not _is_traced(pid):
            assert tracer.poll() is None, tracer.stderr.read()
            assert not late.is_over, "strace does not come"
            time.sleep(0.02)
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)
