"""`--policy FILE`: what a node's rules refuse, what the other side sees of it, and what happens when they change."""

import concurrent.futures
import os
import signal
import time

import pytest

from conftest import Stack, make_peer
from hostile.wire import MULTISTREAM, PING, session, token
from peers import clock, ours, p2pd, python_node
from peers.dns_server import DNSServer

LISTEN = "allow tcp-listen:loopback:*\nallow udp-listen:loopback:*\n"
GATED = 0x1007
STACKS = [Stack("tcp", "noise", "yamux"), Stack("quic-v1")]


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules"
    path.write_text(LISTEN)
    return path


@pytest.fixture(params=STACKS, ids=str)
def pair(request, rules):
    """Our daemon with rules that may be rewritten, and a python node."""
    stack = request.param
    daemon = ours.Daemon(stack.listen, options=["--policy", rules])
    node = make_peer("py", stack)
    yield daemon, node
    node.stop()
    assert daemon.stop() == 0


def rewrite(daemon, rules, text, event="policy"):
    """Writes other rules and has the daemon read them; returns what it says of it."""
    rules.write_text(text)
    mark = daemon.process.mark()
    os.kill(daemon.pid, signal.SIGHUP)
    return daemon.process.wait_for(event, after=mark)


def refusal(call, *arguments, **details):
    """The words of the python node's failure: none of them may be ours."""
    with pytest.raises(python_node.Refused) as failure:
        call(*arguments, **details)
    text = str(failure.value)
    assert not any(word in text for word in ("permission", "policy line", "granted", "deny ")), text
    return text


def test_a_refused_peer_sees_a_code_and_nothing_else(pair, rules):
    daemon, node = pair
    assert rewrite(daemon, rules, LISTEN + f"deny peer-accept:{node.peer}\n")["rules"] == 3
    refusal(node.ping, daemon.address, count=1, timeout=20)
    rewrite(daemon, rules, LISTEN)
    assert len(node.ping(daemon.address, count=1)) == 1


@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_a_go_node_keeps_to_the_rules_and_comes_back_when_they_change(stack, rules):
    daemon, node = ours.Daemon(stack.listen, options=["--policy", rules]), make_peer("go", stack)
    refused = (p2pd.Refused, EOFError, OSError)
    try:
        rewrite(daemon, rules, LISTEN + f"deny service:/ipfs/ping/1.0.0 peer={node.peer}\n")
        with pytest.raises(refused):
            node.ping(daemon.address, count=1)
        sent, received = node.echo(daemon.address, 1_000)
        assert sent == received
        rewrite(daemon, rules, LISTEN + f"deny peer-accept:{node.peer}\n")
        with pytest.raises(refused):
            node.echo(daemon.address, 1_000)
        rewrite(daemon, rules, LISTEN)
        deadline = clock.Deadline(40)
        while True:
            try:
                assert len(node.ping(daemon.address, count=1)) == 1
                break
            except refused:
                # It does not dial at once who has just refused it.
                assert not deadline.is_over, "it does not come back"
                time.sleep(0.5)
    finally:
        node.stop()
        assert daemon.stop() == 0


def test_a_refused_network_is_not_let_in(pair, rules):
    daemon, node = pair
    rewrite(daemon, rules, LISTEN + "deny peer-accept:*@127.0.0.0/8:*\n")
    refusal(node.ping, daemon.address, count=1, timeout=20)
    assert not daemon.process.all("connected")


def test_a_refused_stream_is_reset_and_the_connection_stays(pair, rules):
    daemon, node = pair
    rewrite(daemon, rules, LISTEN + f"deny service:/ipfs/ping/1.0.0 peer={node.peer}\n")
    refusal(node.ping, daemon.address, count=1, timeout=20)
    assert node.identify(daemon.address)
    sent, received = node.echo(daemon.address, 1_000)
    assert sent == received


def test_each_refused_stream_is_reset_with_the_code(rules):
    """Yamux carries a code as well; many refusals leave the connection as it is, and are said once a second."""
    daemon = ours.Daemon(options=["--policy", rules])
    try:
        rewrite(daemon, rules, LISTEN + "deny service:/ipfs/ping/1.0.0\n")
        near = session(daemon.endpoint)
        for _ in range(250):
            stream = near.start()
            stream.send(token(MULTISTREAM) + token(PING))
            assert stream.how_it_ends() == "reset" and stream.reset_code == GATED
        assert near.is_alive()
        assert "a stream was refused" in daemon.log_text() and "is denied by" in daemon.log_text()
        near.link.close()
    finally:
        assert daemon.stop() == 0


