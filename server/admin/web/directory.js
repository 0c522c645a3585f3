// All queues with their counts, as the daemon lists them, for what has to know of every one: sorting, filtering, and finding those that
// are stuck. Ten thousand are ten pages, read one behind the other and then not again for a while.
import { ask } from "./rpc.js";

const PAGE = 1000;
const SHARE = 0.03; // of the time that may go into reading the list
const USUAL_MS = 5000;
const SAME_S = 2; // two readings of one age differ by less

export class Directory {
    constructor() {
        this.queues = [];
        this.complete = false; // read to its end at least once
        this.heads = new Map(); // by queue: when its oldest ready job was put, and when that was last another one
        this.due = 0; // performance.now() at which it is to be read again
    }

    /** The beginning of a new reading if it is time for one, for the batch of a round. */
    calls() {
        return performance.now() >= this.due ? [["queues", { limit: PAGE }]] : [];
    }

    /** What the first page brought; reads the others behind it. `heard` is called as more is known while nothing is yet. */
    async answered([first], leave, heard) {
        if (!first)
            return;
        if (first.failure)
            throw first.failure;
        const began = performance.now();
        const found = [...first.result.queues];
        let next = first.result.next;
        while (next !== null) {
            if (!this.complete) {
                this.queues = found;
                heard();
            }
            const [page] = await ask([["queues", { limit: PAGE, after: next }]], { leave });
            if (page.failure)
                throw page.failure;
            found.push(...page.result.queues);
            next = page.result.next;
        }
        const now = performance.now();
        this.notice(found, now);
        this.queues = found;
        this.complete = true;
        this.due = now + Math.max(USUAL_MS, (now - began) / SHARE);
    }

    /**
     * Sees from one reading to the next whether the oldest ready job of a queue was taken: consumers that come and go are not seen
     * otherwise.
     */
    notice(found, now) {
        const heads = new Map();
        for (const row of found) {
            const put = row.oldest === null ? null : now / 1000 - row.oldest;
            const old = this.heads.get(row.queue);
            const taken = old && old.put !== null && (put === null || put > old.put + SAME_S);
            const last = taken ? now : (old?.last ?? -Infinity);
            heads.set(row.queue, { put, last });
            row.idle = (now - last) / 1000; // seconds since one was seen to be taken
        }
        this.heads = heads;
    }

    /** What was just done to a queue shows at once, before the list is read again. null: it is gone. */
    edit(queue, change) {
        const at = this.queues.findIndex((row) => row.queue === queue);
        if (at >= 0 && change === null)
            this.queues.splice(at, 1);
        else if (at >= 0)
            Object.assign(this.queues[at], change);
        this.due = 0;
    }

    sum(name) {
        return this.queues.reduce((total, row) => total + row[name], 0);
    }
}
