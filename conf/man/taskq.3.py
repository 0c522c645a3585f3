#!/usr/bin/env python3
"""Makes taskq(3) from client/taskq.h, so that the page says what the header says.

    taskq.3.py taskq.h VERSION > taskq.3
"""

import re
import sys


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def prose(lines):
    """Comment lines: indented ones stand as they are, the others flow."""
    out, as_is = [], False
    for line in lines:
        indented = line.startswith("    ")
        if line and indented != as_is:
            out.append(".PP\n.nf" if indented else ".fi\n.PP")
            as_is = indented
        out.append(escape(line.strip() if not as_is else line) if line else (".PP" if not as_is else ""))
    if as_is:
        out.append(".fi")
    return out


def blocks(text):
    """Pairs of comment lines and code lines, as empty lines part them."""
    for block in re.split(r"\n\s*\n", text):
        comment, code = [], []
        for line in block.splitlines():
            if line.startswith("//") and not code:
                comment.append(line[3:])
            else:
                code.append(line)
        yield comment, code


def page(header, version):
    out = ['.TH TASKQ 3 "" "taskq %s" "Library Functions"' % version, ".SH NAME",
           "libtaskq \\- client of taskqd, the job queue daemon", ".SH SYNOPSIS", ".nf", "#include <taskq.h>", "",
           "cc $(pkg\\-config \\-\\-cflags taskq) ... $(pkg\\-config \\-\\-libs taskq)", ".fi", ".SH DESCRIPTION"]
    about, _, rest = header.partition("#ifndef TASKQ_H")
    out += prose([line[3:] for line in about.strip().splitlines()])
    for comment, code in blocks(rest):
        if any(re.match(r" *#\s*define TASKQ_(H|API)\b", line) for line in code):
            continue
        title = re.match(r"-{8,} (.*)", comment[0]) if comment else None
        if title:
            out.append(".SH " + escape(title.group(1)).upper())
            comment = comment[1:]
        code = [line.replace("TASKQ_API ", "") for line in code if not line.startswith("#") or "define TASKQ_" in line]
        code = [line for line in code if line not in ('extern "C" {', "}")]
        if code:
            out += [".PP", ".nf", ".B", *("\\fB%s\\fR" % escape(line) if line else "" for line in code), ".fi"]
        if comment:
            out += [".RS" if code else ".PP", *prose(comment), ".RE" if code else ".PP"]
    out += [".SH SEE ALSO", ".BR taskq (1),", ".BR taskqd (8)"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        sys.stdout.write(page(f.read(), sys.argv[2]))
