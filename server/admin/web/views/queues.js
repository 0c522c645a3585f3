// All queues: sorted, filtered, a page at a time, with what is done to them most.
import { el, keep, marks, queueLink, say, show } from "../dom.js";
import { button, deletable, queueActions } from "../actions.js";
import { age, count, many, rate } from "../format.js";
import { QueueHistory } from "../history.js";
import { Spark } from "../plot.js";
import { Sorting } from "../table.js";

const PAGE = 50;
const SPARK_S = 1800;

const COLUMNS = [
    { key: "queue", label: "Queue", value: (q) => q.queue },
    { key: "ready", label: "Ready", kind: "number", value: (q) => q.ready, first: -1 },
    { key: "reserved", label: "Reserved", kind: "number", value: (q) => q.reserved, first: -1 },
    { key: "delayed", label: "Delayed", kind: "number wide", value: (q) => q.delayed, first: -1 },
    { key: "dead", label: "Dead", kind: "number", value: (q) => q.dead, first: -1 },
    { key: "done", label: "Kept", kind: "number wider", title: "Finished jobs whose results are kept", value: (q) => q.done, first: -1 },
    { key: "waiters", label: "Waiting gets", kind: "number wider", title: "Consumers that wait for a job", value: (q) => q.waiters,
        first: -1 },
    { key: "oldest", label: "Oldest", kind: "number wide", title: "Age of the oldest ready job", value: (q) => q.oldest, first: -1 },
    { key: "spark", label: "Done", kind: "wider", title: "Jobs done a second, over the last half hour" },
    { key: "actions", label: "What can be done", unheard: true, kind: "actions" },
];
const NUMBERS = ["ready", "reserved", "delayed", "dead", "done", "waiters"];

class Row {
    constructor(page, queue) {
        this.marks = el("span", { class: "marks" });
        this.cells = new Map(COLUMNS.slice(1).map((column) => [column.key, el("td", { class: column.kind ?? null })]));
        this.spark = new Spark("two", (values) => `done: highest ${rate(Math.max(0, ...values.map((value) => value ?? 0)))}`);
        this.cells.get("spark").append(this.spark.node);
        show(this.spark.node, false);
        const does = (word) => () => queueActions[word](page, this.row);
        this.pause = button("Pause", does("pause"), { class: "small" });
        this.resume = button("Resume", does("resume"), { class: "small" });
        this.purge = button("Purge…", does("purge"), { class: "small" });
        for (const [node, word] of [[this.pause, "Pause"], [this.resume, "Resume"], [this.purge, "Delete all jobs of"]])
            node.setAttribute("aria-label", `${word} ${queue}`);
        if (page.may("admin", queue))
            this.cells.get("actions").append(this.pause, this.resume, this.purge);
        this.node = el("tr", {}, el("th", { scope: "row" }, queueLink(queue), this.marks), ...this.cells.values());
    }

    update(row) {
        this.row = row;
        for (const key of NUMBERS)
            say(this.cells.get(key), count(row[key]));
        this.cells.get("dead").classList.toggle("warn", row.dead > 0);
        say(this.cells.get("oldest"), row.oldest === null ? "–" : age(row.oldest));
        show(this.pause, !row.paused);
        show(this.resume, row.paused);
        this.purge.setAttribute("aria-disabled", deletable(row) === 0 ? "true" : "false");
        marks(this.marks, row);
    }

    draw(values) {
        show(this.spark.node, values !== null);
        if (values)
            this.spark.update(values);
    }
}

