#!/usr/bin/env python3
"""The shared library exports exactly the functions that taskq.h declares, and each has a comment there.

usage: exports.py taskq.h libtaskq.so
"""

import re
import subprocess
import sys


def declared(header):
    """The functions in the header, each with whether a comment stands right before it or before its group."""
    text = re.sub(r"//[^\n]*", "//", header)
    found = {}
    for block in re.split(r"\n\s*\n", text):
        names = re.findall(r"\b(taskq_\w+)\(", re.sub(r"//[^\n]*|\(\*\w+\)\([^)]*\)", "", block))
        for name in names:
            found[name] = "//" in block
    return found


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", library], check=True,
                         capture_output=True, text=True).stdout
    return {line.split()[0] for line in out.splitlines() if line.split()[1] in "TDBRVW"}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        header = f.read()
    in_header = declared(header)
    in_library = exported(sys.argv[2])
    # What a sanitizer or a coverage build adds is not ours.
    in_library = {n for n in in_library if not re.match(r"_|__asan|__tsan|__ubsan|__odr_asan|gcov", n)}
    problems = [f"{n} is declared and not exported" for n in sorted(set(in_header) - in_library)]
    problems += [f"{n} is exported and not declared" for n in sorted(in_library - set(in_header))]
    problems += [f"{n} has no comment" for n, ok in sorted(in_header.items()) if not ok]
    if len(in_header) < 50:
        problems.append("the header could not be read")
    for p in problems:
        print(p)
    sys.exit(1 if problems else 0)


main()
