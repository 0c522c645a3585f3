// What the daemon remembers of the last minutes and hours, as plots take it.

export const RANGES = [{ label: "5 minutes", span: 300 }, { label: "1 hour", span: 3600 }];

/** Of all queues, or of one. */
export function historyCall(range, queue = undefined) {
    return ["history", { span: range.span, ...(queue === undefined ? {} : { queue }) }];
}

/** Rates a second and numbers of jobs, oldest first. */
export function historyOf({ start, step, ...values }) {
    return { start, step, values };
}

/** Jobs done a second of the queues that are shown, for their sparklines. */
export function sparkCall(queues) {
    return ["history", { span: RANGES[0].span, queues }];
}

/** By the queue's name; none where the daemon does not say. */
export function sparksOf(outcome) {
    return new Map(outcome.failure ? [] : outcome.result.queues.map((one) => [one.queue, one.done]));
}
