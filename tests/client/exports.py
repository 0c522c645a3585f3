#!/usr/bin/env python3
"""The libraries, shared and static, show exactly the functions that taskq.h declares, and each has a comment there.

usage: exports.py taskq.h libtaskq.so libtaskq.a
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
    how = ["--dynamic"] if library.endswith(".so") or ".so." in library else ["--extern-only"]
    out = subprocess.run(["nm", *how, "--defined-only", "--format=posix", library], check=True,
                         capture_output=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    names = {row[0] for row in rows if len(row) > 1 and row[1] in "TDBRVWC"}
    # What a sanitizer or a coverage build adds is not ours.
    return {n for n in names if not re.match(r"_|asan\.|gcov", n)}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        in_header = declared(f.read())
    problems = [f"{n} has no comment" for n, ok in sorted(in_header.items()) if not ok]
    if len(in_header) < 50:
        problems.append("the header could not be read")
    for library in sys.argv[2:]:
        in_library = exported(library)
        problems += [f"{library}: {n} is declared and not there" for n in sorted(set(in_header) - in_library)]
        problems += [f"{library}: {n} is there and not declared" for n in sorted(in_library - set(in_header))]
    for p in problems:
        print(p)
    sys.exit(1 if problems else 0)


main()
