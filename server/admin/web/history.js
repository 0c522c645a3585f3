// What the daemon remembers of the last minutes and hours, as plots take it. It is asked for only when another step of it is whole.

export const RANGES = [{ label: "10 minutes", span: 600 }, { label: "1 hour", span: 3600 }, { label: "24 hours", span: 86400 }];

const COUNTS = ["put", "done", "failed"]; // jobs in a step: drawn as rates
const AGAIN_MS = 60000; // where the daemon keeps none

/** Rates a second and levels, the oldest first. What was before the daemon remembers is null: it is not known, and not nothing. */
function data(series, step, until, span) {
    const length = Math.max(2, Math.floor(span / step));
    const values = {};
    for (const [key, numbers] of Object.entries(series)) {
        const known = numbers.slice(-length).map((n) => (COUNTS.includes(key) ? n / step : n));
        values[key] = [...new Array(length - known.length).fill(null), ...known];
    }
    return { start: until - (length - 1) * step, step, values };
}

/** Of the daemon. */
export class History {
    constructor(span, names = null) {
        this.span = span;
        this.names = names;
        this.due = 0; // performance.now()
    }

    /** What to ask, if it is time to. */
    calls() {
        return performance.now() < this.due ? [] : [["history", { span: this.span, ...(this.names ? { queues: this.names } : {}) }]];
    }

    wait(outcome) {
        this.due = performance.now() + (outcome.failure ? AGAIN_MS : outcome.result.step * 1000);
    }

    /** The answer for a plot; null: there is none. */
    read(outcome) {
        this.wait(outcome);
        if (outcome.failure)
            return null;
        const { series, step, until } = outcome.result;
        return data(series, step, until, this.span);
    }
}

/** Of some queues, 100 at most. */
export class QueueHistory extends History {
    /** By the queues' names; those of which nothing is kept are not there. */
    read(outcome) {
        this.wait(outcome);
        const { queues = {}, step, until } = outcome.failure ? {} : outcome.result;
        return new Map(Object.entries(queues).filter(([, series]) => series !== null).map(([queue, series]) =>
            [queue, data(series, step, until, this.span)]));
    }
}
