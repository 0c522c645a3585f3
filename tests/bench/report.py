"""What was measured, held against the goals and written as a table."""
import statistics

from rows import METRICS, ROWS
from servers import PEERS

BY_NAME = {row.name: row for row in ROWS}


def paired(ours, theirs, metric):
    """The median of the rounds' own ratios: the two ran right after one another, so what else the machine did hit both."""
    ratios = [a[metric] / b[metric] for a, b in zip(ours, theirs) if b[metric] > 0]
    return statistics.median(ratios) if ratios else None


def ratio_of(goal, row, result):
    """What the goal limits: a ratio, or the metric itself; None: what it is held against was not measured."""
    rounds, less = row["rounds"], METRICS[goal.metric][2]
    ours = rounds[BY_NAME[row["name"]].servers[0]]
    if goal.against is None:
        values = [one[goal.metric] for one in ours]
        return (min if less else max)(values) if goal.best else statistics.median(values)
    if goal.against == "better":
        ratios = [r for r in (paired(ours, rounds[p], goal.metric) for p in PEERS if p in rounds) if r is not None]
        return (max(ratios) if less else min(ratios)) if ratios else None
    if goal.against in rounds:
        return paired(ours, rounds[goal.against], goal.metric)
    other = next((r for r in result["rows"] if r["name"] == goal.against), None)
    return other and paired(ours, other["rounds"][BY_NAME[other["name"]].servers[0]], goal.metric)


def judge(result):
    """Adds every row's goals and whether they are met; returns how many are missed."""
    missed = 0
    for row in result["rows"]:
        row["goals"] = []
        for goal in BY_NAME[row["name"]].goals:
            value = ratio_of(goal, row, result)
            if value is None or (goal.full and result["size"] != "full"):
                continue
            met = value <= goal.limit if METRICS[goal.metric][2] else value >= goal.limit
            missed += not met
            row["goals"].append({"metric": goal.metric, "limit": goal.limit, "against": goal.against, "value": value, "met": met})
    return missed


def number(metric, value):
    return "" if value is None else METRICS[metric][1].format(value)


def goal_text(goal):
    name, form, less = METRICS[goal["metric"]]
    words = "at most" if less else "at least"
    if goal["against"] is None:
        said, limit = form.format(goal["value"]), form.format(goal["limit"])
    else:
        said, limit = f"{goal['value']:.2f}", f"{goal['limit']:g} of {goal['against']}"
        limit = limit.replace("of better", "of the better peer")
    return f"{'met   ' if goal['met'] else 'MISSED'} {name}: {said}, {words} {limit}"


def table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))).rstrip())


def lines_of(row):
    spec = BY_NAME[row["name"]]
    for metric in [spec.metric] + spec.more:
        medians = row["medians"]
        values = {name: one.get(metric) for name, one in medians.items()}
        own = values.get(spec.servers[0])
        def ratio(peer):
            other = values.get(peer)
            return f"{own / other:.2f}" if own is not None and other else ""
        yield [row["title"] if metric == spec.metric else "", METRICS[metric][0],
               *(number(metric, values.get(name)) for name in [spec.servers[0], *PEERS, "floor"]), *(ratio(p) for p in PEERS)]
        for name in spec.servers[1:]:  # a taskq of other settings has a line of its own
            if name not in [*PEERS, "floor"]:
                yield [f"  {name}", METRICS[metric][0], number(metric, values.get(name)), "", "", "", "", ""]


def show(result):
    machine, versions = result["machine"], result["versions"]
    print(f"{result['date']}, {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; medians of {result['rounds']} rounds")
    print("; ".join(f"{name} {version}" for name, version in versions.items()))
    print()
    if result["rows"]:
        lines = [["work", "", "taskq", *PEERS, "floor", "of redis", "of beanstalkd"]]
        for row in result["rows"]:
            lines += lines_of(row)
        table(lines)
    goals = [(row["name"], goal) for row in result["rows"] for goal in row["goals"]]
    if goals:
        print("\ngoals")
        for name, goal in goals:
            print(f"  {name:16} {goal_text(goal)}")
