"""Time that does not pass while the whole machine stands still, as virtual machines sometimes do for many seconds.

A thread beats ten times a second; a longer gap between two beats is no time that anybody had.
"""

import threading
import time

BEAT = 0.1
STANDSTILL = 1.0


class _Clock:
    def __init__(self):
        self._lock = threading.Lock()
        self._last_beat = time.monotonic()
        self._lost = 0.0
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        while True:
            time.sleep(BEAT)
            self.now()

    def now(self):
        with self._lock:
            real = time.monotonic()
            gap = real - self._last_beat
            if gap > STANDSTILL:
                self._lost += gap - BEAT
            self._last_beat = real
            return real - self._lost


_clock = _Clock()
now = _clock.now
"""Seconds of time in which the machine ran."""


class Deadline:
    """A moment so many seconds ahead. Wait in slices and ask it again."""

    SLICE = 0.25

    def __init__(self, seconds):
        self._end = now() + seconds

    @property
    def left(self):
        return self._end - now()

    def end(self):
        """Makes it this moment."""
        self._end = now()

    @property
    def is_over(self):
        return self.left <= 0

    @property
    def slice(self):
        """How long to block before the next look at the clock."""
        return max(0.001, min(self.SLICE, self.left))


def wait_until(condition, within, what="it"):
    """Polls until the condition holds; fails when it doesn't in time."""
    deadline = Deadline(within)
    while not condition():
        assert not deadline.is_over, f"{what} did not come within {within} s"
        time.sleep(0.05)


def settled(look, seconds, counts=lambda seen: seen, within=30):
    """Looks until `counts` of what is seen has been the same for so many seconds; the last look."""
    deadline = Deadline(within)
    seen, since = look(), now()
    while now() - since < seconds:
        assert not deadline.is_over, f"it does not settle: {counts(seen)}"
        time.sleep(0.2)
        last, seen = seen, look()
        if counts(seen) != counts(last):
            since = now()
    return seen
