#!/usr/bin/env python3
"""Makes taskqd.conf(5) from what `taskqd --help-config` prints, which comes from the daemon's table of settings.

    taskqd.conf.5.py TASKQD VERSION > taskqd.conf.5
"""

import re
import subprocess
import sys

EXAMPLE = r"""
listen = {"127.0.0.1:7480", "unix:/run/taskq/socket"}
max_body = 4M

queue "emails" {
    max_attempts = 10
    dead_letter = "emails-failed"
}

handler "resize" {
    kind = exec
    command = {"/usr/local/bin/resize-picture"}
    workers = 4
    timeout = 2m
}
"""

SECTIONS = {
    "queue": "A section for each queue that is to differ from the defaults; queues without one are made on first use. What a "
             "section does not say stays as \\fBtaskq declare\\fR left it.",
    "token": "A section for each program that may use the daemon. Without any, everybody who can reach it may do everything.",
    "handler": "A section for each kind of job that the daemon's own pool runs.",
}


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def page(reference, version):
    out = ['.TH TASKQD.CONF 5 "" "taskq %s" "File Formats"' % version, ".SH NAME",
           "taskqd.conf \\- the settings of taskqd, the job queue daemon", ".SH DESCRIPTION",
           "A setting is a line \\fIname\\fR = \\fIvalue\\fR; a list stands in braces; what follows a # is a comment.",
           'include("\\fIFILE\\fR") reads another file. In double quotes ${NAME} is taken from the environment, in single quotes',
           "a text stands as it is. A wrong file is refused with its line and the wrong word, by",
           ".B taskqd \\-t", "as by the daemon."]
    about, _, rest = reference.partition("\n\n")
    out += [".PP", escape(about.replace("\n", " ")), ".SH SETTINGS"]
    names_at = 0  # how far in a setting's name stands; its text stands further in
    sections = False  # behind the first one there is nothing but sections, and text between them
    for line in rest.splitlines():
        text = line.strip()
        section = re.match(r'(\w+) "\w+" \{$', text)
        heading = text.replace('"', "\\(dq") + " ... }"
        if section and names_at:
            out += [".TP", "\\fB%s\\fR" % heading, "A section within, with:"]
        elif section:
            out += [".SH %s SECTIONS" % section.group(1).upper(), ".B " + heading, ".PP", SECTIONS.get(section.group(1), "")]
            sections = True
        elif text and names_at == 0 and sections:
            out.append(escape(text))
        elif text not in ("", "}") and len(line) - len(line.lstrip()) == names_at:
            out += [".TP", "\\fB%s\\fR" % escape(text)]
        elif text not in ("", "}"):
            out.append(escape(text))
        elif sections and not names_at:
            out.append(".PP")
        names_at += 4 * bool(section) - 4 * (text == "}")
    out += [".SH EXAMPLE", ".nf", *(escape(line) for line in EXAMPLE.strip().splitlines()), ".fi", ".SH SEE ALSO",
            ".BR taskqd (8),", ".BR taskq (1)"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(subprocess.run([sys.argv[1], "--help-config"], check=True, capture_output=True, text=True).stdout,
                          sys.argv[2]))
