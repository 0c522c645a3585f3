// One job: what it is, how it went, why it is where it is.
import { badge, el, facts, name, queueHref, queueLink, say, show } from "../dom.js";
import { button, jobActions } from "../actions.js";
import { count, duration, many, moment } from "../format.js";
import { jsonView } from "../json_view.js";

const KINDS = { ready: "one", reserved: "good", delayed: "quiet", dead: "bad", done: "good", cancelled: "quiet" };
const ENDED = ["done", "dead", "cancelled"];
const REASONS = {
    attempts: "all of its attempts failed", lost: "its consumers vanished too often", buried: "its consumer said that it cannot succeed",
    expired: "its time was up before it was done", shut_down: "its queue was shut down",
};

/** What has happened to it, as far as the daemon keeps it, the first first. */
function life(job) {
    const steps = [`Put on ${moment(job.created)}, ${duration(job.age)} ago.`];
    const failed = job.attempt - (job.state === "reserved" ? 1 : 0);
    if (job.origin !== undefined)
        steps.push(["It died in ", queueLink(job.origin), " and was moved here."]);
    if (job.deliveries > 0)
        steps.push(`Handed out ${many(job.deliveries, "time")}.`);
    if (failed > 0 && job.state !== "done")
        steps.push(`${many(failed, "attempt")} failed.`);
    if (job.lost > 0)
        steps.push(`${many(job.lost, "time")} whoever had it vanished: its connection closed, or its process ended.`);
    const now = {
        ready: () => `Ready: ${job.why}.`,
        delayed: () => `Waits: ${job.why}.`,
        reserved: () => `Reserved, attempt ${job.attempt} of ${job.max_attempts}: held by ${job.holder}, `
            + `whose lease runs for another ${duration(job.lease)}.`,
        dead: () => `Dead: ${REASONS[job.reason] ?? job.reason}.`,
        done: () => "Done.",
        cancelled: () => "Cancelled.",
    }[job.state];
    steps.push(now ? now() : job.why);
    if (job.cancelling)
        steps.push("It was cancelled; whoever has it is told to stop.");
    if (job.expires !== undefined && !ENDED.includes(job.state))
        steps.push(`It expires in ${duration(job.expires)}.`);
    return steps;
}

export class Job {
    constructor(page, id) {
        this.page = page;
        this.id = Number(id);
        this.title = `Job ${id}`;
        this.state = badge("quiet", "");
        this.life = el("ol", { class: "life" });
        this.facts = el("dl", { class: "facts" });
        this.bar = el("progress");
        this.told = el("span");
        this.progress = el("section", { class: "progress", hidden: true }, el("h2", {}, "Progress"), el("p", {}, this.bar, " ", this.told));
        this.parts = Object.fromEntries([["error", "Last error"], ["result", "Result"], ["body", "Body"]].map(([key, label]) => {
            const view = jsonView(`${label} of job ${id}`);
            return [key, { view, node: el("section", { class: "part", hidden: true }, el("h2", {}, label), view.node) }];
        }));
        this.kick = button("Retry", () => jobActions.kick(page, this.job));
        this.cancel = button("Cancel", () => jobActions.cancel(page, this.job));
        this.remove = button("Delete…", async () => {
            const { queue, state } = this.job;
            if (await jobActions.remove(page, this.job))
                location.hash = queueHref(queue, state);
        });
        this.tools = el("div", { class: "buttons" });
        this.path = el("p", { class: "path" });
        this.heading = el("h1", {}, `Job ${id} `, this.state);
        this.node = el("section", {}, this.path, el("header", { class: "head" }, this.heading, this.tools),
            el("div", { class: "columns" }, el("section", { class: "card" }, el("h2", {}, "What happened"), this.life),
                el("section", { class: "card" }, el("h2", {}, "Facts"), this.facts)),
            this.progress, this.parts.error.node, this.parts.result.node, this.parts.body.node);
    }

    get interval() {
        return this.job && ENDED.includes(this.job.state) ? 10000 : 2000;
    }

    calls() {
        return [["job", { id: Number.isSafeInteger(this.id) ? this.id : 0 }]];
    }

    update([outcome]) {
        if (this.page.missing(outcome)) {
            this.gone = true;
            this.page.absent(this.node, this.title, outcome.failure.name === "not_found"
                ? "There is no such job. One that is done goes as soon as its result is not kept any more." : outcome.failure.message);
            return;
        }
        if (this.gone) { // and is there again
            this.page.route(false);
            return;
        }
        const job = outcome.result;
        if (!this.job) {
            this.path.replaceChildren(el("a", { href: "#/queues" }, "Queues"), " / ", queueLink(job.queue), " /");
            if (this.page.may("admin", job.queue))
                this.tools.append(this.kick, this.cancel, this.remove);
            else if (this.page.may("put", job.queue))
                this.tools.append(this.cancel);
        }
        this.job = job;
        this.state.className = `badge ${KINDS[job.state]}`;
        say(this.state, job.state);
        show(this.kick, job.state === "dead" || job.state === "delayed");
        say(this.kick, job.state === "delayed" ? "Run now" : "Retry");
        show(this.cancel, !ENDED.includes(job.state) && !job.cancelling);
        this.story(job);
        facts(this.facts, [
            ["Queue", queueLink(job.queue)], ["Priority", job.priority], ["Attempt", `${count(job.attempt)} of ${count(job.max_attempts)}`],
            ["Handed out", many(job.deliveries, "time")], ["Lost", many(job.lost, "time")],
            ["Key", job.key === undefined ? null : name(job.key)],
            ["Ready in", job.due === undefined ? null : duration(job.due)],
            ["Lease", job.lease === undefined ? null : `${duration(job.lease)} left`],
            ["Held by", job.holder],
        ]);
        this.advance(job.progress);
        for (const [key, part] of Object.entries(this.parts)) {
            const text = outcome.raw(key);
            show(part.node, text !== undefined);
            if (text !== undefined)
                part.view.update(text);
        }
    }

    story(job) {
        const steps = life(job);
        const shown = JSON.stringify(steps.map((step) => (Array.isArray(step) ? step[1].textContent : step)));
        if (this.life.dataset.shown === shown)
            return;
        this.life.dataset.shown = shown;
        this.life.replaceChildren(...steps.map((step) => el("li", {}, step)));
    }

    advance(progress) {
        show(this.progress, progress !== undefined);
        if (!progress)
            return;
        const { done, total, message } = progress;
        show(this.bar, done !== undefined && total !== undefined);
        this.bar.max = total || 1;
        this.bar.value = done ?? 0;
        const words = [done === undefined ? "" : total === undefined ? count(done) : `${count(done)} of ${count(total)}`, message ?? ""];
        say(this.told, words.filter(Boolean).join(": "));
    }
}
