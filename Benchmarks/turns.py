#!/usr/bin/env python3
"""Two builds of the benchmark next to each other: each row measured in turns, the medians, and their ratio.

What else a machine does changes from minute to minute, so a figure of one run says little beside one of another. Here the builds take turns
within seconds, and who goes first alternates. Behind the ratio of the medians stands that of the best figures, which others on the machine
disturb least, and how far the pairs differ: a ratio nearer to 1 than that says nothing.

    Benchmarks/turns.py BASE NOW [--rounds 5] [--only quic]

BASE and NOW are programs: `make bench` builds one, and `swift build -c release --package-path Benchmarks --show-bin-path` says where.
"""

import argparse
import pathlib
import re
import resource
import statistics
import subprocess
import sys

# What is measured, and how long it takes. Memory is last, because it waits.
MEASURES = [
    "throughput --streams 1",
    "throughput --streams 8",
    "throughput --streams 1 --security tls",
    "throughput --streams 8 --security tls",
    "throughput --streams 1 --quic",
    "throughput --streams 8 --quic",
    "websockets",
    "latency",
    "latency --quic",
    "streams --concurrency 16",
    "streams --concurrency 16 --quic",
    "connects",
    "connects --security tls",
    "connects --quic",
    "memory",
    "memory --quic",
]
ROW = re.compile(r"^(\S.*?)\s{2,}(-?[\d.]+) (\S*)")


def run(program, measure):
    """The figures of one run by name, with their units, and the seconds of processor time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = subprocess.run([program, *measure.split()], check=True, capture_output=True, text=True, timeout=300).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = {}
    for line in text.splitlines():
        if found := ROW.match(line):
            rows[found[1]] = (float(found[2]), found[3])
    if not rows:
        sys.exit(f"turns: {program} {measure} printed no figure:\n{text}")
    return rows, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# Of these more is better.
RATES = {"/s", "MB/s", "%"}


def show(name, unit, pairs):
    sides = list(zip(*pairs, strict=True))
    base, now = (statistics.median(side) for side in sides)
    if not all(base for base, _ in pairs):
        return print(f"  {name:52} {base:12.2f} -> {now:12.2f} {unit}", flush=True)
    best_base, best_now = (max(side) if unit in RATES else min(side) for side in sides)
    found = [now / base for base, now in pairs]
    spread = f"best {best_now / best_base:.3f}   pairs {min(found):.2f} … {max(found):.2f}"
    print(f"  {name:52} {base:12.2f} -> {now:12.2f} {unit:8} {now / base:6.3f}   {spread}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=pathlib.Path, help="what is compared with")
    parser.add_argument("now", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of each row")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="rows whose command has this word; may be repeated")
    options = parser.parse_args()
    for program in (options.base, options.now):
        if not program.is_file():
            parser.error(f"{program} is no program: `make bench` in its checkout builds one")
    chosen = [measure for measure in MEASURES if set(options.only) <= {word.lstrip("-") for word in measure.split()}]
    if not chosen:
        parser.error("no row has all of these words: " + ", ".join(options.only))
    for measure in chosen:
        pairs, units = {}, {}
        for number in range(options.rounds):
            order = [(0, options.base), (1, options.now)]
            found = [None, None]
            for place, program in order if number % 2 == 0 else reversed(order):
                rows, seconds = run(program, measure)
                found[place] = rows | {"processor time": (seconds, "s")}
            for name in found[0].keys() & found[1].keys():
                pairs.setdefault(name, []).append((found[0][name][0], found[1][name][0]))
                units[name] = found[0][name][1]
        print(measure, flush=True)
        for name in sorted(pairs, key=lambda name: (name == "processor time", name)):
            show(name, units[name], pairs[name])


if __name__ == "__main__":
    main()
