"""The Autobahn suite of RFC 6455, cases 1 to 7, 9 and 10: no failure, neither of our server nor of our client."""

import pytest

from peers import autobahn

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("ours", [autobahn.try_our_server, autobahn.try_our_client], ids=["server", "client"])
def test_no_case_fails(ours, tmp_path):
    if not autobahn.SUITE.exists():
        pytest.skip("no Autobahn suite: it needs Python 2.7, which .ci/autobahn could not get here")
    results = ours(tmp_path)
    failed = autobahn.failures(results)
    print(f"{len(results)} cases: {autobahn.summary(results)}")
    for case, (behavior, closing) in failed.items():
        print(f"case {case}: {behavior}, closing: {closing}")
    assert not failed
    assert len(results) >= autobahn.FEWEST
