// What may be done here, as the daemon says of the token that it was given. The daemon decides anyway; this only keeps the page from
// offering what would be refused.
import { Failure, call, giveToken, tokenGiven } from "./rpc.js";

const access = {
    identity: null, // { kind, name }
    grants: null, // null: everything
};

/**
 * Asks the daemon what it is and who the tab is for it; gives what it says of itself. Throws a Failure named "unauthorized" where it wants
 * a token and has none that it knows.
 */
export async function learn() {
    const { result } = await call("hello", { client: "the page" });
    access.identity = result.identity ?? null;
    access.grants = result.grants ?? null;
    if (access.grants !== null && access.identity === null)
        throw new Failure("unauthorized", tokenGiven() === null ? "" : "The daemon does not know this token any more.");
    return result;
}

export function forget() {
    giveToken(null);
    access.identity = access.grants = null;
}

export function who() {
    return access.identity;
}

/** `*` stands for any run, everything else for itself. */
export function matches(pattern, queue) {
    const pieces = pattern.split("*");
    if (pieces.length === 1)
        return pattern === queue;
    const last = pieces.pop();
    let at = pieces[0].length;
    if (!queue.startsWith(pieces[0]) || !queue.endsWith(last))
        return false;
    for (const piece of pieces.slice(1)) {
        at = queue.indexOf(piece, at);
        if (at < 0)
            return false;
        at += piece.length;
    }
    return at <= queue.length - last.length;
}

export function may(role, queue) {
    return access.grants === null || access.grants.some((grant) => grant.roles.includes(role) && matches(grant.pattern, queue));
}

/** On all queues there can be: what concerns the daemon as a whole. */
export function mayEverywhere(role) {
    return access.grants === null || access.grants.some((grant) => grant.roles.includes(role) && /^\*+$/.test(grant.pattern));
}

/** In words, a grant each. */
export function described() {
    const words = (access.grants ?? []).map(({ pattern, roles }) =>
        `${roles.join(", ") || "nothing"} on ${pattern === "*" ? "all queues" : pattern}`);
    return words.length > 0 ? words : ["nothing"];
}
