"""`p2p doctor` says which step fails, and in a word why."""

import contextlib
import socket
import threading

import pytest

from peers import ours
from peers.ports import free_port
from test_port_mapping import home_network

OTHER = "12D3KooWPoiqJzAb8rMWVu2CWDhsnfPjacpbBTXEaAu4Z9sGXPRW"


@pytest.fixture(scope="module")
def daemon():
    made = ours.Daemon()
    yield made
    assert made.stop() == 0


def examine(address, *options, **how):
    outcome = ours.run("doctor", address, "--json", "--timeout", "3", *options, **how)
    steps = {item["step"]: item["result"] for item in outcome.objects if item.get("event") == "step"}
    return outcome, outcome.event("doctor"), steps


def test_all_is_well(daemon):
    outcome, verdict, steps = examine(daemon.address)
    assert (outcome.code, verdict["result"]) == (0, "reached"), outcome
    assert steps["connect"] == steps["secure"] == steps["peer"] == steps["protocol"] == "ok"


def refused(_):
    return f"/ip4/127.0.0.1/tcp/{free_port()}/p2p/{OTHER}"


def another_peer(daemon):
    return daemon.address.replace(daemon.peer, OTHER)


@contextlib.contextmanager
def server(talk):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"/ip4/127.0.0.1/tcp/{listener.getsockname()[1]}/p2p/{OTHER}"


@pytest.mark.parametrize(
    "make, problem, step",
    [
        (refused, "refusal", "connect"),
        (another_peer, "wrong-peer", "peer"),
        (lambda _: f"/dns4/no-such-name.invalid/tcp/4001/p2p/{OTHER}", "name", "name"),
        (lambda _: f"/ip4/0.0.0.0/tcp/4001/p2p/{OTHER}", "scope", "address"),
        (lambda _: f"/ip4/127.0.0.1/udp/4001/p2p/{OTHER}", "no-transport", "address"),
    ],
    ids=["refusal", "wrong-peer", "name", "scope", "no-transport"],
)
def test_trouble(daemon, make, problem, step):
    outcome, verdict, steps = examine(make(daemon))
    assert (outcome.code, verdict["problem"], steps[step]) == (1, problem, "failed"), outcome
    assert verdict["advice"]


def test_somebody_who_says_nothing_and_somebody_who_is_none_of_ours():
    silent = []
    with server(silent.append) as address:
        outcome, verdict, _ = examine(address)
        assert (outcome.code, verdict["problem"]) == (1, "black-hole"), outcome
    with server(lambda pipe: pipe.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as address:
        outcome, verdict, _ = examine(address)
        assert (outcome.code, verdict["problem"]) in [(1, "no-protocol"), (1, "closed")], outcome


def test_rules_of_this_node(daemon, tmp_path):
    rules = tmp_path / "rules"
    rules.write_text("deny tcp-connect:*:*\n")
    outcome, verdict, steps = examine(daemon.address, "--policy", rules)
    assert (outcome.code, verdict["problem"], steps["policy"]) == (1, "policy", "failed"), outcome


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_a_proxy_that_is_not_there(scheme):
    proxy = f"{scheme}://127.0.0.1:{free_port()}"
    outcome, verdict, steps = examine(f"/ip4/45.33.0.1/tcp/4001/p2p/{OTHER}", "--proxy", proxy)
    assert (outcome.code, verdict["problem"], steps["connect"]) == (1, "proxy", "failed"), outcome
    assert "proxy" in verdict["advice"] and "that port" not in verdict["advice"], verdict


def test_silence_and_no_way():
    with home_network() as network:
        outcome, verdict, _ = examine(f"/ip4/45.33.0.77/tcp/4001/p2p/{OTHER}", wrapper=network.outside.inside)
        assert (outcome.code, verdict["problem"]) in [(1, "silence"), (1, "route")], outcome
        outcome, verdict, _ = examine(f"/ip4/9.9.9.9/tcp/4001/p2p/{OTHER}", wrapper=network.outside.inside)
        assert (outcome.code, verdict["problem"]) == (1, "route"), outcome
