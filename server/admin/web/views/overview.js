// Whether the system is healthy and what is stuck, what goes through it and what lies in it.
import { attribute, el, keep, queueHref, queueLink, name, say, show } from "../dom.js";
import { age, bytes, count, many, short } from "../format.js";
import { findings, suspects, verdict } from "../health.js";
import { History, QueueHistory, RANGES } from "../history.js";
import { Plot, ratesPlot, showPlots } from "../plot.js";

const STATES = ["ready", "reserved", "delayed", "dead"];
const TOP = 8;
const SUSPECTS = 20; // queues of which is asked whether anything was done lately
const LATELY_S = 120;
const REMEMBER_MS = 5 * 60 * 1000; // how far back a rise of a counter is worth a finding

const SIGNS = { good: "✓", warn: "!", bad: "✕", note: "i" };

/** A figure with its name, and what it means in small. */
function tile(label, href = null) {
    const value = el("span", { class: "value" }, "–");
    const more = el("span", { class: "quiet" });
    const node = el("div", { class: "tile" }, el("dt", {}, href ? el("a", { href }, label) : label), el("dd", {}, value, more));
    return { node, set(text, small = "", grade = "") {
        say(value, text);
        say(more, small);
        attribute(value, "class", `value ${grade}`);
    } };
}

