"""Holds many connections to a node and says nothing but what keeps them alive: idle_main.py tcp|quic HOST PORT COUNT.

Each is of an identity of its own. Prints a line of JSON when all are there; and when its input ends, another, with how many are alive still.
"""

import heapq
import json
import os
import select
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

NETWORKS = 50
PER_NETWORK = 200


def source(number):
    """An address of loopback that few others have: a port of it is bound to one address."""
    return f"127.{1 + number % NETWORKS}.{number // NETWORKS // PER_NETWORK}.{1 + number // NETWORKS % PER_NETWORK}"


class TCP:
    """A yamux session that answers pings."""

    def __init__(self, endpoint, number):
        from hostile.wire import session
        from peers.formats import Key

        self.near = session(endpoint, Key(), source=source(number))
        self.is_alive = True

    def fileno(self):
        return self.near.link.socket.fileno()

    def read(self):
        from hostile.wire import Ended

        try:
            while self.near.link.has_input():
                self.near.receive_frame()
            self.is_alive = self.near.go_away is None
        except Ended:
            self.is_alive = False

    def timer(self):
        return None

    def close(self):
        self.near.link.close()


class QUIC:
    """A QUIC connection that acknowledges."""

    def __init__(self, endpoint, number):
        from hostile.quic import Dialer
        from hostile.tls import Certificate

        self.near = Dialer(endpoint, Certificate(), source=source(number))
        self.near.handshake()
        self.near.socket.setblocking(False)
        self.is_alive = True

    def fileno(self):
        return self.near.socket.fileno()

    def read(self):
        while True:
            try:
                packet, sender = self.near.socket.recvfrom(65536)
            except (BlockingIOError, ConnectionRefusedError):
                break
            self.near.received(packet, sender)
        self._follow()

    def tick(self):
        self.near.quic.handle_timer(time.monotonic())
        self._follow()

    def _follow(self):
        while event := self.near.quic.next_event():
            self.is_alive &= type(event).__name__ != "ConnectionTerminated"
        self.near.flush()

    def timer(self):
        return self.near.quic.get_timer()

    def close(self):
        self.near.close()


class Keeper:
    """Drives all of them."""

    def __init__(self):
        self.poll, self.held, self.timers = select.epoll(), {}, []

    def add(self, one):
        self.held[one.fileno()] = one
        self.poll.register(one.fileno(), select.EPOLLIN)
        self._wind(one)

    def _wind(self, one):
        if (at := one.timer()) is not None:
            heapq.heappush(self.timers, (at, one.fileno()))

    def turn(self, patience):
        """What has come, and which timers are over; False when the input of this process has ended."""
        if self.timers:
            patience = min(patience, max(0, self.timers[0][0] - time.monotonic()))
        goes_on = True
        for number, _ in self.poll.poll(patience):
            if number == sys.stdin.fileno():
                goes_on = False
                continue
            one = self.held[number]
            one.read()
            if not one.is_alive:
                self.poll.unregister(number)
            self._wind(one)
        while self.timers and self.timers[0][0] <= time.monotonic():
            _, number = heapq.heappop(self.timers)
            one = self.held[number]
            # The timer may have been wound up again since.
            if one.is_alive and (at := one.timer()) is not None and at <= time.monotonic():
                one.tick()
                self._wind(one)
        return goes_on


def main():
    kind, host, port, count = sys.argv[1:]
    make, keeper, began = {"tcp": TCP, "quic": QUIC}[kind], Keeper(), time.monotonic()
    for number in range(int(count)):
        keeper.add(make((host, int(port)), number))
        keeper.turn(0)
    print(json.dumps({"event": "connected", "seconds": round(time.monotonic() - began, 1)}), flush=True)
    keeper.poll.register(sys.stdin.fileno(), select.EPOLLIN)
    while keeper.turn(1):
        pass
    print(json.dumps({"event": "done", "alive": sum(one.is_alive for one in keeper.held.values())}), flush=True)
    for one in keeper.held.values():
        one.close()


if __name__ == "__main__":
    main()
