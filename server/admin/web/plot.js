// Lines over time, as SVG: plots with axes, whose values can be read with a pointer, with the keyboard and as a table, and sparklines.
//
// What is drawn is { start, step, values: { key: [number or null, …] } }: Unix seconds of the first value, seconds between values. null
// is a moment of which nothing is known, and a gap in the line.
import { attribute, el, fresh, keep, say, show, svg } from "./dom.js";
import { clock, moment, rate } from "./format.js";

const HEIGHT = 176;
const MARGIN = { left: 44, right: 12, top: 10, bottom: 22 };
const TIMES = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** The smallest of 1, 2, 5, 10, 20, … that is not below: an axis in steps of it has round numbers. */
function round(x) {
    const power = 10 ** Math.floor(Math.log10(x));
    return power * [1, 2, 5, 10].find((n) => n * power >= x * 0.999999);
}

function highest(data, series) {
    let most = 0;
    for (const { key } of series)
        for (const value of data.values[key] ?? [])
            most = Math.max(most, value ?? 0);
    return most;
}

/** A piece of line for the legend. */
function key() {
    return svg("svg", { class: "key", "aria-hidden": "true" }, svg("line", { x1: 0, x2: 18, y1: 5, y2: 5 }));
}

/** A line's path through (x(i), y(value)), begun anew behind each gap. */
function path(values, x, y) {
    let d = "";
    let pen = false;
    values.forEach((value, i) => {
        if (value !== null)
            d += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
        if (value !== null && !pen && (values[i + 1] ?? null) === null)
            d += "h.1"; // a lone one is a dot
        pen = value !== null;
    });
    return d;
}

/**
 * `series`: [{ key, label, kind }], kind being the class that gives the line its colour; `format` writes a value; `whole` if it is a
 * number of things.
 */