export class Overview {
    constructor(page) {
        this.page = page;
        this.title = "Overview";
        this.interval = 2000;
        this.directory = true;
        this.range = RANGES[0];
        this.history = new History(this.range.span);
        this.suspects = null; // the history of queues from which nobody seems to take
        this.lively = new Set(); // those among them of which jobs were done lately
        this.remembered = []; // [time, stats]: the oldest is what counters are compared with
        this.tiles = {
            ready: tile("Ready"), reserved: tile("Reserved"), delayed: tile("Delayed"), dead: tile("Dead"),
            oldest: tile("Oldest ready"),
            memory: tile("Memory"), store: tile("Store"), clients: tile("Connections", "#/connections"), workers: tile("Workers", "#/pool"),
        };
        this.headline = el("p", { class: "headline" });
        this.found = el("ul", { class: "findings" });
        this.rows = new Map();
        this.said = el("p", { class: "unheard", role: "status" });
        this.health = el("section", { class: "card health", "aria-label": "Health" }, this.headline, this.found, this.said);
        this.rates = ratesPlot();
        this.backlog = new Plot("Jobs in the daemon", [
            { key: "ready", label: "ready", kind: "one" }, { key: "reserved", label: "reserved", kind: "two" },
            { key: "delayed", label: "delayed", kind: "four" }, { key: "dead", label: "dead", kind: "three" },
        ], short, true);
        this.ranges = el("div", { class: "ranges", role: "group", "aria-label": "Time shown" }, RANGES.map((range) => el("button", {
            type: "button", "aria-pressed": range === this.range ? "true" : "false", onclick: (event) => this.choose(range, event.target),
        }, range.label)));
        this.plots = el("section", { "aria-label": "Over time", hidden: true }, this.ranges,
            el("div", { class: "plots" }, this.rates.node, this.backlog.node));
        this.topBody = el("tbody");
        this.topRows = new Map();
        this.top = el("section", { class: "card" },
            el("header", {}, el("h2", {}, "Fullest queues"), el("a", { href: "#/queues" }, "All queues")),
            el("table", { "aria-label": "Fullest queues" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Queue"),
                ["Ready", "Reserved", "Dead", "Oldest"].map((word) => el("th", { scope: "col", class: "number" }, word)))), this.topBody));
        this.partly = el("p", { class: "quiet", hidden: true },
            "This token may not look at the daemon as a whole: here is what it may see of its queues.");
        this.node = el("section", {}, el("h1", { class: "unheard" }, "Overview"), this.health, this.partly,
            el("dl", { class: "tiles" }, Object.values(this.tiles).map((one) => one.node)), this.plots, this.top);
    }

    choose(range, button) {
        this.range = range;
        this.history = new History(range.span);
        for (const one of this.ranges.children)
            attribute(one, "aria-pressed", one === button ? "true" : "false");
        this.page.poll.now();
    }

    calls() {
        const doubts = this.suspects?.calls() ?? [];
        this.doubted = doubts.length > 0 ? this.suspects : null; // whose answer comes
        const whole = this.page.mayEverywhere("read") ? [["stats"], ["pool"], ...this.history.calls()] : [];
        return [...doubts, ...whole];
    }

    update(outcomes) {
        const [stats, pool, history] = this.doubted ? outcomes.slice(1) : outcomes;
        if (this.doubted)
            this.clear(outcomes[0]);
        if (stats)
            this.page.missing(stats);
        this.suspect();
        const facts = {
            stats: stats?.result ?? null, queues: this.page.directory.queues, handlers: pool?.result?.handlers ?? [], before: null,
            lively: this.lively,
        };
        show(this.partly, !facts.stats);
        if (facts.stats)
            facts.before = this.remember(facts.stats);
        this.tell(facts);
        this.figures(facts);
        if (history)
            showPlots(this.plots, [this.rates, this.backlog], this.history.read(history));
        this.fullest(facts.queues);
    }

    /** Looks whether jobs come out of the queues from which nobody seems to take at this moment. */
    suspect() {
        const names = suspects(this.page.directory.queues).slice(0, SUSPECTS).map((row) => row.queue);
        if (names.length === 0) {
            this.suspects = null;
        } else if (this.page.directory.complete && names.some((queue) => !this.suspects?.names.includes(queue))) {
            this.suspects = new QueueHistory(LATELY_S, names);
            this.page.poll.now();
        }
    }

    clear(outcome) {
        this.lively = new Set();
        for (const [queue, { values }] of this.doubted.read(outcome))
            if ([...values.done, ...values.failed].some((n) => n > 0))
                this.lively.add(queue);
    }

    remember(stats) {
        const now = performance.now();
        this.remembered = this.remembered.filter(([time, old]) => now - time < REMEMBER_MS && old.counters.put <= stats.counters.put);
        this.remembered.push([now, stats]);
        return this.remembered[0][1];
    }

    tell(facts) {
        if (!this.page.directory.complete || this.suspects?.due === 0) { // nothing is said of a queue before it was asked for
            if (!this.headline.dataset.words)
                say(this.headline, "Looking at the queues …");
            return;
        }
        const found = findings(facts);
        const [grade, words] = verdict(found);
        attribute(this.health, "class", `card health ${grade}`);
        if (this.headline.dataset.words !== words) {
            this.headline.dataset.words = words;
            this.headline.replaceChildren(el("span", { class: `sign ${grade}`, "aria-hidden": "true" }, SIGNS[grade]), words);
            say(this.said, words);
        }
        keep(this.found, this.rows, found, (one) => `${one.grade}/${one.queue ?? ""}/${one.todo}`, (one) => {
            const text = el("span");
            const node = el("li", { class: one.grade }, el("span", { class: `sign ${one.grade}`, "aria-hidden": "true" }, SIGNS[one.grade]),
                el("span", {}, one.queue !== undefined && [el("a", { href: queueHref(one.queue, one.state), class: "name" },
                    name(one.queue)), " "], text, " ", el("span", { class: "todo" }, one.todo)));
            return { node, update: (now) => say(text, now.text) };
        });
    }

    figures({ stats, queues, handlers }) {
        const gauges = stats?.gauges ?? Object.fromEntries(STATES.map((state) => [state, this.page.directory.sum(state)]));
        const oldest = queues.reduce((a, b) => ((b.oldest ?? -1) > (a?.oldest ?? -1) ? b : a), null);
        this.tiles.ready.set(count(gauges.ready), `in ${many(stats?.queues ?? queues.length, "queue")}`);
        this.tiles.reserved.set(count(gauges.reserved), "in work");
        this.tiles.delayed.set(count(gauges.delayed), "not due yet");
        this.tiles.dead.set(count(gauges.dead), "failed for good", gauges.dead > 0 ? "warn" : "");
        this.tiles.oldest.set(oldest?.oldest ? age(oldest.oldest) : "–", oldest?.oldest ? `in ${oldest.queue}` : "none is ready");
        for (const word of ["memory", "store", "clients", "workers"])
            show(this.tiles[word].node, Boolean(stats));
        if (!stats)
            return;
        this.tiles.memory.set(bytes(stats.bytes), `of ${bytes(stats.max_bytes)}`, stats.bytes > 0.9 * stats.max_bytes ? "warn"
            : "");
        this.tiles.store.set(stats.store ? bytes(stats.store.disk_bytes) : "none", stats.store
            ? `${bytes(stats.store.live_bytes)} needed` : "in memory only");
        this.tiles.clients.set(count(stats.clients), many(stats.gauges.waiting_gets, "get waits", "gets wait"));
        const workers = handlers.reduce((n, handler) => n + handler.workers, 0);
        this.tiles.workers.set(count(handlers.reduce((n, handler) => n + handler.running, 0)), workers
            ? `of ${count(workers)} busy` : "none of its own");
    }

    fullest(queues) {
        const weight = (row) => row.ready + row.reserved + row.delayed + row.dead;
        const top = [...queues].filter((row) => weight(row) > 0).sort((a, b) => weight(b) - weight(a)).slice(0, TOP);
        show(this.top, top.length > 0);
        keep(this.topBody, this.topRows, top, (row) => row.queue, (row) => {
            const cells = Array.from({ length: 4 }, () => el("td", { class: "number" }));
            return { node: el("tr", {}, el("th", { scope: "row" }, queueLink(row.queue)), cells), update: (now) => {
                [now.ready, now.reserved, now.dead].forEach((n, i) => say(cells[i], count(n)));
                say(cells[3], now.oldest === null ? "–" : age(now.oldest));
            } };
        });
    }
}
