"""Which pairs of homes come to a direct connection through which routers: `make nat-lab`.

    nat_table.py [--kinds KIND,…] [--transports quic,tcp] [--casts ours-ours,go-go,…] [--runs N] [--jobs N] [--json FILE] [--expect]

A row is the home that has a place at a relay, a column the one that dials it through the relay. D is a direct connection, R stays relayed, - has no
way to the relay; behind it are the seconds from the relayed connection to the direct one, the median where there are several runs. The casts of one
pair run in turns; every run has routers of its own. --expect fails where ours is not direct and theory lets it be.
"""

import argparse
import concurrent.futures
import itertools
import json
import statistics
import sys

from peers import nat_lab, ours, p2pd, punches

CASTS = ["go-go", "ours-ours", "go-ours", "ours-go"]
"""Who dials, and who is dialled."""
LETTERS = {"direct": "D", "relayed": "R", "unreachable": "-"}
SELECTIVE = {"port", "double", "refuse", "udpblock", "firewall", "symmetric"}
"""Behind these, only where the home has sent to gets in, port and all."""


def expected(kind_b, kind_a, transport):
    """What is possible: nobody can tell where a symmetric router will send from, so the other side must let in any port."""
    kinds = [kind_a, kind_b]
    if transport == "quic" and "udpblock" in kinds:
        return "unreachable"
    # The refusal ends the attempt unless the two first packets cross, for which the wires here are too short.
    if transport == "tcp" and kinds == ["refuse", "refuse"]:
        return "relayed"
    if "symmetric" in kinds and kinds[1 - kinds.index("symmetric")] in SELECTIVE:
        return "relayed"
    return "direct"


def measure(pair, arguments):
    """All casts of one pair, in turns."""
    transport, kind_b, kind_a = pair
    found = {cast: [] for cast in arguments.casts}
    for _ in range(arguments.runs):
        for cast in arguments.casts:
            dialler, target = cast.split("-")
            try:
                outcome = punches.punch(dialler, kind_a, target, kind_b, transport, patience=arguments.patience)
            except Exception as error:
                outcome = punches.Outcome("unreachable", detail=f"{type(error).__name__}: {error}"[:300])
            found[cast].append(outcome)
            took = "" if outcome.seconds is None else f" {outcome.seconds:.2f} s"
            print(f"{transport:4} {kind_b:9} <- {kind_a:9} {cast:9} {outcome.result}{took}", file=sys.stderr, flush=True)
    rows = []
    for cast, outcomes in found.items():
        results = [outcome.result for outcome in outcomes]
        times = [outcome.seconds for outcome in outcomes if outcome.seconds is not None]
        rows.append(
            {
                "cast": cast,
                "transport": transport,
                "target": kind_b,
                "dialler": kind_a,
                "results": results,
                "seconds": round(statistics.median(times), 3) if times else None,
                "expected": expected(kind_b, kind_a, transport),
                "detail": next((o.detail for o in outcomes if o.result != "direct"), ""),
            }
        )
    return rows


def table(rows, cast, transport, kinds):
    cells = {(row["target"], row["dialler"]): row for row in rows if (row["cast"], row["transport"]) == (cast, transport)}

    def text(target, dialler):
        row = cells[target, dialler]
        letters = "".join(sorted({LETTERS[result] for result in row["results"]}))
        return letters + ("" if row["seconds"] is None else f" {row['seconds']:.2f}")

    who = dict(zip(("dialler", "target"), cast.split("-")))
    print(f"\n**{transport.upper()}**, {who['target']} (rows) dialled by {who['dialler']} (columns)\n")
    print("| | " + " | ".join(kinds) + " |")
    print("|---" * (len(kinds) + 1) + "|")
    for target in kinds:
        print(f"| {target} | " + " | ".join(text(target, dialler) for dialler in kinds) + " |")


def compare(rows):
    """Times of casts to those of go alone, over the pairs where both came to a direct connection."""
    reference = {(r["transport"], r["target"], r["dialler"]): r for r in rows if r["cast"] == "go-go"}
    for cast in CASTS[1:]:
        for transport in punches.TRANSPORTS:
            times = []
            for row in rows:
                other = reference.get((row["transport"], row["target"], row["dialler"]))
                if (row["cast"], row["transport"]) == (cast, transport) and other and row["seconds"] and other["seconds"]:
                    times.append((row["seconds"], other["seconds"]))
            if times:
                own, theirs = (statistics.median(column) for column in zip(*times))
                print(f"{cast} over {transport}: median {own:.2f} s to direct, go-go {theirs:.2f} s, over {len(times)} pairs")


def main():
    split = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", type=split, default=list(nat_lab.KINDS))
    parser.add_argument("--transports", type=split, default=punches.TRANSPORTS)
    parser.add_argument("--casts", type=split, default=CASTS if p2pd.is_here() else ["ours-ours"])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="pairs at a time; times are worth less then")
    parser.add_argument("--patience", type=int, default=18)
    parser.add_argument("--json")
    parser.add_argument("--expect", action="store_true")
    arguments = parser.parse_args()
    if not nat_lab.is_possible():
        sys.exit("the lab needs root, network namespaces and nft")
    if not ours.BINARY.exists():
        sys.exit(f"no tool at {ours.BINARY}: build it first, or set P2P_BIN")
    pairs = list(itertools.product(arguments.transports, arguments.kinds, arguments.kinds))
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        rows = [row for found in pool.map(lambda pair: measure(pair, arguments), pairs) for row in found]
    for transport, cast in itertools.product(arguments.transports, arguments.casts):
        table(rows, cast, transport, arguments.kinds)
    print()
    compare(rows)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)
    missed = [
        row for row in rows if row["cast"] == "ours-ours" and row["expected"] == "direct" and set(row["results"]) != {"direct"}
    ]
    for row in missed:
        print(f"not direct: {row['transport']} {row['target']} <- {row['dialler']}: {row['results']} {row['detail'][:200]}")
    return 1 if arguments.expect and missed else 0


if __name__ == "__main__":
    sys.exit(main())
