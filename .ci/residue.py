"""What must not be left in the sources: traps that a peer could reach, leftovers, files that hold two ideas.

Exits 1 and names file, line and reason for every find.
"""

import pathlib
import re
import subprocess
import sys

LONGEST_FILE = 700

# In library code and the tool.
IN_SOURCES = [
    (re.compile(r"\btry!"), "try!"),
    (re.compile(r"\bas!\s"), "as!"),
    (re.compile(r"\bfatalError\("), "fatalError"),
]
IN_LIBRARIES = [(re.compile(r"^\s*(?:debugPrint|print)\("), "print")]

# In everything that is committed as text. Split so that this file does not find itself.
ANYWHERE = [
    (re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X{3})\b"), "a leftover note"),
    (re.compile(r"(?<![\w.$}:])/(?:home|root|Users|wo" + r"rk)/\w"), "a path of somebody's machine"),
    (re.compile(r"^(?:<{7} |>{7} |={7}$)"), "a merge conflict"),
]
TEXT = {".swift", ".py", ".sh", ".md", ".h", ".c", ".txt", ".modulemap", ""}


def findings(path, patterns):
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        for pattern, what in patterns:
            if pattern.search(line):
                yield f"{path}:{number}: {what}"


def check(path):
    patterns = list(ANYWHERE)
    if path.suffix == ".swift" and path.parts[0] == "Sources":
        patterns += IN_SOURCES
        if path.parts[1] != "Tool":
            patterns += IN_LIBRARIES
        lines = path.read_bytes().count(b"\n")
        if lines > LONGEST_FILE:
            yield f"{path}: {lines} lines; look for the second idea"
    if path.suffix in TEXT:
        yield from findings(path, patterns)


def main():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    found = [line for name in listed if name and pathlib.Path(name).is_file() for line in check(pathlib.Path(name))]
    for line in found:
        print(line)
    if found:
        print(f"residue: {len(found)} places")
    return 1 if found else 0


sys.exit(main())