export class Plot {
    constructor(title, series, format, whole = false) {
        this.series = series;
        this.format = format;
        this.whole = whole;
        this.data = null;
        this.at = null; // the value that is being read; null: the newest
        this.title = title;
        this.lines = svg("g");
        this.axes = svg("g", { class: "axes" });
        this.mark = svg("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
        this.dots = svg("g");
        this.drawing = svg("svg", { height: HEIGHT, "aria-hidden": "true", focusable: "false" }, this.axes, this.lines, this.mark,
            this.dots);
        this.values = series.map(() => el("output", {}));
        this.when = el("span", { class: "when" });
        const legend = el("ul", { class: "legend" }, series.map((one, i) =>
            el("li", { class: one.kind }, key(), `${one.label} `, this.values[i])));
        const caption = fresh("plot");
        this.summary = el("span", { class: "unheard" });
        this.reader = el("div", {
            class: "reader", tabindex: "0", role: "slider", "aria-labelledby": caption, "aria-valuemin": "0",
            onkeydown: (event) => this.key(event), onpointermove: (event) => this.point(event), onpointerdown: (event) => this.point(event),
            onpointerleave: () => this.read(null), onblur: () => this.read(null),
        }, this.drawing);
        this.table = el("tbody");
        this.rows = new Map();
        this.details = el("details", { ontoggle: () => this.tabulate() }, el("summary", {}, "Values"),
            el("div", { class: "scroll", tabindex: "0" },
            el("table", {}, el("caption", { class: "unheard" }, title), el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"),
                series.map((one) => el("th", { scope: "col", class: "number" }, one.label)))), this.table)));
        this.node = el("figure", { class: "plot" },
            el("figcaption", {}, el("h2", { id: caption }, title), legend, this.when, this.summary), this.reader, this.details);
        this.width = 0;
        new ResizeObserver(([entry]) => {
            if (Math.round(entry.contentRect.width) !== this.width) {
                this.width = Math.round(entry.contentRect.width);
                this.draw();
            }
        }).observe(this.reader);
    }

    update(data) {
        this.data = data;
        if (this.at !== null)
            this.at = Math.min(this.at, this.last());
        this.draw();
        this.tabulate();
    }

    last() {
        return Math.max(0, this.data.values[this.series[0].key].length - 1);
    }

    x(i) {
        return MARGIN.left + (this.width - MARGIN.left - MARGIN.right) * (this.last() ? i / this.last() : 1);
    }

    y(value) {
        return HEIGHT - MARGIN.bottom - (HEIGHT - MARGIN.top - MARGIN.bottom) * value / this.top;
    }

    draw() {
        if (!this.data || this.width < 80)
            return;
        attribute(this.drawing, "viewBox", `0 0 ${this.width} ${HEIGHT}`);
        attribute(this.drawing, "width", this.width);
        const most = highest(this.data, this.series);
        const step = Math.max(round((most || 1) / 4), this.whole ? 1 : 0);
        this.top = Math.max(step, Math.ceil(most / step - 1e-9) * step);
        this.axes.replaceChildren(...this.ticksY(step), ...this.ticksX());
        this.lines.replaceChildren(...this.series.map(({ key, kind }) =>
            svg("path", { class: `line ${kind}`, d: path(this.data.values[key], (i) => this.x(i), (value) => this.y(value)) })));
        if (this.series.every(({ key }) => this.data.values[key].every((value) => value === null)))
            this.lines.append(svg("text", { x: this.width / 2, y: HEIGHT / 2, "text-anchor": "middle" },
                "The first values come within half a minute"));
        this.read(this.at);
        say(this.summary, this.described(most));
    }

    ticksY(step) {
        const ticks = [];
        for (let value = 0; value <= this.top * 1.0001; value += step) {
            const y = this.y(value);
            ticks.push(svg("line", { class: value === 0 ? "base" : "grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y }),
                svg("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, this.format(value)));
        }
        return ticks;
    }

    ticksX() {
        const { start, step } = this.data;
        const span = this.last() * step;
        const room = Math.max(2, Math.floor((this.width - MARGIN.left) / 72));
        const apart = TIMES.find((seconds) => span / seconds <= room) ?? 86400;
        const zone = new Date(start * 1000).getTimezoneOffset() * 60; // round times are round on the reader's clock
        const ticks = [];
        for (let time = Math.ceil((start - zone) / apart) * apart + zone; time <= start + span; time += apart) {
            const x = this.x((time - start) / step);
            if (x > this.width - 24)
                break;
            ticks.push(svg("line", { class: "tick", x1: x, x2: x, y1: HEIGHT - MARGIN.bottom, y2: HEIGHT - MARGIN.bottom + 4 }),
                svg("text", { x, y: HEIGHT - 5, "text-anchor": "middle" }, clock(time, apart < 60)));
        }
        return ticks;
    }

    /** Shows what was at the i-th moment; null: the newest. */
    read(i) {
        this.at = i;
        if (!this.data)
            return;
        const at = i ?? this.last();
        const time = this.data.start + at * this.data.step;
        const texts = this.series.map(({ key }) => this.written(this.data.values[key][at]));
        this.series.forEach((one, n) => say(this.values[n], texts[n]));
        say(this.when, i === null ? "now" : clock(time, true));
        attribute(this.mark, "visibility", i === null ? "hidden" : "visible");
        attribute(this.mark, "x1", this.x(at));
        attribute(this.mark, "x2", this.x(at));
        this.dots.replaceChildren(...(i === null ? []
            : this.series.filter(({ key }) => (this.data.values[key][at] ?? null) !== null).map(({ key, kind }) =>
            svg("circle", { class: `dot ${kind}`, r: 3.5, cx: this.x(at), cy: this.y(this.data.values[key][at]) }))));
        attribute(this.reader, "aria-valuemax", this.last());
        attribute(this.reader, "aria-valuenow", at);
        attribute(this.reader, "aria-valuetext",
            `${clock(time, true)}: ${this.series.map((one, n) => `${one.label} ${texts[n]}`).join(", ")}`);
    }

    written(value) {
        return (value ?? null) === null ? "–" : this.format(value);
    }

    point(event) {
        if (!this.data || this.width < 80)
            return;
        const inside = event.clientX - this.reader.getBoundingClientRect().left - MARGIN.left;
        const share = inside / (this.width - MARGIN.left - MARGIN.right);
        this.read(Math.max(0, Math.min(this.last(), Math.round(share * this.last()))));
    }

    key(event) {
        if (!this.data)
            return;
        const at = this.at ?? this.last();
        const page = Math.max(1, Math.round(this.last() / 10));
        const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - page, PageUp: at + page,
            Home: 0, End: this.last() }[event.key];
        if (to === undefined)
            return;
        event.preventDefault();
        this.read(Math.max(0, Math.min(this.last(), to)));
    }

    /** The plot in a sentence, for who does not see it. */
    described(most) {
        const { start, step, values } = this.data;
        const now = this.series.map(({ key, label }) => `${label} ${this.written(values[key][this.last()])}`).join(", ");
        const [from, to] = [start, start + this.last() * step].map((time) => clock(time, step < 60));
        return `From ${from} to ${to}. Now ${now}. Highest ${this.format(most)}.`;
    }

    tabulate() {
        if (!this.details.open || !this.data)
            return;
        const { start, step, values } = this.data;
        const moments = values[this.series[0].key].map((value, i) => i).reverse();
        keep(this.table, this.rows, moments, (i) => start + i * step, (i) => {
            const cells = this.series.map(() => el("td", { class: "number" }));
            const node = el("tr", {}, el("th", { scope: "row" }, moment(start + i * step)), cells);
            return { node, update: (now) => this.series.forEach(({ key }, n) => say(cells[n], this.written(this.data.values[key][now]))) };
        });
    }
}

/** What goes through a queue, or all of them. */
export function ratesPlot() {
    return new Plot("Jobs per second", [
        { key: "put", label: "put", kind: "one" },
        { key: "done", label: "done", kind: "two" },
        { key: "failed", label: "failed", kind: "three" },
    ], rate);
}

/** Draws plots of the same data, or shows none where there is none. */
export function showPlots(section, plots, data) {
    show(section, data !== null);
    if (data)
        plots.forEach((plot) => plot.update(data));
}

const SPARK = { width: 96, height: 22 };

/** A line so small that it stands in a table's row. `text(values)` says it in words. */
export class Spark {
    constructor(kind, text) {
        this.text = text;
        this.line = svg("path", { class: `line ${kind}` });
        this.node = svg("svg", { class: "spark", role: "img", width: SPARK.width, height: SPARK.height,
            viewBox: `0 0 ${SPARK.width} ${SPARK.height}` }, this.line);
    }

    update(values) {
        const most = values.reduce((a, b) => Math.max(a, b ?? 0), 0) || 1;
        attribute(this.line, "d", path(values, (i) => 1 + (SPARK.width - 2) * i / Math.max(1, values.length - 1),
            (value) => SPARK.height - 2 - (SPARK.height - 4) * value / most));
        attribute(this.node, "aria-label", this.text(values));
    }
}
