// One queue: its jobs by state, why they wait, and what can be done to them and to it.
import { attribute, el, facts, jobLink, keep, marks, name, queueHref, say, show } from "../dom.js";
import { button, deletable, jobActions, queueActions } from "../actions.js";
import { age, bytes, count, duration, many, short } from "../format.js";
import { QueueHistory } from "../history.js";
import { jsonView } from "../json_view.js";
import { Plot, ratesPlot, showPlots } from "../plot.js";

const PAGE = 50;
const HISTORY_S = 3600;
const STATES = [["ready", "Ready"], ["reserved", "Reserved"], ["delayed", "Delayed"], ["dead", "Dead"], ["done", "Done"],
    ["cancelled", "Cancelled"]];

class Row {
    constructor(page, job) {
        this.page = page;
        this.job = job;
        const { id } = job;
        this.open = el("button", { type: "button", class: "plain opener", "aria-expanded": "false", "aria-label": `Body of job ${id}`,
            onclick: () => this.toggle() }, "▸");
        this.why = el("td", { class: "why" });
        this.attempt = el("td", { class: "number wide" });
        this.age = el("td", { class: "number" });
        this.priority = el("td", { class: "number wide" });
        this.kick = button("Retry", () => jobActions.kick(page, this.job), { class: "small", "aria-label": `Make job ${id} ready` });
        this.remove = button("Delete…", () => jobActions.remove(page, this.job), { class: "small", "aria-label": `Delete job ${id}` });
        this.tools = el("td", { class: "actions" });
        if (page.may("admin", job.queue))
            this.tools.append(this.kick, this.remove);
        this.line = el("tr", {}, el("th", { scope: "row" }, this.open, jobLink(id)), this.why, this.attempt, this.priority, this.age,
            this.tools);
        this.details = el("tr", { class: "details", hidden: true });
        this.node = el("tbody", {}, this.line, this.details);
    }

    update(job) {
        this.job = job;
        say(this.why, `${job.why}${job.key ? ` · key ${job.key}` : ""}`);
        say(this.attempt, `${job.attempt} of ${job.max_attempts}${job.lost ? `, ${job.lost} lost` : ""}`);
        say(this.priority, job.priority);
        say(this.age, age(job.age));
        show(this.kick, job.state === "dead" || job.state === "delayed");
        say(this.kick, job.state === "delayed" ? "Run now" : "Retry");
    }

    async toggle() {
        const open = this.details.hidden;
        this.details.hidden = !open;
        attribute(this.open, "aria-expanded", open ? "true" : "false");
        if (!open)
            return;
        const cell = el("td", { colspan: "6" }, el("p", { class: "quiet" }, "Loading …"));
        this.details.replaceChildren(cell);
        try {
            const [outcome] = await this.page.ask([["job", { id: this.job.id }]]);
            if (outcome.failure)
                throw outcome.failure;
            cell.replaceChildren(...["error", "body"].flatMap((part) => {
                const text = outcome.raw(part);
                if (text === undefined)
                    return [];
                const view = jsonView(`${part} of job ${this.job.id}`);
                view.update(text);
                return [el("h3", {}, part === "body" ? "Body" : "Last error"), view.node];
            }));
        } catch (failure) {
            cell.replaceChildren(el("p", { class: "error" }, failure.message));
        }
    }
}

/** The settings of a queue as people say them. */
const SETTINGS = {
    order: ["Order", (v) => (v === "lifo" ? "newest first" : "oldest first")],
    maxsize: ["Room for", (v) => (v ? many(v, "job") : "any number of jobs")],
    concurrency: ["At once", (v) => (v ? `${count(v)} reserved at most` : "any number reserved")],
    lease: ["Lease", duration],
    max_attempts: ["Attempts", (v) => count(v)],
    max_lost: ["Losses", (v) => count(v)],
    backoff: ["Pause between attempts", (v) =>
        `${duration(v.base)}, doubling up to ${duration(v.cap)}, give or take ${Math.round(v.jitter * 100)} %`],
    dead_letter: ["Dead jobs go to", (v) => v ?? "this queue's dead"],
    durable: ["On disk", (v) => (v ? "yes" : "no")],
    keep_result: ["Results are kept", duration],
    keep_dead: ["Dead jobs are kept", duration],
    keep_result_bytes: ["Results kept, at most", bytes],
    keep_dead_bytes: ["Dead kept, at most", bytes],
};

