"""Draws what was measured as an SVG: one group of bars a row, each group in its own scale, readable on light and dark."""
from html import escape

from rows import METRICS

# The rows that are drawn, and what is said beside them.
DRAWN = [
    ("put", "cpu_us", "put, pipelined", "us of server CPU a job"),
    ("cycle", "cpu_us", "put + get + ack, pipelined", "us of server CPU a job"),
    ("cycle-1", "cpu_us", "put + get + ack, one at a time", "us of server CPU a job"),
    ("cycle-10000", "cpu_us", "the same on 10,000 connections", "us of server CPU a job"),
    ("handoff", "p50_us", "handoff to a waiting consumer", "us, median"),
    ("durable-put-1", "jobs_per_s", "durable put, 64 clients", "jobs/s: longer is better"),
    ("memory", "bytes_each", "memory a waiting job", "bytes, body of 100"),
    ("idle", "bytes_each", "memory an idle connection", "bytes"),
]
SERVERS = [("taskq", "taskq"), ("redis", "Redis"), ("beanstalkd", "beanstalkd")]

WIDTH, LEFT, RIGHT = 800, 310, 90
BAR, GAP, GROUP = 13, 3, 16
TOP = 82

STYLE = """
svg { font: 12px system-ui, sans-serif; }
text { fill: #1f2328; } .small { fill: #59636e; font-size: 11px; } .title { font-size: 15px; font-weight: 600; }
.taskq { fill: #0969da; } .redis { fill: #afb8c1; } .beanstalkd { fill: #d0d7de; } .own { font-weight: 600; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .small { fill: #9198a1; }
.taskq { fill: #4493f8; } .redis { fill: #656c76; } .beanstalkd { fill: #3d444d; }
}
"""


def text(x, y, said, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(said)}</text>'


def group(y, row, metric, title, unit):
    """One row's bars; returns what is drawn and where the next begins."""
    values = [(key, name, row["medians"][key][metric]) for key, name in SERVERS if row["medians"].get(key, {}).get(metric)]
    most = max(value for _, _, value in values)
    middle = y + len(values) * (BAR + GAP) / 2
    drawn = [text(LEFT - 84, middle - 3, title, anchor="end"), text(LEFT - 84, middle + 11, unit, "small", "end")]
    for key, name, value in values:
        width = max(1.0, value / most * (WIDTH - LEFT - RIGHT))
        own = " own" if key == "taskq" else ""
        drawn.append(text(LEFT - 8, y + BAR - 2, name, "small" + own, "end"))
        drawn.append(f'<rect x="{LEFT}" y="{y:.0f}" width="{width:.1f}" height="{BAR}" rx="2" class="{key}"/>')
        drawn.append(text(LEFT + width + 6, y + BAR - 2, METRICS[metric][1].format(value), own.strip()))
        y += BAR + GAP
    return drawn, y + GROUP


def draw(result):
    rows = {row["name"]: row for row in result["rows"]}
    machine, versions = result["machine"], result["versions"]
    parts, y = [], TOP
    for name, metric, title, unit in DRAWN:
        if name in rows and rows[name]["medians"].get("taskq", {}).get(metric):
            drawn, y = group(y, rows[name], metric, title, unit)
            parts += drawn
    head = [text(16, 26, "What a job costs: taskq, Redis, beanstalkd", "title"),
            text(16, 46, f"{result['date'][:10]}: taskq {versions['taskq']}, Redis {versions['redis']}, beanstalkd {versions['beanstalkd']}; "
                         f"the same work in the same run, medians of {result['rounds']} rounds", "small"),
            text(16, 61, f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}", "small")]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">\n'
            f"<title>What a job costs: taskq, Redis, beanstalkd</title>\n<style>{STYLE}</style>\n" + "\n".join(head + parts) + "\n</svg>\n")
