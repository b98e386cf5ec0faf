"""A peer that is not who the dialer asked for is refused, in both directions."""

import pytest

from conftest import PEERS, STACKS, make_peer
from peers import ours, p2pd, python_node
from peers.formats import KEY_TYPES, Key, with_peer

REFUSALS = (p2pd.Refused, python_node.Refused)

CELLS = [
    pytest.param(stack, peer, id=f"{peer}-{stack}") for stack in STACKS for peer in PEERS if stack.is_spoken_by(peer)
]


@pytest.mark.parametrize("wrong_type", KEY_TYPES)
@pytest.mark.parametrize(("stack", "peer"), CELLS)
def test_we_refuse_another_peer(nodes, keys, stack, peer, wrong_type):
    node = nodes.peer(peer, stack)
    wrong = with_peer(node.address, Key(wrong_type).peer)
    outcome = ours.run("ping", wrong, "--count", 1, "--key", keys("ed25519"), *stack.options, "--json")
    assert outcome.code == 1, outcome
    assert outcome.event("pong") is None
    assert outcome.error["code"], outcome
    assert node.peer in outcome.error["message"], "the message names the peer that really answered"


@pytest.mark.parametrize(("stack", "peer"), CELLS)
def test_they_refuse_us_under_another_id(nodes, stack, peer):
    daemon = nodes.ours(stack)
    # A node of its own: go keeps a failed address in back-off.
    node = make_peer(peer, stack)
    try:
        with pytest.raises(REFUSALS):
            node.ping(with_peer(daemon.address, Key().peer), count=1)
    finally:
        node.stop()
    assert daemon.is_running
    assert len(nodes.peer(peer, stack).ping(daemon.address, count=1)) == 1


def test_an_address_without_a_peer_needs_consent(nodes, keys):
    address = nodes.ours(STACKS[0]).address.split("/p2p/")[0]
    refused = ours.run("ping", address, "--count", 1, "--key", keys("secp256k1"), "--json")
    assert refused.code in (1, 64), refused
    allowed = ours.run("ping", address, "--count", 1, "--any-peer", "--key", keys("secp256k1"), "--json")
    assert allowed.code == 0, allowed
    assert allowed.event("summary")["peer"] == nodes.ours(STACKS[0]).peer
