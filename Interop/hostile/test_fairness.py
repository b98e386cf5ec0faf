"""One peer that takes all it can get, and those who share its event loop."""

import threading
import time

import pytest

from peers import ours

from .conftest import MIB, times
from .wire import DATA, FIN, INITIAL_WINDOW, MULTISTREAM, SYN, WINDOW_UPDATE, Frame, token

SECONDS = times(in_ci=3, in_soak=20)
WITHOUT_END = b"\xff" * 8
"""The most that perf can be asked for."""
INTERVAL = 0.02
"""Seconds between two pings: more than a debug build needs for a turn."""
NEIGHBOURS = 2
"""So that there is one on each event loop of a small machine."""


def take_all(session, streams, until):
    """Asks perf for everything on each stream, with all the credit that a window can have; returns bytes received."""
    asked = token(MULTISTREAM) + token("/perf/1.0.0") + WITHOUT_END
    for _ in range(streams):
        stream = session.adopt(session.next_id())
        session.send(
            Frame(DATA, SYN | FIN, stream.id, len(asked), asked),
            Frame(WINDOW_UPDATE, 0, stream.id, (1 << 32) - 1 - INITIAL_WINDOW),
        )
    socket = session.link.socket
    socket.settimeout(0.5)
    buffer, received = bytearray(1 << 20), 0
    while time.monotonic() < until:
        try:
            received += socket.recv_into(buffer)
        except TimeoutError:
            pass
    return received


@pytest.mark.memory(16)
@pytest.mark.parametrize("streams", [1, 8, 128])
def test_others_are_served_meanwhile(attack, streams):
    neighbours = [
        ours.JSONProcess(
            [ours.BINARY, "ping", attack.target.address, "--count", 1_000_000, "--interval", INTERVAL, "--json"],
            environment=ours.environment(),
        )
        for _ in range(NEIGHBOURS)
    ]
    try:
        for neighbour in neighbours:
            neighbour.wait_for(lambda item: item.get("sequence") == 3)
        before = [len(neighbour.all("pong")) for neighbour in neighbours]
        session = attack.session()
        received = []
        with session.link:
            greedy = threading.Thread(
                target=lambda: received.append(take_all(session, streams, time.monotonic() + SECONDS))
            )
            greedy.start()
            greedy.join()
            answered = [len(n.all("pong")) - b for n, b in zip(neighbours, before, strict=True)]
        assert received[0] > 16 * MIB * SECONDS, "nobody was greedy"
        # Where the loop looks at its sockets once in two seconds, a neighbour gets two answers.
        assert min(answered) >= SECONDS / INTERVAL / 10, answered
    finally:
        for neighbour in neighbours:
            neighbour.stop()
