"""Two network namespaces with a slow link between them: packets are held back for a while, each way.

A TUN device in each, and a thread that carries packets from one to the other when their time has come. Needs root.
"""

import contextlib
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time

from .lan import Host, run

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_counter = itertools.count()
TRIES = 6


class NotPermitted(Exception):
    """Namespaces or devices can't be made here; the text says which."""


class SlowLink:
    """`near` and `far` are the names of the namespaces, `near_ip` and `far_ip` the addresses in them.

    `delay` is one way, in seconds; a round trip takes twice as long. `loss`, `duplicates`, `reordered` and `corrupted` are shares of
    the packets, drawn with `seed`. While `is_down`, nothing arrives; nor do packets of more than `largest` bytes, about which nobody is
    told. `carried` counts the bytes that have arrived.
    """

    near_ip, far_ip = "10.79.0.1", "10.79.0.2"

    def __init__(self, delay, *, loss=0.0, duplicates=0.0, reordered=0.0, corrupted=0.0, seed=1, mtu=1400):
        self.delay = delay
        self.loss, self.duplicates, self.reordered, self.corrupted = loss, duplicates, reordered, corrupted
        self.is_down = False
        self.largest = self._mtu = mtu
        self.carried = 0
        self._random = random.Random(seed)
        number = f"{os.getpid()}-{next(_counter)}"
        self.near, self.far = f"p2p-near-{number}", f"p2p-far-{number}"
        self._devices = []
        self._undo = contextlib.ExitStack()
        self._is_over = threading.Event()
        try:
            ends = (self.near, self.near_ip, self.far_ip), (self.far, self.far_ip, self.near_ip)
            self._pipes = [self._end(*end) for end in ends]
        except (OSError, subprocess.SubprocessError) as error:
            self._undo.close()
            raise NotPermitted(f"{error} {getattr(error, 'stderr', None) or ''}".strip()) from error
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _end(self, namespace, ip, other):
        host = Host(namespace)
        self._undo.callback(host.remove)
        pipe = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        self._undo.callback(os.close, pipe)
        # The kernel fills in the number.
        request = fcntl.ioctl(pipe, _TUNSETIFF, struct.pack("16sH22x", b"p2pslow%d", _IFF_TUN | _IFF_NO_PI))
        device = request[:16].rstrip(b"\0").decode()
        run("ip", "link", "set", device, "netns", namespace)
        host.run("ip", "address", "add", ip, "peer", other, "dev", device)
        host.run("ip", "link", "set", device, "up", "mtu", self._mtu)
        self._devices.append((host, device))
        return pipe

    def _carry(self):
        near, far = self._pipes
        waiting, order = [], itertools.count()
        while not self._is_over.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, sink, packet = heapq.heappop(waiting)
                with contextlib.suppress(OSError):
                    os.write(sink, packet)
                    self.carried += len(packet)
            patience = min(0.05, waiting[0][0] - now) if waiting else 0.05
            for source in select.select([near, far], [], [], max(0, patience))[0]:
                sink = far if source is near else near
                with contextlib.suppress(BlockingIOError):
                    while packet := os.read(source, 1 << 16):
                        for delay, copy in self._fate(packet):
                            heapq.heappush(waiting, (time.monotonic() + delay, next(order), sink, copy))

    def _fate(self, packet):
        """What becomes of a packet: any number of copies, each with its delay."""
        draw = self._random.random
        if self.is_down or len(packet) > self.largest or draw() < self.loss:
            return
        if draw() < self.corrupted:
            changed = bytearray(packet)
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
            packet = bytes(changed)
        # Whatever does not wait overtakes those before it.
        yield (0 if draw() < self.reordered else self.delay), packet
        if draw() < self.duplicates:
            yield self.delay, packet

    def renumber_near(self, ip):
        """Takes the address of `near` away and gives it another, as a change of network does."""
        (near, near_device), (far, far_device) = self._devices
        far.run("ip", "route", "add", ip, "dev", far_device)
        near.run("ip", "address", "delete", self.near_ip, "peer", self.far_ip, "dev", near_device)
        near.run("ip", "address", "add", ip, "peer", self.far_ip, "dev", near_device)

    def inside(self, namespace):
        """What to put in front of a command so that it runs there."""
        return ["ip", "netns", "exec", namespace]

    def close(self):
        self._is_over.set()
        self._thread.join()
        self._undo.close()


def round_trips(link, connect, expected):
    """How many round trips `connect()` takes, which returns seconds: the best of some, as nothing can make it faster.

    Once it has taken no more than `expected` there is nothing to try again for; until then, a busy machine may be the reason.
    """
    counts = []
    while not counts or len(counts) < TRIES and min(counts) > expected:
        counts.append(int(connect() / (2 * link.delay)))
    return min(counts)
