"""What `p2p echo` does with peers that echo in their own way."""

import os

import pytest

from peers import ours, p2pd

MIB = 1024 * 1024


@pytest.fixture
def echoing():
    """Starts go nodes that echo with a handler of the test's."""
    nodes = []

    def start(handler):
        nodes.append(p2pd.GoNode(echo=handler))
        return nodes[-1].address

    yield start
    for node in nodes:
        node.stop()


def test_a_peer_that_returns_more_than_it_was_sent_is_told_off(echoing):
    def generous(pipe):
        while chunk := pipe.recv(1 << 16):
            pipe.sendall(chunk + b"!")

    outcome = ours.run("echo", echoing(generous), stdin=os.urandom(4 * MIB), timeout=60)
    assert outcome.code != 0
    assert "bytes more than it was sent" in outcome.stderr


def test_no_more_than_a_mebibyte_is_under_way(echoing):
    most = []

    def hoarding(pipe):
        """Returns nothing before nothing more has come for a while."""
        held = b""
        pipe.settimeout(1)
        while True:
            try:
                chunk = pipe.recv(1 << 16)
            except TimeoutError:
                most.append(len(held))
                pipe.settimeout(None)
                pipe.sendall(held)
                pipe.settimeout(1)
                held = b""
            else:
                if not chunk:
                    return
                held += chunk

    payload = os.urandom(3 * MIB + 5)
    outcome = ours.run("echo", echoing(hoarding), stdin=payload, timeout=60)
    assert outcome.code == 0, outcome
    assert ours.digest(outcome.stdout) == ours.digest(payload)
    # Full, and not fuller: what is sent comes in pieces of up to 64 KiB.
    assert MIB - 64 * 1024 < max(most) <= MIB
    assert sum(most) == len(payload)


def test_a_peer_that_stops_returning_is_given_up(echoing):
    def silent(pipe):
        while pipe.recv(1 << 16):
            pass

    outcome = ours.run("echo", echoing(silent), "--timeout", 3, stdin=os.urandom(3 * MIB), timeout=60)
    assert outcome.code != 0
    assert "the peer did nothing for" in outcome.stderr