export class Queues {
    constructor(page) {
        this.page = page;
        this.title = "Queues";
        this.interval = 4000;
        this.directory = true;
        this.at = 0; // the first that is shown
        this.visible = [];
        this.rows = new Map();
        this.history = null; // of what is visible
        this.body = el("tbody");
        this.lead = el("p", { class: "lead", role: "status" });
        this.filter = el("input", { type: "search", id: "filter", placeholder: "part of a name", autocomplete: "off", spellcheck: "false",
            oninput: () => this.turn(0) });
        this.only = el("select", { id: "only", onchange: () => this.turn(0) },
            [["", "All"], ["paused", "Paused"], ["dead", "With dead jobs"], ["ready", "With ready jobs"], ["stuck", "Nobody takes from"]]
            .map(([value, text]) => el("option", { value }, text)));
        this.sorting = new Sorting(COLUMNS, "queue", () => this.turn(0));
        this.before = el("button", { type: "button", onclick: () => this.turn(this.at - PAGE) }, "‹ Back");
        this.behind = el("button", { type: "button", onclick: () => this.turn(this.at + PAGE) }, "Next ›");
        this.place = el("span", { class: "quiet" });
        this.pager = el("nav", { class: "pager", "aria-label": "Pages of queues" }, this.before, this.place, this.behind);
        this.empty = el("p", { class: "empty", hidden: true });
        const table = el("table", { class: "queues", "aria-label": "Queues" }, el("thead", {}, el("tr", {}, this.sorting.heads)), this.body);
        this.node = el("section", {}, el("h1", {}, "Queues"),
            el("div", { class: "bar" }, el("label", { for: "filter" }, "Filter"), this.filter, el("label", { for: "only" }, "Show"),
                this.only, this.lead),
            el("div", { class: "scroll" }, table), this.empty, this.pager);
    }

    turn(at) {
        this.at = Math.max(0, at);
        this.draw();
        this.page.poll.now(); // for the sparklines of what is shown now
    }

    calls() {
        if (!this.covered()) {
            const names = this.visible.map((row) => row.queue);
            this.history = names.length > 0 ? new QueueHistory(SPARK_S, names) : null;
        }
        return this.history?.calls() ?? [];
    }

    /** Whether the history that is asked for is that of all that is visible. */
    covered() {
        return this.visible.every((row) => this.history?.names.includes(row.queue));
    }

    update([sparks]) {
        this.draw();
        if (!this.covered())
            this.page.poll.now();
        if (!sparks)
            return;
        const found = this.history.read(sparks);
        for (const [queue, row] of this.rows)
            row.draw(found.get(queue)?.values.done ?? null);
    }

    chosen() {
        const part = this.filter.value.toLowerCase();
        const test = {
            "": () => true, paused: (q) => q.paused, dead: (q) => q.dead > 0, ready: (q) => q.ready > 0,
            stuck: (q) => q.ready > 0 && q.waiters === 0 && q.reserved === 0,
        }[this.only.value];
        return this.page.directory.queues.filter((q) => test(q) && (part === "" || q.queue.toLowerCase().includes(part)));
    }

    draw() {
        const { queues, complete } = this.page.directory;
        const chosen = this.sorting.sorted(this.chosen());
        if (this.at >= chosen.length)
            this.at = Math.max(0, Math.floor((chosen.length - 1) / PAGE) * PAGE);
        this.visible = chosen.slice(this.at, this.at + PAGE);
        keep(this.body, this.rows, this.visible, (row) => row.queue, (row) => new Row(this.page, row.queue));
        say(this.lead, complete ? (chosen.length === queues.length ? many(queues.length, "queue")
            : `${count(chosen.length)} of ${many(queues.length, "queue")}`) : `${many(queues.length, "queue")} so far …`);
        show(this.empty, complete && chosen.length === 0);
        say(this.empty, queues.length === 0 ? "There is no queue yet. One comes into being with the first job that is put on it."
            : "No queue is like that.");
        show(this.pager, chosen.length > PAGE);
        say(this.place, `${count(this.at + 1)} to ${count(this.at + this.visible.length)} of ${count(chosen.length)}`);
        this.before.disabled = this.at === 0;
        this.behind.disabled = this.at + PAGE >= chosen.length;
    }
}

