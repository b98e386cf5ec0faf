"""A punch in the lab: who, behind what, over which transport, and what came of it."""

import contextlib
import dataclasses
import time

from . import ours
from .clock import Deadline
from .nat_lab import Lab
from .p2pd import GoNode, Refused

LISTEN = {"tcp": "/ip4/{}/tcp/4001", "quic": "/ip4/{}/udp/4001/quic-v1"}
TRANSPORTS = ["quic", "tcp"]
# One is enough for ours. go believes five, and dials plainly for 5 s where the other announces what it believes.
OBSERVERS = {"ours": 2, "go": 5}


@dataclasses.dataclass
class Outcome:
    """`direct`, `relayed`, or `unreachable` when there was no relayed connection either."""

    result: str
    seconds: float | None = None
    """From the relayed connection to the direct one."""
    detail: str = ""


@contextlib.contextmanager
def cast(lab, listening=("tcp", "quic"), observers=None):
    """A relay and peers that see others, and a function that has nodes stopped in the end."""
    with contextlib.ExitStack() as stack:

        def keep(node):
            stack.callback(node.stop)
            return node

        def serve(host, *options):
            listens = [LISTEN[transport].format(host.address) for transport in listening]
            return keep(ours.Daemon(listens, options=["--no-port-mapping", *options], wrapper=host.inside))

        yield keep, serve(lab.relay, "--relay-service"), [serve(host) for host in lab.observers[:observers]]


def address_of(daemon, transport):
    part = {"tcp": "/tcp/", "quic": "/quic-v1"}[transport]
    return next(address for address in daemon.addresses if part in address)


GO_LOG = ["env", "GOLOG_LOG_LEVEL=error,p2p-holepunch=debug"]


def go_node(host, transport, *flags):
    return GoNode(
        LISTEN[transport].format(host.address), security="any", wrapper=[*host.inside, *GO_LOG], flags=["-autonat", *flags]
    )


def punch(dialler, kind_a, target, kind_b, transport, patience=20):
    """Home `a` dials home `b` through the relay; each of them is "ours" or "go", and listens on one transport alone."""
    with Lab(kind_a, kind_b, observers=OBSERVERS["go" if "go" in (dialler, target) else "ours"]) as lab, cast(lab) as (keep, relay, seers):
        meeting = [address_of(seer, transport) for seer in seers]
        place = address_of(relay, transport)
        if target == "ours":
            known = [option for address in meeting[: OBSERVERS["ours"]] for option in ("--bootstrap", address)]
            b = keep(
                ours.Daemon(
                    LISTEN[transport].format(lab.b.address),
                    options=["--no-port-mapping", "--relay", place, *known],
                    wrapper=lab.b.inside,
                )
            )
            try:
                b.process.wait_for("reserved", timeout=15)
            except Exception as error:
                return Outcome("unreachable", detail=str(error)[:200])
            wait_until_seen(b, seers[: OBSERVERS["ours"]])
        else:
            flags = ["-dhtClient", "-autoRelay", "-relayDiscovery=false", "-trustedRelays", place, "-forceReachabilityPrivate"]
            b = keep(go_node(lab.b, transport, *flags))
            if not introduce(b, meeting):
                return Outcome("unreachable", detail="no way out")
            wait_until_known(b)
        circuit = f"{place}/p2p-circuit/p2p/{b.peer}"
        a = lab.a
        if dialler == "ours":
            outcome = dial_as_ours(a, transport, meeting[: OBSERVERS["ours"]], circuit, patience)
        else:
            node = keep(go_node(a, transport))
            outcome = dial_as_go(node, b, meeting, place, circuit, patience)
        if target == "go":
            outcome.detail += "\n" + "\n".join(line[:300] for line in b.log_text().splitlines() if "holepunch" in line)
        else:
            outcome.detail += "\n" + "\n".join(str(item) for item in b.process.all("punch"))
        return outcome


def wait_until_seen(daemon, seers, timeout=10):
    for seer in seers:
        daemon.process.wait_for(lambda item: item.get("event") == "connected" and item["peer"] == seer.peer, timeout=timeout)


def introduce(node, meeting):
    try:
        for address in meeting:
            node.connect(address, timeout=6)
    except Refused:
        return False
    return True


def wait_until_known(node, seconds=4.2):
    """go speaks of punching once it knows where it is seen, for which it looks at 0.25, 0.75, 1.75 and 3.75 s."""
    deadline = Deadline(seconds)
    while "Host now has a public address" not in node.log_text() and not deadline.is_over:
        time.sleep(0.1)


def dial_as_ours(host, transport, meeting, circuit, patience):
    known = [option for address in meeting for option in ("--bootstrap", address)]
    listen = LISTEN[transport].format(host.address)
    arguments = ["ping", circuit, "--direct", patience, "--count", 1, "--listen", listen, *known, "--json"]
    found = ours.run(*arguments, wrapper=host.inside, timeout=patience + 40)
    summary = found.event("summary")
    if found.code == 0 and summary and summary["limited"] is False:
        return Outcome("direct", summary["direct_ms"] / 1e3)
    limited = found.error and found.error["code"] == "limited"
    return Outcome("relayed" if limited else "unreachable", detail=str(found.error)[:300])


def dial_as_go(node, b, meeting, place, circuit, patience):
    if not introduce(node, [*meeting, place]):
        return Outcome("unreachable", detail="no way out")
    wait_until_known(node)
    deadline = Deadline(10)
    while True:
        try:
            node.connect(circuit, timeout=6)
            break
        except Refused as refusal:
            if deadline.is_over:
                return Outcome("unreachable", detail=str(refusal))
            time.sleep(0.3)
    started = time.monotonic()
    deadline = Deadline(patience)
    while not deadline.is_over:
        if any("p2p-circuit" not in address for address in node.addresses_of(b.peer)):
            return Outcome("direct", time.monotonic() - started)
        time.sleep(0.02)
    return Outcome("relayed")
