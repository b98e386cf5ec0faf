"""Runs a command for which system calls fail, as on another kernel, file system or in another container: a filter of system calls.

    denied.py RULE… -- COMMAND…

A rule is NUMBER:ERRNO, NUMBER:kill (the process dies there), or NUMBER[INDEX=VALUE]:ERRNO for calls with that argument.
"""

import ctypes
import errno
import os
import platform
import re
import struct
import sys

# x86-64
FCHMOD, FLOCK, FSYNC, LINK, LINKAT, RENAME, RENAMEAT2, SOCKET, UNLINK = 91, 73, 74, 86, 265, 82, 316, 41, 87
IS_HERE = sys.platform == "linux" and platform.machine() == "x86_64"


def rule(number, outcome, index=None, value=None):
    where = "" if index is None else f"[{index}={value}]"
    return f"{number}{where}:{outcome if outcome == 'kill' else int(outcome)}"


def without_family(family):
    """Rules for a kernel without that address family."""
    return rule(SOCKET, errno.EAFNOSUPPORT, 0, int(family))


def wrapper(*rules):
    """What to put in front of a command."""
    return [sys.executable, os.path.abspath(__file__), *rules, "--"]


def _install(rules):
    load, equal, give = 0x20, 0x15, 0x06
    program = [(load, 0, 0, 0)]
    for text in rules:
        number, index, value, outcome = re.fullmatch(r"(\d+)(?:\[(\d)=(\d+)\])?:(\d+|kill)", text).groups()
        verdict = 0x80000000 if outcome == "kill" else 0x00050000 | int(outcome)
        if index is None:
            program += [(equal, 0, 1, int(number)), (give, 0, 0, verdict)]
        else:
            program += [(equal, 0, 4, int(number)), (load, 0, 0, 16 + 8 * int(index)), (equal, 0, 1, int(value))]
            program += [(give, 0, 0, verdict), (load, 0, 0, 0)]
    program.append((give, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    libc = ctypes.CDLL(None, use_errno=True)
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, head, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


if __name__ == "__main__":
    at = sys.argv.index("--")
    _install(sys.argv[1:at])
    os.execvp(sys.argv[at + 1], sys.argv[at + 1 :])
