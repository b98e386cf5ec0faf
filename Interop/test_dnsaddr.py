"""Addresses that name a list of addresses in DNS, told by a name server of the test's own; also one that means no good."""

import os
import random
import time

import pytest

from peers import ours
from peers.dns_server import DNSServer, answer

STRANGER = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"


@pytest.fixture(scope="module")
def peer():
    daemon = ours.Daemon()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def dns():
    servers = []

    def serve(zone):
        servers.append(DNSServer({f"_dnsaddr.{name}": entry for name, entry in zone.items()}))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


def ping(address, server, *options, timeout=8):
    return ours.run("ping", address, "--count", "1", "--json", "--timeout", timeout, "--dns", server.address, *options)


def reached(outcome):
    assert outcome.code == 0, outcome
    return outcome


def failed(outcome, within, started):
    """It failed, for a reason that names the list, and in time."""
    assert time.monotonic() - started < within + 3
    assert outcome.code == 1, outcome
    assert "dnsaddr" in outcome.error["message"], outcome
    return outcome.error


def test_a_list_is_dialled(peer, dns):
    server = dns({"example.test": [f"dnsaddr=/ip4/127.0.0.1/tcp/9/p2p/{STRANGER}", "v=spf1 -all", f"dnsaddr={peer.address}"]})
    reached(ping(f"/dnsaddr/example.test/p2p/{peer.peer}", server))
    assert server.asked == ["_dnsaddr.example.test"]


def test_lists_within_lists_and_without_a_peer(peer, dns):
    server = dns({
        "example.test": ["dnsaddr=/dnsaddr/a.example.test", "dnsaddr=/dnsaddr/b.example.test"],
        "a.example.test": [f"dnsaddr=/dnsaddr/c.example.test/p2p/{peer.peer}"],
        "c.example.test": [f"dnsaddr={peer.address}", f"dnsaddr=/ip4/127.0.0.1/tcp/9/p2p/{STRANGER}"],
    })
    reached(ping("/dnsaddr/example.test", server, "--any-peer"))
    reached(ping(f"/dnsaddr/a.example.test/p2p/{peer.peer}", server))


def test_a_long_text_is_joined(peer, dns):
    padding = "/".join(["", "p2p-circuit"] * 20)
    server = dns({"example.test": ["dnsaddr=/dns4/" + "x" * 250 + padding, f"dnsaddr={peer.address}"]})
    reached(ping(f"/dnsaddr/example.test/p2p/{peer.peer}", server))


def test_more_than_a_packet_is_asked_for_over_tcp(peer, dns):
    texts = [f"dnsaddr=/ip4/127.0.0.1/tcp/{port}/p2p/{STRANGER}" for port in range(1, 20)]
    server = dns({"example.test": [*texts, f"dnsaddr={peer.address}"]})
    reached(ping(f"/dnsaddr/example.test/p2p/{peer.peer}", server))
    assert len(server.asked) == 2


def test_bootstrap_and_staying_connected(peer, dns):
    server = dns({"example.test": [f"dnsaddr={peer.address}"]})
    near = ours.Daemon(options=["--bootstrap", f"/dnsaddr/example.test/p2p/{peer.peer}", "--dns", server.address])
    try:
        near.process.wait_for(lambda item: item.get("event") == "connected" and item["peer"] == peer.peer, timeout=5)
    finally:
        assert near.stop() == 0


def test_other_addresses_of_a_dial_do_not_wait_for_a_silent_server(peer, dns):
    """The list is silent, the address beside it is not."""
    server = dns({"silent.test": lambda query, is_tcp: None})
    near = ours.Daemon(
        options=["--bootstrap", f"/dnsaddr/silent.test/p2p/{peer.peer}", "--bootstrap", peer.address, "--dns", server.address]
    )
    try:
        started = time.monotonic()
        near.process.wait_for(lambda item: item.get("event") == "connected" and item["peer"] == peer.peer, timeout=5)
        assert time.monotonic() - started < 3
    finally:
        assert near.stop() == 0


