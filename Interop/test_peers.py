"""The real nodes with each other: a cell that fails here is the harness's fault, not ours."""

import pytest

from conftest import PEERS, STACKS, make_peer

MIB = 1024 * 1024


@pytest.mark.parametrize("stack", STACKS, ids=str)
@pytest.mark.parametrize(("dialer", "listener"), [(a, b) for a in PEERS for b in PEERS if a != b])
def test_peers_reach_each_other(stack, dialer, listener):
    if not (stack.is_spoken_by(dialer) and stack.is_spoken_by(listener)):
        pytest.skip("one of them does not speak it")
    far = make_peer(listener, stack)
    try:
        near = make_peer(dialer, stack)
        try:
            assert len(near.ping(far.address, count=3)) == 3
            # Over QUIC py-libp2p loses a short stream of go's that has ended before it reads.
            if (dialer, stack.transport) != ("py", "quic-v1"):
                about = near.identify(far.address)
                assert (about["peer"], about["agent"].startswith(far.agent)) == (far.peer, True)
            sent, received = near.echo(far.address, MIB)
            assert received == sent
        finally:
            near.stop()
    finally:
        far.stop()
