"""Pings a node all the time, as a peer of its own from an address of its own: pinger_main.py HOST PORT SOURCE.

Prints a line for each answer, and ends when its input does. A process of its own, since those that attack leave no time to others in theirs.
"""

import os
import select
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from hostile.wire import PING, session  # noqa: E402
from peers.formats import Key  # noqa: E402


def main():
    host, port, source = sys.argv[1:]
    near = session((host, int(port)), Key(), source=source)
    stream = near.open(PING)
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        stream.send(bytes(32))
        assert stream.receive_exactly(32, within=30) == bytes(32)
        print("pong", flush=True)
    near.link.close()


if __name__ == "__main__":
    main()
