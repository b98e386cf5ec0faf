"""The Autobahn suite against our WebSockets: as the client that tries our server, and as the server that tries our client."""

import contextlib
import json
import pathlib
import socket
import subprocess
import time

from .clock import Deadline
from .ours import BINARY
from .ports import free_port
from .processes import tied

ROOT = pathlib.Path(__file__).parents[2]
SUITE = ROOT / "Interop" / ".cache" / "autobahn-25.10.1" / "wstest"
ECHO = BINARY.absolute().with_name("P2PWebSocketEcho")
AGENT = "swift-p2p"
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
"""Everything but 8, which is empty, and 12 and 13: compression, which is never agreed on."""
FEWEST = 300
"""So many cases there are at least."""
PASSES = {"OK", "NON-STRICT", "INFORMATIONAL"}
"""Non-strict: right, but later than could be. Informational: nothing is right or wrong."""
PATIENCE = 540


def wait_until_somebody_listens(port, process):
    deadline = Deadline(30)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "it ended before it listened"
            assert not deadline.is_over, "nobody listens"
            time.sleep(0.05)


@contextlib.contextmanager
def running(command, log):
    """A process in the background, which may say what it likes."""
    with open(log, "ab") as output:
        process = subprocess.Popen(tied(str(part) for part in command), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def suite(mode, specification, room):
    path = room / f"{mode}.json"
    path.write_text(json.dumps({**specification, "outdir": str(room / "reports"), "cases": CASES}))
    # Where it needs one: the port of its own web pages, which nobody reads.
    return [SUITE, "--mode", mode, "--spec", path, "--webport", "0"]


def finish(command, log, room):
    with open(log, "ab") as output:
        subprocess.run(
            tied(str(part) for part in command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=PATIENCE,
            check=True,
            cwd=room,
        )


def try_our_server(room):
    port = free_port()
    with running([ECHO, "serve", "--port", port], room / "echo.log") as server:
        wait_until_somebody_listens(port, server)
        specification = {"servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}]}
        finish(suite("fuzzingclient", specification, room), room / "suite.log", room)
        assert server.poll() is None, "our server has died"
    return results(room)


def try_our_client(room):
    port = free_port()
    command = suite("fuzzingserver", {"url": f"ws://127.0.0.1:{port}"}, room)
    with running(command, room / "suite.log") as server:
        wait_until_somebody_listens(port, server)
        finish([ECHO, "dial", "--port", port, "--agent", AGENT], room / "echo.log", room)
    return results(room)


def results(room):
    """What came of each case: how it behaved, and how it closed."""
    report = json.loads((room / "reports" / "index.json").read_text())[AGENT]
    return {case: (result["behavior"], result["behaviorClose"]) for case, result in report.items()}


def order(case):
    return [int(part) for part in case.split(".")]


def failures(results):
    """The cases that failed, in their order."""
    failed = [case for case, outcome in results.items() if not set(outcome) <= PASSES]
    return {case: results[case] for case in sorted(failed, key=order)}


def summary(results):
    counts = {}
    for outcome, _ in results.values():
        counts[outcome] = counts.get(outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
