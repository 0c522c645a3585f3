// Is the system healthy; what is stuck, why, and what to do about it: in sentences.
//
// A finding is { grade: "bad" | "warn" | "note", text, todo, queue?, state? }; the queue's name is not in the text but stands before it,
// as a link. Rules look at what the daemon says of itself (`stats`, may be null), its queues and its handlers.
import { age, bytes, count, duration, many } from "./format.js";

// What is normal differs; these are far enough from it for an administrator to look.
const FULL = 0.9; // share of the memory for jobs
const FULLER = 0.97;
const OLD_S = 300; // a ready job older than this: consumers do not keep up
const IGNORED_S = 30; // a ready job older than this with nobody to take it
const TAKEN_S = 60; // a job was taken so recently that somebody does
const SLOW_SYNC_S = 0.1; // a write to the disk takes so long on average
const MANY = 5; // findings of one kind are named one by one up to here

function memory({ stats }) {
    if (!stats?.max_bytes)
        return [];
    const share = stats.bytes / stats.max_bytes;
    return share < FULL ? [] : [{
        grade: share < FULLER ? "warn" : "bad",
        text: `Jobs hold ${bytes(stats.bytes)} of the ${bytes(stats.max_bytes)} that they may. When that is full, puts are refused.`,
        todo: "Add consumers, delete dead jobs that nobody needs, or raise max_bytes.",
    }];
}

function disk({ stats, before }) {
    const store = stats?.store;
    const commits = store && before?.store ? store.commits - before.store.commits : 0;
    const mean = commits > 0 ? (store.sync_ns - before.store.sync_ns) / commits / 1e9 : 0;
    return mean < SLOW_SYNC_S ? [] : [{
        grade: "warn",
        text: `The disk takes ${duration(mean)} for a write, and every put and ack waits for it.`,
        todo: "Look for what else keeps the disk busy.",
    }];
}

function producers({ stats }) {
    const n = stats?.gauges.waiting_puts ?? 0;
    return n === 0 ? [] : [{
        grade: "warn",
        text: `${many(n, "producer waits", "producers wait")} because a queue is full.`,
        todo: "Add consumers to the full queue, or raise its maxsize.",
    }];
}

function leases({ stats, before }) {
    const n = stats && before ? stats.counters.lease_expired - before.counters.lease_expired : 0;
    return n <= 0 ? [] : [{
        grade: "warn",
        text: `${many(n, "lease")} ran out in the last minutes: consumers took jobs and did not finish them in time.`,
        todo: "Raise the queue's lease, have consumers renew it, or look at why they are slow.",
    }];
}

function guesses({ stats, before }) {
    const n = stats && before ? stats.auth_failures - before.auth_failures : 0;
    return n <= 0 ? [] : [{
        grade: "warn",
        text: `${many(n, "wrong token")} in the last minutes.`,
        todo: "The daemon's log says from where. A client may have an old token, or somebody is guessing.",
    }];
}

function paused({ queues }) {
    return queues.filter((q) => q.paused && q.ready > 0).map((q) => ({
        grade: "warn", queue: q.queue, state: "ready", size: q.ready,
        text: `is paused, and ${many(q.ready, "job waits", "jobs wait")} in it.`,
        todo: "Resume it when its jobs may run.",
    }));
}

/** Queues from which nobody seems to take, the fullest first: what the daemon remembers of them may say otherwise (`lively`). */
export function suspects(queues) {
    return queues.filter((q) => !q.paused && q.ready > 0 && q.waiters === 0 && q.reserved === 0 && q.oldest > IGNORED_S
        && !(q.idle < TAKEN_S)).sort((a, b) => b.ready - a.ready);
}

function ignored({ queues, lively }) {
    return suspects(queues).filter((q) => !lively.has(q.queue)).map((q) => ({
        grade: "bad", queue: q.queue, state: "ready", size: q.ready,
        text: `has ${many(q.ready, "job")} ready and no consumer. The oldest waits for ${age(q.oldest)}.`,
        todo: q.shut_down ? "It is shut down. Let a consumer finish it, or remove it." : "Start a consumer for it.",
    }));
}

function late({ queues, handlers, lively }) {
    return queues.filter((q) => !q.paused && q.ready > 0 && q.oldest > OLD_S
        && (q.reserved > 0 || q.waiters > 0 || q.idle < TAKEN_S || lively.has(q.queue))).map((q) => {
        const busy = handlers.find((h) => h.queues.includes(q.queue) && h.running >= h.workers);
        return {
            grade: "warn", queue: q.queue, state: "ready", size: q.ready,
            text: `falls behind: ${many(q.ready, "job")} ready, the oldest for ${age(q.oldest)}, ${count(q.reserved)} being worked on.`,
            todo: busy ? `The handler ${busy.handler} has ${many(busy.workers, "worker")} and none to spare: give it more.`
                : "Add consumers, or see what holds up those that it has.",
        };
    });
}

function dead({ queues }) {
    return queues.filter((q) => q.dead > 0).map((q) => ({
        grade: "note", queue: q.queue, state: "dead", size: q.dead,
        text: `has ${many(q.dead, "dead job: it", "dead jobs: they")} failed for good.`,
        todo: "Look at what went wrong, then retry or delete.",
    }));
}

function draining({ handlers }) {
    return handlers.filter((h) => h.state !== "running").map((h) => ({
        grade: "note", text: `The handler ${h.handler} is ${h.state}: it takes no more jobs.`, todo: "It goes when what it runs is done.",
    }));
}

const DAEMON = [memory, disk, producers, leases, guesses, draining];
// of each queue, and what is said of those that are not named one by one
const QUEUES = [
    [ignored, (n, jobs) => `${many(n, "more queue")} with ${many(jobs, "job")} that nobody takes.`],
    [late, (n, jobs) => `${many(n, "more queue falls", "more queues fall")} behind, with ${many(jobs, "ready job")}.`],
    [paused, (n, jobs) => `${many(n, "more paused queue")} with ${many(jobs, "job")}.`],
    [dead, (n, jobs) => `${many(n, "more queue")} with ${many(jobs, "dead job")}.`],
];
const GRADES = ["bad", "warn", "note"];

/**
 * What there is to say, the worst first. `facts`: { stats, before, queues, handlers, lively }; `before` are stats of some minutes ago,
 * `lively` the names of queues of which jobs were done in the last minutes.
 */
export function findings(facts) {
    const found = DAEMON.flatMap((rule) => rule(facts));
    for (const [rule, rest] of QUEUES) {
        const all = rule(facts).sort((a, b) => b.size - a.size);
        found.push(...all.slice(0, MANY));
        const others = all.slice(MANY);
        if (others.length > 0)
            found.push({ grade: others[0].grade, text: rest(others.length, others.reduce((n, one) => n + one.size, 0)),
                todo: "The list of queues shows them all." });
    }
    return found.sort((a, b) => GRADES.indexOf(a.grade) - GRADES.indexOf(b.grade));
}

/** All of it in a few words, and its grade. */
export function verdict(found) {
    const bad = found.filter((one) => one.grade === "bad").length;
    const warn = found.filter((one) => one.grade === "warn").length;
    if (bad > 0)
        return ["bad", `Something is stuck: ${many(bad, "thing")} to act on`];
    if (warn > 0)
        return ["warn", `Running, with ${many(warn, "thing")} to look at`];
    return ["good", "Healthy: jobs flow, nothing is stuck"];
}
