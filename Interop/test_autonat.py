"""AutoNAT with go nodes and with ourselves: who tells whom whether it is reached, on a network that looks like the internet."""

import contextlib
import json

import pytest

from peers import clock, ours, p2pd
from peers import router as routers
from peers.lan import Lan
from peers.p2pd import GoNode

FIREWALL = """table inet wall {
  chain input { type filter hook input priority 0;
    iifname "eth0" ct state new drop
  }
}
"""
SOON = 60
"""A server of the first version tells a failure after 15 s, and takes three questions a minute."""


@pytest.fixture
def internet():
    """A public-looking network that leads nowhere."""
    try:
        made = Lan(prefix="45.33.0")
    except OSError as error:
        pytest.skip(f"no network namespaces here: {error}")
    yield made
    made.remove()


@pytest.fixture
def cast():
    """Stops whatever a test has started."""
    with contextlib.ExitStack() as undo:
        yield lambda node: undo.callback(node.stop) and node


def listen(host):
    return [f"/ip4/{host.address}/tcp/4001", f"/ip4/{host.address}/udp/4001/quic-v1"]


def go_server(host):
    if not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    flags = ["-autonat", "-forceReachabilityPublic"]
    return GoNode(f"/ip4/{host.address}/tcp/4001", security="any", flags=flags, wrapper=host.inside)


def our_server(host):
    return ours.Daemon(listen(host), options=["--autonat-service", "--no-port-mapping"], wrapper=host.inside)


def our_client(host, servers, *options):
    known = [option for server in servers for option in ("--bootstrap", server.address)]
    return ours.Daemon(listen(host), options=["--no-port-mapping", *known, *options], wrapper=host.inside)


def wait_for_state(daemon, state, decided):
    """Waits until there is a verdict on so many of the two addresses."""
    return daemon.process.wait_for(
        lambda item: item.get("event") == "reachability"
        and item["state"] == state
        and len(item["addresses"]) == 2
        and sum(address["verdict"] != "unknown" for address in item["addresses"]) >= decided,
        timeout=SOON,
    )


def firewall(host, tmp_path):
    rules = tmp_path / "rules"
    rules.write_text(FIREWALL)
    host.run(routers.NFT, "-f", rules)


@pytest.mark.parametrize("make_server", [go_server, our_server], ids=["version-1-by-go", "version-2-by-us"])
@pytest.mark.parametrize("state", ["public", "private"])
def test_servers_tell_us(internet, cast, tmp_path, make_server, state):
    if state == "private" and not routers.NFT:
        pytest.skip("no nft here")
    # Three are needed. One that does not answer in time is asked again after 10 s, and then after ever longer pauses.
    servers = [cast(make_server(internet.host())) for _ in range(5)]
    home = internet.host()
    if state == "private":
        firewall(home, tmp_path)
    client = cast(our_client(home, servers, "--data", tmp_path / "data"))
    # go of version 1 also dials the address at which it sees us, and tells of the one that answered first: the other may stay unknown.
    decided = 1 if (make_server, state) == (go_server, "public") else 2
    event = wait_for_state(client, state, decided)
    verdict = {"public": "reachable", "private": "unreachable"}[state]
    found = {item["address"]: item["verdict"] for item in event["addresses"] if item["source"] == "listening"}
    assert set(found) == set(listen(home))
    assert set(found.values()) - ({"unknown"} if decided == 1 else set()) == {verdict}
    diagnosis = {"public": "open", "private": "firewall"}[state]
    clock.wait_until(lambda: report(tmp_path)["diagnosis"] == diagnosis, 10, diagnosis)
    told = report(tmp_path)
    assert told["state"] == state
    assert ("TCP 4001" in told["remedy"]) == (state == "private")
    assert all(item["servers"] >= 3 for item in told["addresses"] if item["verdict"] != "unknown")
    text = ours.run("reach", "--data", tmp_path / "data", "--explain")
    assert text.code == 0 and diagnosis in text.stdout.decode(), text


def report(tmp_path):
    outcome = ours.run("reach", "--data", tmp_path / "data", "--json")
    assert outcome.code == 0, outcome
    return json.loads(outcome.stdout)


def test_we_tell_go(internet, cast):
    servers = [cast(our_server(internet.host())) for _ in range(2)]
    home = internet.host()
    if not p2pd.is_here():
        pytest.skip(f"no go node at {p2pd.BINARY}")
    wrapper = [*home.inside, "env", "GOLOG_LOG_LEVEL=error,autonat=debug"]
    client = cast(GoNode(f"/ip4/{home.address}/tcp/4001", security="any", wrapper=wrapper))
    for server in servers:
        client.connect(server.address)
    clock.wait_until(lambda: "NAT status is" in client.log_text(), SOON, "go knows")
    assert "ublic" in client.log_text().split("NAT status is")[-1].splitlines()[0]


def test_reach_asks_by_itself(internet, cast):
    servers = [cast(our_server(internet.host())) for _ in range(3)]
    home = internet.host()
    known = [option for server in servers for option in ("--bootstrap", server.address)]
    outcome = ours.run("reach", "--listen", f"/ip4/{home.address}/tcp/4001", *known, "--json", wrapper=home.inside, timeout=60)
    assert outcome.code == 0, outcome
    told = outcome.event("reach")
    assert (told["state"], told["diagnosis"], told["remedy"]) == ("public", "open", "")


def test_reach_says_that_no_node_runs(tmp_path):
    outcome = ours.run("reach", "--data", tmp_path, "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "notRunning"), outcome
