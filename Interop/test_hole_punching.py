"""Direct connections of relayed ones, between homes behind routers, with go nodes on either side."""

import pytest

from peers import nat_lab, p2pd, punches

pytestmark = pytest.mark.skipif(not nat_lab.is_possible(), reason="no network namespaces and routers here")


@pytest.mark.parametrize("transport", punches.TRANSPORTS)
@pytest.mark.parametrize("dialler, target", [("ours", "ours"), ("go", "ours"), ("ours", "go")])
def test_both_behind_routers(dialler, target, transport):
    if "go" in (dialler, target) and not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    outcome = punches.punch(dialler, "port", target, "port", transport)
    assert outcome.result == "direct", outcome


@pytest.mark.parametrize(
    "kind_a, kind_b, transport",
    [("symmetric", "full", "quic"), ("symmetric", "address", "tcp"), ("port", "refuse", "tcp"), ("port", "full", "tcp")],
)
def test_where_go_stays_relayed(kind_a, kind_b, transport):
    outcome = punches.punch("ours", kind_a, "ours", kind_b, transport)
    assert outcome.result == "direct", outcome


def test_where_nothing_helps():
    outcome = punches.punch("ours", "symmetric", "ours", "port", "tcp", patience=4)
    assert outcome.result == "relayed", outcome
