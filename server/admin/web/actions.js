// What can be done to a queue or a job, in one place for all views: who may, what is asked before, what is said after.
import { el, name } from "./dom.js";
import { count, many } from "./format.js";

/** How many jobs an emptying takes: those in every state but reserved, which stay with whoever has them. */
export function deletable(row) {
    return row.ready + row.delayed + row.dead + row.done;
}

function total(row) {
    return deletable(row) + row.reserved;
}

/** Fresh numbers for a question that names them: a list may be older than what it is about. The row itself if there are none. */
async function newest(page, row) {
    const [outcome] = await page.ask([["stats", { queue: row.queue }]]).catch(() => []);
    if (!outcome?.result)
        return row;
    const { ready, delayed, reserved, dead, finished } = outcome.result.gauges;
    return { ...row, ready, delayed, reserved, dead, done: finished };
}

function list(row) {
    const lines = [["ready", row.ready], ["delayed", row.delayed], ["dead", row.dead], ["finished, with their results", row.done]];
    return el("ul", {}, lines.filter(([, n]) => n > 0).map(([word, n]) => el("li", {}, `${count(n)} ${word}`)));
}

export const queueActions = {
    pause: (page, row) => page.act("pause", { queue: row.queue }, () => {
        page.directory.edit(row.queue, { paused: true });
        return `${row.queue} is paused: it gives out no jobs until it is resumed.`;
    }),

    resume: (page, row) => page.act("resume", { queue: row.queue }, () => {
        page.directory.edit(row.queue, { paused: false });
        return `${row.queue} gives out jobs again.`;
    }),

    async purge(page, old) {
        const row = await newest(page, old);
        const n = deletable(row);
        if (n === 0) {
            page.notice("good", `${row.queue} has no job that could be deleted.`);
            return null;
        }
        const sure = await page.confirm("Delete all jobs?", [
            el("p", {}, `${many(n, "job")} of `, name(row.queue, { class: "name" }), " will be gone for good:"), list(row),
            row.reserved > 0 && el("p", {}, `${many(row.reserved, "job")} that somebody is working on will stay.`),
        ], `Delete ${many(n, "job")}`);
        return sure ? page.act("delete", { queue: row.queue }, (result) => {
            page.directory.edit(row.queue, { ready: 0, delayed: 0, dead: 0, done: 0 });
            return `${many(result.count, "job")} of ${row.queue} deleted.`;
        }) : null;
    },

    async drop(page, old) {
        const row = await newest(page, old);
        const n = total(row);
        const sure = await page.confirm("Remove the queue?", [
            el("p", {}, name(row.queue, { class: "name" }), n > 0 ? ` will be gone with its settings and ${many(n, "job")}.`
                : " will be gone with its settings. It has no jobs."),
            row.reserved > 0 && el("p", {}, `${many(row.reserved, "of them is", "of them are")} being worked on now; `,
                "what comes of it will be lost."),
        ], n > 0 ? `Remove it and ${many(n, "job")}` : "Remove it");
        return sure ? page.act("drop", { queue: row.queue }, (result) => {
            page.directory.edit(row.queue, null);
            return `${row.queue} and ${many(result.count, "job")} removed.`;
        }) : null;
    },

    async retry(page, old) {
        const row = await newest(page, old);
        if (row.dead === 0) {
            page.notice("good", `${row.queue} has no dead jobs.`);
            return null;
        }
        const sure = await page.confirm("Retry all dead jobs?",
            el("p", {}, `${many(row.dead, "dead job")} of `, name(row.queue, { class: "name" }),
            " will be ready again, with all attempts to come. Past errors are forgotten."), `Retry ${many(row.dead, "job")}`);
        return sure ? page.act("kick", { queue: row.queue, state: "dead" }, (result) => {
            page.directory.edit(row.queue, { dead: 0 });
            return `${many(result.count, "job")} of ${row.queue} made ready.`;
        }) : null;
    },
};

export const jobActions = {
    kick: (page, job) => page.act("kick", { id: job.id },
        (result) => (result.count ? `Job ${job.id} is ready.` : `Job ${job.id} is neither dead nor delayed any more.`)),

    async remove(page, job) {
        const held = job.state === "reserved" ? el("p", {}, "Somebody is working on it now; what comes of it will be lost.") : null;
        const sure = await page.confirm("Delete this job?",
            [el("p", {}, `Job ${job.id} of `, name(job.queue, { class: "name" }), " will be gone for good."), held], "Delete 1 job");
        return sure ? page.act("delete", { id: job.id }, () => `Job ${job.id} deleted.`) : null;
    },

    async cancel(page, job) {
        const sure = job.state !== "reserved" || await page.confirm("Cancel a running job?",
            el("p", {}, `Whoever works on job ${job.id} is told to stop. It will not be tried again.`), "Cancel the job");
        return sure ? page.act("cancel", { id: job.id, running: true },
            (result) => (result.cancelled ? `Job ${job.id} is cancelled.` : `Job ${job.id} had ended already.`)) : null;
    },
};

/** A button that does nothing more while what it does is under way. It is not disabled then: that would lose the focus. */
export function button(text, act, attributes = {}) {
    const node = el("button", { type: "button", ...attributes, onclick: async () => {
        if (node.getAttribute("aria-busy") === "true")
            return;
        node.setAttribute("aria-busy", "true");
        try {
            await act();
        } finally {
            node.removeAttribute("aria-busy");
        }
    } }, text);
    return node;
}
