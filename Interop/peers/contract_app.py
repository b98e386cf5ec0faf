"""The go side of the official interoperability contract, on top of p2pd. Run it as a program.

Two generations, told apart by the case of the environment's names:

- old: transport, muxer, security, is_dialer, ip, redis_addr, test_timeout_seconds; the listener pushes its address to
  the redis list `listenerAddr`; the dialer prints one line of JSON.
- new: TRANSPORT, MUXER, SECURE_CHANNEL, IS_DIALER, LISTENER_IP, REDIS_ADDR, TEST_KEY; the address goes under
  `<TEST_KEY>_listener_multiaddr`; the dialer prints YAML.

The new generation's apps disagree on whether that key is a list or a string, so the dialer here takes both, and
CONTRACT_PUBLISH=string makes the listener set a string.
"""

import json
import os
import pathlib
import sys
import time

import redis

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from peers.clock import Deadline  # noqa: E402
from peers.p2pd import PING, GoNode, read_exactly  # noqa: E402

LISTEN = {"tcp": "/ip4/{}/tcp/0", "ws": "/ip4/{}/tcp/0/ws", "quic-v1": "/ip4/{}/udp/0/quic-v1"}


class Contract:
    def __init__(self, environment):
        self.is_new = "TRANSPORT" in environment
        names = (
            ("TRANSPORT", "SECURE_CHANNEL", "MUXER", "IS_DIALER", "REDIS_ADDR", "LISTENER_IP")
            if self.is_new
            else ("transport", "security", "muxer", "is_dialer", "redis_addr", "ip")
        )
        transport, security, muxer, is_dialer, address, ip = (environment.get(name) for name in names)
        if muxer not in (None, "", "yamux"):
            raise SystemExit(f"this node has only yamux, not {muxer}")
        self.security = security or "any"
        self.is_dialer = is_dialer == "true"
        self.listen = LISTEN[transport].format(ip or "0.0.0.0")
        self.key = f"{environment['TEST_KEY']}_listener_multiaddr" if self.is_new else "listenerAddr"
        self.timeout = float(environment.get("test_timeout_seconds") or 60)
        self.publishes_string = environment.get("CONTRACT_PUBLISH") == "string"
        host, _, port = address.rpartition(":")
        self.redis = redis.Redis(host=host, port=int(port), decode_responses=True)

    def publish(self, address):
        if self.publishes_string:
            self.redis.set(self.key, address)
        else:
            self.redis.rpush(self.key, address)

    def listener(self):
        deadline = Deadline(self.timeout)
        while not deadline.is_over:
            match self.redis.type(self.key):
                case "list":
                    return self.redis.lpop(self.key)
                case "string":
                    return self.redis.get(self.key)
            time.sleep(0.05)
        raise SystemExit("no listener published its address")

    def result(self, handshake_plus_one, ping):
        if self.is_new:
            return f"latency:\n  handshake_plus_one_rtt: {handshake_plus_one:.3f}\n  ping_rtt: {ping:.3f}\n  unit: ms"
        # The misspelling belongs to the contract.
        return json.dumps({"handshakePlusOneRTTMillis": handshake_plus_one, "pingRTTMilllis": ping})


def dial(contract):
    node = GoNode(None, security=contract.security)
    try:
        address = contract.listener()
        started = time.perf_counter()
        peer = node.connect(address)
        with node.open(peer, PING) as pipe:
            sent, asked = os.urandom(32), time.perf_counter()
            pipe.sendall(sent)
            if read_exactly(pipe, 32) != sent:
                raise SystemExit("another ping came back")
            answered = time.perf_counter()
        print(contract.result((answered - started) * 1e3, (answered - asked) * 1e3), flush=True)
    finally:
        node.stop()


def listen(contract):
    node = GoNode(contract.listen, security=contract.security)
    try:
        contract.publish(node.address)
        print(f"listening on {node.address}", file=sys.stderr, flush=True)
        time.sleep(contract.timeout)
    finally:
        node.stop()


if __name__ == "__main__":
    contract = Contract(os.environ)
    (dial if contract.is_dialer else listen)(contract)
