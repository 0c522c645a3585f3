#!/usr/bin/env python3
"""Makes taskqd-metrics(7) from what `taskqd --help-metrics` prints, which comes from the daemon's table of metrics.

    taskqd-metrics.7.py TASKQD VERSION > taskqd-metrics.7
"""

import subprocess
import sys

ABOUT = r"""
The daemon's HTTP port answers GET /metrics in Prometheus' text format, and \fBtaskq stats\fR shows the same figures by the same
names, summed over all queues. Where there are identities, who asks needs the role \fBread\fR on all queues, unless
.I metrics_open
says otherwise in \fBtaskqd.conf\fR(5).
.PP
Metrics with the label \fIqueue\fR are bounded: the queues with the most unfinished jobs, as many as the setting
.I metrics_queues
says, have values of their own, and all others one together whose label is empty;
.B taskq_queues_together
says how many those are.
.PP
Counters begin at 0 with the daemon and never fall while it runs, whatever becomes of the queues; only those of a handler begin again
when it is changed. Histograms have buckets by powers of two.
"""

EXAMPLE = r"""
scrape_configs:
  \- job_name: taskq
    static_configs:
      \- targets: ["127.0.0.1:7481"]
"""


def escape(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def page(reference, version):
    out = ['.TH TASKQD-METRICS 7 "" "taskq %s" "Miscellaneous Information"' % version, ".SH NAME",
           "taskqd\\-metrics \\- what taskqd, the job queue daemon, counts and measures", ".SH DESCRIPTION", ABOUT.strip(), ".SH METRICS"]
    for line in reference.splitlines():
        if line.startswith(" "):
            out.append(escape(line.strip()))
        else:
            out += [".TP", "\\fB%s\\fR" % escape(line)]
    out += [".SH EXAMPLE", "Prometheus' configuration:", ".PP", ".nf", EXAMPLE.strip(), ".fi", ".PP",
            "Rules for alerts worth having stand in", ".IR prometheus\\-alerts.yml ,",
            "which is among the documentation's examples.", ".SH SEE ALSO", ".BR taskqd (8),", ".BR taskqd.conf (5),",
            ".BR taskq (1)"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(subprocess.run([sys.argv[1], "--help-metrics"], check=True, capture_output=True, text=True).stdout,
                          sys.argv[2]))