def test_a_list_of_another_peer_leads_nowhere(peer, dns):
    server = dns({"example.test": [f"dnsaddr={peer.address}"]})
    started = time.monotonic()
    error = failed(ping(f"/dnsaddr/example.test/p2p/{STRANGER}", server), 1, started)
    assert "unresolvable" in error["message"]


def test_an_unknown_name(dns):
    started = time.monotonic()
    assert "unresolvable" in failed(ping(f"/dnsaddr/nowhere.test/p2p/{STRANGER}", dns({})), 1, started)["message"]


def test_nobody_answers(dns):
    server = dns({"example.test": lambda query, is_tcp: None})
    started = time.monotonic()
    assert "timedOut" in failed(ping(f"/dnsaddr/example.test/p2p/{STRANGER}", server), 5, started)["message"]


def test_nobody_is_there():
    started = time.monotonic()
    outcome = ours.run(
        "ping", f"/dnsaddr/example.test/p2p/{STRANGER}", "--json", "--timeout", "8", "--dns", "127.0.0.1:9"
    )
    failed(outcome, 5, started)


def test_a_proxy_is_not_gone_round(dns):
    server = dns({})
    outcome = ping(f"/dnsaddr/example.test/p2p/{STRANGER}", server, "--proxy", "socks5://127.0.0.1:9")
    assert outcome.code == 1
    assert "proxy" in outcome.error["message"]
    assert server.asked == []


def test_no_server_of_that_name():
    outcome = ours.run("ping", f"/dnsaddr/example.test/p2p/{STRANGER}", "--json", "--dns", "nonsense")
    assert outcome.code == 1
    assert "nonsense" in outcome.error["message"]


def _loop(query, is_tcp):
    return answer(query, ["dnsaddr=/dnsaddr/loop.test", "dnsaddr=/dnsaddr/loop2.test", "dnsaddr=/dnsaddr/LOOP.test"])


def _thousands(make):
    def entry(query, is_tcp):
        return answer(query, [make(number) for number in range(5_000)]) if is_tcp else answer(query, [], flags=0x8780)

    return entry


def _random(query, is_tcp):
    return query[:2] + os.urandom(random.randrange(0, 500))


HOSTILE = {
    "loop": (_loop, 1),
    "self pointer": (lambda query, is_tcp: answer(query, ["dnsaddr=/ip4/127.0.0.1/tcp/1"], pointer=0xC0FF), 5),
    "cut short": (lambda query, is_tcp: answer(query, ["dnsaddr=/ip4/127.0.0.1/tcp/1"])[:-9], 5),
    "only a header": (lambda query, is_tcp: query[:12], 5),
    "empty": (lambda query, is_tcp: b"", 5),
    "random": (_random, 5),
    "another's answer": (lambda query, is_tcp: answer(query, ["dnsaddr=/ip4/127.0.0.1/tcp/1"], identifier=7), 5),
    "truncated for ever": (lambda query, is_tcp: None if is_tcp else answer(query, [], flags=0x8780), 5),
    "thousands of lists": (_thousands(lambda number: f"dnsaddr=/dnsaddr/{number}.test"), 5),
    "thousands of addresses": (_thousands(lambda number: f"dnsaddr=/ip4/127.0.0.1/tcp/9/p2p/{STRANGER}/x{number}"), 5),
    "thousands of dead addresses": (_thousands(lambda number: f"dnsaddr=/ip4/127.0.0.1/udp/{number + 1}/p2p/{STRANGER}"), 5),
    "refused": (lambda query, is_tcp: answer(query, [], flags=0x8585), 5),
    "no text": (lambda query, is_tcp: answer(query, ["", "dnsaddr", "dnsaddr=", "dnsaddr=/", "dnsaddr=/ip4/1.2.3.4/tcp/70000"]), 1),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_answer_is_a_reason_and_no_more(dns, kind):
    entry, within = HOSTILE[kind]
    server = dns({"loop.test": entry, "loop2.test": entry, "example.test": entry})
    started = time.monotonic()
    failed(ping(f"/dnsaddr/{'loop' if kind == 'loop' else 'example'}.test", server, "--any-peer"), within, started)
    assert len(server.asked) <= 70, "32 names at most, and each no more than twice"
