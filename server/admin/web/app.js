// The page: which view is shown, what it asks the daemon, and what becomes of the answers.
import * as access from "./access.js";
import { Directory } from "./directory.js";
import { Poll } from "./poll.js";
import { ask, call, tokenGiven } from "./rpc.js";
import * as shell from "./shell.js";
import { Connections } from "./views/connections.js";
import { Job } from "./views/job.js";
import { Overview } from "./views/overview.js";
import { Pool } from "./views/pool.js";
import { Queue } from "./views/queue.js";
import { Queues } from "./views/queues.js";
import { SignIn } from "./views/sign_in.js";
import { el } from "./dom.js";

// The first word behind #/ and what it shows. A view is an object with
//   node         its part of the page
//   title        what the window is called
//   interval     milliseconds between two rounds at least
//   directory    true: it needs the list of all queues
//   calls()      what to ask in a round, [[method, params], …]
//   update(outcomes)  shows what came, in the same order
const VIEWS = {
    "": [Overview, "#/"],
    "queues": [Queues, "#/queues"],
    "queue": [Queue, "#/queues"],
    "job": [Job, "#/queues"],
    "pool": [Pool, "#/pool"],
    "connections": [Connections, "#/connections"],
};
const BEGIN_AGAIN_MS = 2000;
const ACTION_PATIENCE_MS = 10 * 60 * 1000; // a queue of many millions is emptied in slices, and that takes a while

class Page {
    constructor() {
        this.directory = new Directory();
        this.view = null;
        this.asked = 0;
        this.again = null; // the timer of begin()
        this.mark = shell.navigation([["#/", "Overview"], ["#/queues", "Queues"], ["#/pool", "Pool"], ["#/connections", "Connections"]]);
        this.poll = new Poll(this);
        shell.furnish((paused) => {
            this.poll.pause(paused);
            shell.connected("quiet", paused ? "Held" : "Connecting");
        });
        window.addEventListener("hashchange", () => this.route(true));
        document.querySelector(".find").addEventListener("submit", (event) => {
            event.preventDefault();
            this.find(event.target.elements.what);
        });
    }

    async begin() {
        clearTimeout(this.again);
        try {
            shell.about(await access.learn());
        } catch (failure) {
            if (this.failed(failure, BEGIN_AGAIN_MS))
                this.again = setTimeout(() => this.begin(), BEGIN_AGAIN_MS);
            return;
        }
        shell.banner(null);
        this.identified();
        this.route(false);
    }

    identified() {
        const leave = () => {
            access.forget();
            this.identified();
            this.signIn(null);
        };
        shell.known(access.who(), access.described(), tokenGiven() === null ? null : leave);
    }

    /** Shows what the address says. */
    route(moved) {
        const words = location.hash.replace(/^#\/?/, "").split("/").map((word) => {
            try {
                return decodeURIComponent(word);
            } catch (error) {
                return word;
            }
        });
        const [View, href] = VIEWS[words[0]] ?? VIEWS[""];
        if (this.view instanceof SignIn && tokenGiven() === null && this.view.needed)
            return; // it shows what the address says once it is told
        this.mark(href);
        this.show(new View(this, ...words.slice(1)), moved);
    }

    show(view, moved) {
        this.view?.leave?.();
        this.view = view;
        shell.main.replaceChildren(view.node);
        this.titled();
        if (moved) {
            window.scrollTo(0, 0);
            const heading = view.node.querySelector("h1");
            heading?.setAttribute("tabindex", "-1");
            heading?.focus();
        }
        if (view.calls)
            this.poll.now();
        else
            this.poll.stop();
    }

    titled() {
        document.title = this.view.title ? `${this.view.title} – taskq` : "taskq";
    }

    signIn(why) {
        shell.banner(null);
        shell.connected("quiet", "Signed out");
        this.show(new SignIn(why, () => {
            this.view = null;
            this.directory = new Directory();
            this.identified();
            this.route(true);
        }), true);
    }

    find(field) {
        const what = field.value.trim();
        if (what === "")
            return;
        field.value = "";
        location.hash = /^\d+$/.test(what) ? `#/job/${what}` : `#/queue/${encodeURIComponent(what)}`;
    }

    // ---- the poll's source

    begun() {
        return this.view?.begun ?? false;
    }

    interval() {
        return this.view.interval ?? 3000;
    }

    calls() {
        const own = this.view.calls();
        const list = this.view.directory ? this.directory.calls() : [];
        this.asked = own.length;
        return [...own, ...list];
    }

    async answered(outcomes, leave) {
        const stranger = outcomes.find((outcome) => outcome.failure?.name === "unauthorized");
        if (stranger)
            throw stranger.failure;
        shell.banner(outcomes.some((outcome) => outcome.failure?.name === "draining") ? "The daemon is stopping: it takes no more jobs."
            : null);
        shell.connected("good", this.poll.paused ? "Held" : "Connected");
        this.view.begun = true;
        const view = this.view;
        const own = outcomes.slice(0, this.asked);
        view.update(own);
        if (view.directory) {
            await this.directory.answered(outcomes.slice(this.asked), leave, () => view.update(own));
            view.update(own);
        }
        this.titled();
    }

    /** Whether to try again. */
    failed(failure, ms) {
        if (failure.name === "unauthorized") {
            const given = tokenGiven() !== null;
            access.forget();
            this.identified();
            this.signIn(given ? "The daemon does not know this token any more." : null);
            return false;
        }
        shell.connected("bad", "No connection");
        shell.banner(`${failure.message} Trying again in ${Math.round(ms / 1000)} s.`,
            ["Try now", () => (this.view ? this.poll.now() : this.begin())]);
        return true;
    }

    // ---- what people do

    may(role, queue) {
        return access.may(role, queue);
    }

    mayEverywhere(role) {
        return access.mayEverywhere(role);
    }

    /** Carries out one method, and says how it went. `done(result)` words the message. Gives the result, or null. */
    async act(method, params, done) {
        try {
            const { result } = await call(method, params, { patience: ACTION_PATIENCE_MS });
            shell.notice("good", done(result));
            this.directory.due = 0;
            return result;
        } catch (failure) {
            shell.notice("bad", failure.message);
            return null;
        } finally {
            this.poll.now();
        }
    }

    async ask(calls) {
        return ask(calls);
    }

    confirm(title, text, action) {
        return shell.confirm(title, text, action);
    }

    notice(kind, text) {
        shell.notice(kind, text);
    }

    /** Whether what a view is about is not there, or not to be seen. Throws what may be otherwise in a moment. */
    missing(outcome) {
        if (outcome.failure && !["not_found", "forbidden", "invalid_params"].includes(outcome.failure.name))
            throw outcome.failure;
        return outcome.failure !== null;
    }

    /** What stands instead of a view whose thing is not there, or may not be seen. */
    absent(node, title, text) {
        node.replaceChildren(el("h1", {}, title), el("p", {}, text), el("p", {}, el("a", { href: "#/queues" }, "All queues")));
    }
}

new Page().begin();
