"""Adds up the test reports (xunit files) of a run and ends with `N passed, N failed, N skipped`.

    tally.py REPORTS [STEP THAT FAILED]...

A step that failed without a failed test to show for it (a crash, a failed build, lint) counts as one failure.
Tests that were skipped for want of the public vectors count as failures: CI has the vectors.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

STEP_OF_REPORT = {"unit": "unit tests", "interop": "interop tests"}


def outcomes(path):
    """Yields (name, outcome, reason) for each test case of a report."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed", ""
        elif skipped is not None:
            yield name, "skipped", skipped.get("message") or skipped.text or ""
        else:
            yield name, "passed", ""


def main():
    reports, failed_steps = pathlib.Path(sys.argv[1]), set(sys.argv[2:])
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    explained = set()
    for stem, step in STEP_OF_REPORT.items():
        found = 0
        for path in sorted(reports.glob(f"{stem}*.xml")):
            try:
                cases = list(outcomes(path))
            except ElementTree.ParseError as error:
                print(f"{path}: {error}")
                continue
            for name, outcome, reason in cases:
                found += 1
                if outcome == "skipped" and "vectors" in reason.lower():
                    print(f"skipped, but the vectors must be here: {name}")
                    outcome = "failed"
                elif outcome == "skipped":
                    print(f"skipped: {name}: {reason}")
                if outcome == "failed":
                    print(f"failed: {name}")
                    explained.add(step)
                counts[outcome] += 1
        if not found:
            print(f"no report of the {step}")
            failed_steps.add(step)
    for step in sorted(failed_steps - explained):
        print(f"failed: {step}")
        counts["failed"] += 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or failed_steps else 0


sys.exit(main())