export class Queue {
    constructor(page, queue, state = "") {
        this.page = page;
        this.queue = queue;
        this.title = queue;
        this.interval = 3000;
        this.history = new QueueHistory(HISTORY_S, [queue]);
        this.chosen = STATES.some(([word]) => word === state) ? state : null; // null: the first that has jobs
        this.pages = [null]; // `after` of the page that is shown, behind those of the ones before
        this.row = null;
        this.jobs = new Map();
        this.marks = el("span", { class: "marks" });
        const does = (word) => () => queueActions[word](page, this.row);
        this.pause = button("Pause", does("pause"));
        this.resume = button("Resume", does("resume"), { class: "main" });
        this.retry = button("Retry all dead…", does("retry"));
        this.purge = button("Purge…", does("purge"));
        this.drop = button("Remove queue…", async () => {
            if (await queueActions.drop(page, this.row))
                location.hash = "#/queues";
        });
        this.tools = el("div", { class: "buttons" });
        if (page.may("admin", queue))
            this.tools.append(this.pause, this.resume, this.retry, this.purge, this.drop);
        this.summary = el("p", { class: "lead" });
        this.tabs = el("nav", { class: "tabs", "aria-label": "Jobs by state" });
        this.links = STATES.map(([word, text]) => ({ word, text, count: el("span", { class: "value" }), node: null }));
        for (const link of this.links) {
            link.node = el("a", { href: queueHref(queue, link.word) }, link.count, link.text);
            this.tabs.append(link.node);
        }
        this.table = el("table", { class: "jobs" },
            el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Job"), el("th", { scope: "col" }, "Why it is there"),
            el("th", { scope: "col", class: "number wide" }, "Attempt"), el("th", { scope: "col", class: "number wide" }, "Priority"),
            el("th", { scope: "col", class: "number" }, "Age"),
            el("th", { scope: "col", class: "actions" }, el("span", { class: "unheard" }, "What can be done")))));
        this.empty = el("p", { class: "empty" }, "Loading …");
        this.before = el("button", { type: "button", onclick: () => this.turn(-1) }, "‹ Back");
        this.behind = el("button", { type: "button", onclick: () => this.turn(1) }, "Next ›");
        this.place = el("span", { class: "quiet" });
        this.pager = el("nav", { class: "pager", hidden: true, "aria-label": "Pages of jobs" }, this.before, this.place, this.behind);
        this.rates = ratesPlot();
        this.backlog = new Plot("Jobs in the queue", [{ key: "unfinished", label: "ready, delayed and reserved", kind: "one" }], short,
            true);
        this.plots = el("section", { class: "plots", "aria-label": "Over time", hidden: true }, this.rates.node, this.backlog.node);
        this.settings = el("dl", { class: "facts" });
        this.counters = el("dl", { class: "facts" });
        this.node = el("section", {}, el("p", { class: "path" }, el("a", { href: "#/queues" }, "Queues"), " /"),
            el("header", { class: "head" }, el("h1", {}, name(queue), this.marks), this.tools), this.summary, this.tabs,
            el("div", { class: "scroll" }, this.table), this.empty, this.pager, this.plots,
            el("details", {}, el("summary", {}, "Settings"), this.settings),
            el("details", {}, el("summary", {}, "Since the daemon's start"), this.counters));
    }

    turn(by) {
        if (by < 0)
            this.pages.pop();
        else if (this.next)
            this.pages.push(this.next);
        this.page.poll.now();
    }

    calls() {
        const own = [["stats", { queue: this.queue }]];
        const after = this.pages[this.pages.length - 1];
        if (this.chosen !== null)
            own.push(["jobs", { queue: this.queue, state: this.chosen, limit: PAGE, ...(after ? { after } : {}) }]);
        this.listed = this.chosen !== null;
        return [...own, ...this.history.calls()];
    }

    update([stats, ...others]) {
        const jobs = this.listed ? others.shift() : null;
        const [history] = others;
        if (this.page.missing(stats)) {
            this.gone = true;
            this.page.absent(this.node, this.queue, stats.failure.name === "not_found"
                ? "There is no such queue. One that is empty and not declared goes by itself after a while." : stats.failure.message);
            return;
        }
        if (this.gone) { // and is there again
            this.page.route(false);
            return;
        }
        const { gauges, counters, settings, paused, shut_down, oldest } = stats.result;
        this.row = { queue: this.queue, paused, shut_down, ...gauges, done: gauges.finished };
        if (this.chosen === null) {
            this.chosen = STATES.find(([state]) => this.row[state] > 0)?.[0] ?? "ready";
            this.page.poll.now();
        }
        this.head(gauges, oldest);
        if (jobs)
            this.list(jobs);
        if (history)
            showPlots(this.plots, [this.rates, this.backlog], this.history.read(history).get(this.queue) ?? null);
        facts(this.settings, Object.entries(SETTINGS).filter(([key]) => key in settings).map(([key, [label, words]]) =>
            [label, words(settings[key])]));
        facts(this.counters, Object.entries(counters).map(([key, n]) => [key.replaceAll("_", " "), count(n)]));
    }

    head(gauges, oldest) {
        const { row } = this;
        marks(this.marks, row);
        show(this.pause, !row.paused);
        show(this.resume, row.paused);
        this.retry.disabled = row.dead === 0;
        this.purge.disabled = deletable(row) === 0;
        const words = [oldest === null ? "No job is ready." : `The oldest ready job is ${age(oldest)} old.`,
            gauges.waiting_gets > 0 ? `${many(gauges.waiting_gets, "get waits", "gets wait")} for a job.` : "",
            gauges.waiting_puts > 0 ? `${many(gauges.waiting_puts, "put waits", "puts wait")} for room.` : "",
            `It holds ${bytes(gauges.bytes)}.`];
        say(this.summary, words.filter(Boolean).join(" "));
        for (const link of this.links) {
            const n = { ...gauges, done: gauges.finished }[link.word];
            say(link.count, n === undefined ? "" : count(n));
            attribute(link.node, "aria-current", link.word === this.chosen ? "page" : null);
        }
    }

    list(jobs) {
        if (jobs.failure) {
            say(this.empty, jobs.failure.message);
            show(this.empty, true);
            return;
        }
        const { next } = jobs.result;
        const shown = jobs.result.jobs;
        this.next = next;
        if (shown.length === 0 && next === null && this.pages.length > 1) { // the page went away under the reader
            this.turn(-1);
            return;
        }
        const word = STATES.find(([state]) => state === this.chosen)[1].toLowerCase();
        attribute(this.table, "aria-label", `Jobs, ${word}`);
        keep(this.table, this.jobs, shown, (job) => job.id, (job) => new Row(this.page, job), this.table.tHead);
        show(this.empty, shown.length === 0);
        say(this.empty, `No job is ${word}.`);
        show(this.pager, this.pages.length > 1 || next !== null);
        say(this.place, `Page ${count(this.pages.length)}`);
        this.before.disabled = this.pages.length === 1;
        this.behind.disabled = next === null;
    }
}
