// The daemon's methods, over POST /rpc: many requests, one batch, one answer. Nothing here knows of the page.
import { elements, member } from "./json.js";

const TOKEN = "taskq.token";
const PATIENCE_MS = 20000;

let token = null;

/** The token that this tab was given. It goes with the tab: nothing of it is kept anywhere else. */
export function tokenGiven() {
    token ??= sessionStorage.getItem(TOKEN);
    return token;
}

export function giveToken(text) {
    token = text;
    if (text === null)
        sessionStorage.removeItem(TOKEN);
    else
        sessionStorage.setItem(TOKEN, text);
}

/** What went wrong: `name` is the protocol's, or "gone", "slow" or "http" where no daemon answered as it should. */
export class Failure extends Error {
    constructor(name, message, data = {}) {
        super(message);
        this.name = name;
        this.data = data;
    }
}

/** One reply of a batch: `result`, or `failure`. */
class Outcome {
    constructor(reply, text) {
        this.result = reply.result;
        this.failure = reply.error ? new Failure(reply.error.data?.name ?? "internal_error", reply.error.message, reply.error.data) : null;
        this.text = text;
    }

    /** The text of a member of the result, byte for byte; undefined if it is not there. */
    raw(name) {
        return member(member(this.text(), "result"), name);
    }
}

async function post(body, signal) {
    const headers = { "Content-Type": "application/json" };
    if (tokenGiven() !== null)
        headers.Authorization = `Bearer ${tokenGiven()}`;
    let answer;
    let text;
    try {
        answer = await fetch("rpc", { method: "POST", headers, body, signal, cache: "no-store", credentials: "same-origin", redirect: "error" });
        text = await answer.text();
    } catch (error) {
        if (signal.aborted)
            throw signal.reason;
        throw new Failure("gone", "The daemon cannot be reached. It may be stopped, or starting anew.");
    }
    try {
        return [JSON.parse(text), text];
    } catch (error) {
        if (answer.status === 401)
            throw new Failure("unauthorized", "The daemon wants to know who you are.");
        throw new Failure("http", `The daemon's answer cannot be read (HTTP ${answer.status}).`);
    }
}

/**
 * Asks all of `calls`, each [method, params], in one batch. Gives their outcomes in the same order, and throws a Failure where there is no
 * answer at all. `leave` ends it early, `patience` is in milliseconds.
 */
export async function ask(calls, { leave = null, patience = PATIENCE_MS } = {}) {
    if (calls.length === 0)
        return [];
    const controller = new AbortController();
    const slow = setTimeout(() => controller.abort(new Failure("slow",
        `The daemon has not answered for ${patience / 1000} seconds. It may be overloaded.`)), patience);
    const left = () => controller.abort(leave.reason);
    leave?.addEventListener("abort", left);
    if (leave?.aborted)
        left();
    try {
        const body = JSON.stringify(calls.map(([method, params = {}], id) => ({ jsonrpc: "2.0", id, method, params })));
        const [replies, text] = await post(body, controller.signal);
        if (!Array.isArray(replies)) // one error for all of it
            throw new Failure(replies?.error?.data?.name ?? "http", replies?.error?.message ?? "The daemon's answer is no reply.");
        let texts = null;
        const outcomes = [];
        replies.forEach((reply, at) => {
            outcomes[reply.id] = new Outcome(reply, () => (texts ??= elements(text))[at]);
        });
        return calls.map((call, id) => outcomes[id] ?? new Outcome({ error: { message: `No answer to ${call[0]}.` } }, () => "{}"));
    } finally {
        clearTimeout(slow);
        leave?.removeEventListener("abort", left);
    }
}

/** Asks one thing, and gives its outcome or throws its Failure. */
export async function call(method, params, options) {
    const [outcome] = await ask([[method, params]], options);
    if (outcome.failure)
        throw outcome.failure;
    return outcome;
}