def test_a_pipe_is_no_file_of_rules(tmp_path, rules):
    """Who opened one would wait for a writer that never comes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    outcome = ours.run("daemon", "--policy", pipe, "--listen", "/ip4/127.0.0.1/tcp/0", "--json", timeout=20)
    assert outcome.code == 1 and outcome.error["code"] == "inputFailed", outcome
    daemon = ours.Daemon(options=["--policy", rules])
    try:
        rules.unlink()
        os.mkfifo(rules)
        os.kill(daemon.pid, signal.SIGHUP)
        assert daemon.process.wait_for("policy_refused")["code"] == "inputFailed"
        assert ours.run("ping", daemon.address, "--count", 1).code == 0
    finally:
        assert daemon.stop() == 0


@pytest.mark.parametrize("rule", ["deny service:/ipfs/ping/*", "deny peer-accept:*"])
def test_what_is_withdrawn_is_closed_while_it_is_used(pair, rules, rule):
    daemon, node = pair
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pinging = pool.submit(node.ping, daemon.address, count=10_000_000, timeout=60)
        daemon.process.wait_for("connected")
        enough, deadline = daemon.stats()["bytes_in"] + 10_000, clock.Deadline(30)
        while daemon.stats()["bytes_in"] < enough:
            assert not deadline.is_over and not pinging.done(), "pings do not go"
        said = rewrite(daemon, rules, LISTEN + rule + "\n")
        assert said["closed_streams" if "service" in rule else "closed_connections"] == 1, said
        refusal(pinging.result)
    if "peer-accept" in rule:
        daemon.wait_until_without(node.peer)


def test_a_file_with_a_mistake_leaves_the_old_rules(pair, rules):
    daemon, node = pair
    rewrite(daemon, rules, LISTEN + f"deny peer-accept:{node.peer}\n")
    said = rewrite(daemon, rules, LISTEN + "\nallow tcp-listen:70000\n", event="policy_refused")
    assert said["code"] == "policyNotARule" and said["message"].startswith("policy line 4, column 18: port 70000"), said
    rules.unlink()
    os.kill(daemon.pid, signal.SIGHUP)
    assert daemon.process.wait_for(lambda item: item.get("event") == "policy_refused" and item != said)["code"] == "inputFailed"
    refusal(node.ping, daemon.address, count=1, timeout=20)


def test_a_listener_that_is_withdrawn_is_closed(rules):
    daemon = ours.Daemon(options=["--policy", rules])
    try:
        assert rewrite(daemon, rules, "deny tcp-listen:*\n")["closed_listeners"] == 1
        assert daemon.process.wait_for("stopped_listening")["address"] == daemon.address
        assert ours.run("ping", daemon.address, "--count", 1, "--json", "--timeout", 5).code == 1
    finally:
        assert daemon.stop() == 0


def test_what_may_not_be_listened_on_is_said(rules):
    outcome = ours.run("daemon", "--policy", rules, "--listen", "/ip4/0.0.0.0/tcp/0", "--json")
    assert outcome.code == 1 and outcome.error["code"] == "gated", outcome
    assert outcome.error["message"] == "permission denied: tcp-listen:0.0.0.0:0 is not granted", outcome


def test_a_mistake_ends_the_start(rules):
    rules.write_text("allow tcp-listen:70000\n")
    outcome = ours.run("daemon", "--policy", rules, "--listen", "/ip4/127.0.0.1/tcp/0", "--json")
    assert outcome.code == 1 and outcome.error["code"] == "policyNotARule", outcome
    assert outcome.error["message"].startswith("policy line 1, column 18: port 70000 is above 65535"), outcome


@pytest.fixture(scope="module")
def listener():
    daemon = ours.Daemon()
    yield daemon
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ["rule", "name", "reason"],
    [
        ("deny peer-dial:*@loopback:*", None, '@127.0.0.1:{port} is denied by "deny peer-dial:*@loopback:*" (policy line 1)'),
        (
            "deny peer-dial:*@loopback:*",
            "localhost",
            '@localhost:{port} leads to 127.0.0.1, which is denied by "deny peer-dial:*@loopback:*" (policy line 1)',
        ),
        ("allow peer-dial:*@localhost:*", "LocalHost", "@localhost:{port} leads to 127.0.0.1, which is not granted"),
        ("deny tcp-connect:localhost:*", "localhost", 'tcp-connect:localhost:{port} is denied by "deny tcp-connect:localhost:*"'),
        ("allow peer-dial:*", "0x7f.1", "is neither an address in its usual form nor a name in ASCII"),
        ("allow peer-dial:*", "2130706433", "is neither an address in its usual form nor a name in ASCII"),
        ("deny stream-open:/ipfs/ping/*", None, "stream-open:/ipfs/ping/1.0.0 is denied by"),
    ],
)
def test_a_dial_is_refused_with_the_rule_that_decides(listener, rules, rule, name, reason):
    rules.write_text(rule + "\n")
    host, port = listener.endpoint
    address = listener.address if name is None else listener.address.replace(f"/ip4/{host}", f"/dns4/{name}")
    mark = listener.process.mark()
    outcome = ours.run("ping", address, "--count", 1, "--json", "--policy", rules)
    assert outcome.code == 1, outcome
    assert "permission denied: " in outcome.stderr + outcome.stdout.decode(), outcome
    assert reason.format(port=port) in outcome.error["message"], outcome
    if not rule.startswith("deny stream-open"):
        assert not [item for item in listener.process.objects[mark:] if item["event"] == "connected"]


def test_a_name_is_dialled_where_it_may_lead(listener, rules):
    rules.write_text("allow peer-dial:*@localhost:*\nallow peer-dial:*@127.0.0.1:*\n")
    host, _ = listener.endpoint
    outcome = ours.run(
        "ping", listener.address.replace(f"/ip4/{host}", "/dns4/localhost"), "--count", 1, "--json", "--policy", rules
    )
    assert outcome.code == 0, outcome


def test_what_a_list_in_dns_has_is_asked_about(listener, rules):
    rules.write_text("deny peer-dial:*@loopback:*\n")
    _, port = listener.endpoint
    server = DNSServer({"_dnsaddr.example.test": [f"dnsaddr={listener.address}"]})
    try:
        address = f"/dnsaddr/example.test/p2p/{listener.peer}"
        options = ["--count", 1, "--json", "--timeout", 8, "--dns", server.address]
        refused = ours.run("ping", address, *options, "--policy", rules)
        assert refused.code == 1 and f"@127.0.0.1:{port} is denied by" in refused.error["message"], refused
        assert ours.run("ping", address, *options).code == 0
    finally:
        server.stop()
