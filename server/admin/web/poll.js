// When the daemon is asked: one batch a round, a pause between rounds that grows with what a round costs, none while nobody looks, and
// again by itself, ever less often, while there is no daemon.
import { ask } from "./rpc.js";

// A round may take this share of the time at most, whoever spends it: the daemon, the network or the browser.
const SHARE = 0.05;
const RETRY_MS = [1000, 2000, 4000, 8000, 15000];

/** Calls `source.calls()` for what to ask, then `source.answered(outcomes)` or `source.failed(failure, ms)`: when it tries again. */
export class Poll {
    constructor(source) {
        this.source = source;
        this.timer = null;
        this.running = null; // an AbortController while a round is under way
        this.failures = 0;
        this.paused = false;
        document.addEventListener("visibilitychange", () => this.wake());
        window.addEventListener("online", () => this.wake());
    }

    /** A new view, or something was done: asks at once. A round under way is given up. */
    now() {
        this.running?.abort();
        this.running = null;
        this.wait(0);
    }

    stop() {
        this.running?.abort();
        this.running = null;
        clearTimeout(this.timer);
        this.timer = null;
    }

    pause(paused) {
        this.paused = paused;
        clearTimeout(this.timer);
        if (!paused)
            this.now();
    }

    wake() {
        if (document.visibilityState === "visible" && this.timer !== null && !this.paused)
            this.now();
    }

    wait(ms) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.round(), ms);
    }

    async round() {
        if (document.visibilityState === "hidden" && this.failures === 0 && this.source.begun())
            return; // visibilitychange goes on
        const running = new AbortController();
        this.running = running;
        const began = performance.now();
        try {
            const outcomes = await ask(this.source.calls(), { leave: running.signal });
            if (running.signal.aborted)
                return;
            this.failures = 0;
            await this.source.answered(outcomes, running.signal);
            if (running.signal.aborted) // what it showed made it ask anew
                return;
        } catch (failure) {
            if (running.signal.aborted)
                return;
            if (!failure.name || failure.name === "TypeError" || failure.name === "ReferenceError")
                console.error(failure);
            const ms = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
            if (this.source.failed(failure, ms))
                this.wait(ms);
            return;
        } finally {
            if (this.running === running)
                this.running = null;
        }
        const took = performance.now() - began;
        if (this.paused)
            clearTimeout(this.timer);
        else
            this.wait(Math.max(this.source.interval(), took / SHARE));
    }
}
