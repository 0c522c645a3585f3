// The daemon's own workers: what each handler runs now, and for how long.
import { badge, el, jobLink, keep, queueLink, say, show } from "../dom.js";
import { count, duration, many } from "../format.js";

const SHOWN = 20; // jobs of one handler; who has more workers sees those that run longest

class Handler {
    constructor() {
        this.name = el("h2");
        this.kind = el("span", { class: "quiet" });
        this.state = badge("warn", "draining");
        this.queues = el("span", { class: "queues" });
        this.meter = el("meter", { min: "0" });
        this.busy = el("span");
        this.counts = el("span", { class: "quiet" });
        this.body = el("tbody");
        this.rows = new Map();
        this.more = el("p", { class: "quiet" });
        this.table = el("table", {}, el("thead", {},
            el("tr", {}, el("th", { scope: "col" }, "Job"), el("th", { scope: "col", class: "number" }, "Worker"),
            el("th", { scope: "col", class: "number" }, "Running for"))), this.body);
        this.node = el("section", { class: "card handler" },
            el("header", {}, this.name, this.kind, this.state), el("p", {}, "Takes jobs from ", this.queues),
            el("p", { class: "meter" }, this.meter, this.busy, " ", this.counts), this.table, this.more);
    }

    update(handler) {
        say(this.name, handler.handler);
        say(this.kind, handler.kind);
        show(this.state, handler.state !== "running");
        say(this.state, handler.state);
        if (this.queues.dataset.shown !== JSON.stringify(handler.queues)) {
            this.queues.dataset.shown = JSON.stringify(handler.queues);
            this.queues.replaceChildren(...handler.queues.flatMap((queue, i) => (i ? [", ", queueLink(queue)] : [queueLink(queue)])));
        }
        this.meter.max = handler.workers;
        this.meter.value = Math.min(handler.running, handler.workers);
        this.meter.setAttribute("aria-label", `${count(handler.running)} of ${many(handler.workers, "worker")} of ${handler.handler} busy`);
        say(this.busy, `${count(handler.running)} of ${many(handler.workers, "worker")} busy`);
        say(this.counts, `${count(handler.done)} done, ${count(handler.failed)} failed since it was started`);
        const jobs = [...handler.jobs].sort((a, b) => b.seconds - a.seconds);
        show(this.table, jobs.length > 0);
        show(this.more, jobs.length > SHOWN);
        say(this.more, `and ${count(jobs.length - SHOWN)} more that began later`);
        this.table.setAttribute("aria-label", `What ${handler.handler} runs`);
        keep(this.body, this.rows, jobs.slice(0, SHOWN), (job) => `${job.worker}/${job.id}`, (job) => {
            const time = el("td", { class: "number" });
            const node = el("tr", {}, el("th", { scope: "row" }, jobLink(job.id)), el("td", { class: "number" }, String(job.worker)), time);
            return { node, update: (now) => say(time, duration(now.seconds)) };
        });
    }
}

export class Pool {
    constructor(page) {
        this.page = page;
        this.title = "Pool";
        this.interval = 2000;
        this.handlers = el("div", { class: "cards" });
        this.rows = new Map();
        this.empty = el("div", { class: "card", hidden: true },
            el("p", {}, "This daemon runs no jobs itself: all are taken by consumers that connect to it. A ",
            el("code", {}, "handler"), " section in its configuration gives it workers of its own."));
        this.node = el("section", {}, el("h1", {}, "Pool"), this.lead = el("p", { class: "lead" }), this.handlers, this.empty);
    }

    calls() {
        return [["pool"]];
    }

    update([pool]) {
        show(this.empty, !pool.failure && pool.result.handlers.length === 0);
        if (pool.failure) {
            say(this.lead, `What the pool does cannot be shown: ${pool.failure.message}`);
            this.handlers.replaceChildren();
            return;
        }
        const { handlers } = pool.result;
        const running = handlers.reduce((n, handler) => n + handler.running, 0);
        const workers = handlers.reduce((n, handler) => n + handler.workers, 0);
        say(this.lead, handlers.length ? `${many(handlers.length, "handler")}, ${count(running)} of ${many(workers, "worker")} busy.` : "");
        const seen = new Map(); // one that is replaced has the same name for a while
        keep(this.handlers, this.rows, handlers.map((handler) => {
            const n = (seen.get(handler.handler) ?? 0) + 1;
            seen.set(handler.handler, n);
            return { ...handler, key: `${handler.handler}/${n}` };
        }), (handler) => handler.key, () => new Handler());
    }
}
