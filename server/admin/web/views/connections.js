// Who is connected.
import { el, keep, name, say, show } from "../dom.js";
import { age, count, many } from "../format.js";
import { Sorting } from "../table.js";

const LIMIT = 500;

const COLUMNS = [
    { key: "identity", label: "Identity", value: (c) => c.identity?.name ?? "" },
    { key: "client", label: "Program", value: (c) => c.client ?? "" },
    { key: "peer", label: "From", value: (c) => c.peer },
    { key: "age", label: "Connected for", kind: "number", value: (c) => c.age, first: -1 },
    { key: "requests", label: "Requests", kind: "number", value: (c) => c.requests, first: -1 },
    { key: "waits", label: "Waiting", kind: "number", title: "Requests that wait: gets for a job, puts for room, results",
        value: (c) => c.waits, first: -1 },
];

export class Connections {
    constructor() {
        this.title = "Connections";
        this.interval = 4000;
        this.shown = [];
        this.lead = el("p", { class: "lead" });
        this.body = el("tbody");
        this.rows = new Map();
        this.sorting = new Sorting(COLUMNS, "age", () => this.draw());
        this.table = el("div", { class: "scroll" },
            el("table", { "aria-label": "Connections" }, el("thead", {}, el("tr", {}, this.sorting.heads)), this.body));
        this.node = el("section", {}, el("h1", {}, "Connections"), this.lead, this.table);
    }

    calls() {
        return [["who", { limit: LIMIT }]];
    }

    update([who]) {
        show(this.table, !who.failure);
        if (who.failure) {
            say(this.lead, `Who is connected cannot be shown: ${who.failure.message}`);
            return;
        }
        const { connections, more } = who.result;
        say(this.lead, more ? `The ${many(connections.length, "newest connection")}; there are more.`
            : `${many(connections.length, "connection")}.`);
        this.shown = connections;
        this.draw();
    }

    draw() {
        // A peer tells a connection from another, but for those over a Unix socket that a program has several of.
        const seen = new Map();
        const keyed = this.sorting.sorted(this.shown).map((connection) => {
            seen.set(connection.peer, (seen.get(connection.peer) ?? 0) + 1);
            return { ...connection, key: `${connection.peer}/${seen.get(connection.peer)}` };
        });
        keep(this.body, this.rows, keyed, (connection) => connection.key, () => {
            const cells = COLUMNS.map((column, i) =>
                el(i === 0 ? "th" : "td", { class: column.kind ?? null, scope: i === 0 ? "row" : null }));
            const texts = [["identity", 0], ["client", 1], ["peer", 2]];
            let shown = null;
            return { node: el("tr", {}, cells), update: (c) => {
                const what = JSON.stringify([c.identity, c.client, c.peer]);
                if (what !== shown) {
                    shown = what;
                    const words = { identity: c.identity ? `${c.identity.name} (${c.identity.kind})` : "–", client: c.client ?? "–",
                        peer: c.peer };
                    texts.forEach(([key, at]) => cells[at].replaceChildren(name(words[key])));
                }
                say(cells[3], age(c.age));
                say(cells[4], count(c.requests));
                say(cells[5], count(c.waits));
            } };
        });
    }
}
