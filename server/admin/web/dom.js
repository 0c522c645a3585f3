// What every view builds its part of the page with. Text only ever becomes text: nothing here, or anywhere in the page, turns a string
// into markup, and the page's Content-Security-Policy forbids it to.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element: el("a", { href: "#/", class: "x", onclick: f }, "text", child, …). A value of null or false leaves the attribute out,
 * true gives it without a value; null and false among the children are left out.
 */
export function el(tag, attributes = {}, ...children) {
    return furnish(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
    return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on"))
            node.addEventListener(name.slice(2), value);
        else if (value !== null && value !== undefined && value !== false)
            node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return node;
}

/** Sets an element's text, only where it is another: what is selected in it, or being read out, stays. */
export function say(node, text) {
    const wanted = String(text);
    if (node.textContent !== wanted)
        node.textContent = wanted;
    return node;
}

/** Shows or hides. */
export function show(node, visible) {
    node.hidden = !visible;
    return node;
}

export function attribute(node, name, value) {
    if (value === null || value === false)
        node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value))
        node.setAttribute(name, value === true ? "" : value);
}

// What would not be seen, or would make its neighbours be seen elsewhere than they are: controls, zero widths, reversals of direction,
// lone halves of a surrogate pair.
const UNSEEN_SET = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f"
    + "\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff]";
const UNSEEN = new RegExp(UNSEEN_SET, "u");
const UNSEEN_EACH = new RegExp(UNSEEN_SET, "gu");

/** Text of others as nodes: what cannot be seen is named instead, U+202E as a mark of its own. */
export function visible(text) {
    if (!UNSEEN.test(text))
        return [text];
    const nodes = [];
    let from = 0;
    for (const found of text.matchAll(UNSEEN_EACH)) {
        nodes.push(text.slice(from, found.index));
        const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
        nodes.push(el("span", { class: "unseen" }, `U+${code}`));
        from = found.index + found[0].length;
    }
    nodes.push(text.slice(from));
    return nodes;
}

/** A name that somebody else chose, set apart so that its direction changes nothing around it. */
export function name(text, attributes = {}) {
    return el("bdi", attributes, ...visible(text));
}

/** Takes a row away. The focus, if it was in it, goes on to a neighbour: who uses the keyboard is not sent back to the top. */
function remove(node) {
    const next = node.contains(document.activeElement) ? node.nextElementSibling ?? node.previousElementSibling : null;
    node.remove();
    next?.querySelector("a, button")?.focus({ preventScroll: true });
}

/**
 * Makes a table's body show these items, one row each, in their order. Rows stay where their items do, with whatever is focused or
 * selected in them: `make(item)` gives { node, update(item) } for a new one; what stands before `behind`, and it, is left alone.
 */
export function keep(body, rows, items, key, make, behind = null) {
    const wanted = new Set(items.map(key));
    for (const [old, row] of rows)
        if (!wanted.has(old)) {
            remove(row.node);
            rows.delete(old);
        }
    let place = behind ? behind.nextSibling : body.firstChild;
    for (const item of items) {
        let row = rows.get(key(item));
        if (!row) {
            row = make(item);
            rows.set(key(item), row);
        }
        row.update(item);
        if (row.node === place)
            place = place.nextSibling;
        else
            body.insertBefore(row.node, place);
    }
}

/** Terms and what they come to, as pairs of texts. */
export function facts(node, pairs) {
    const rows = pairs.filter(([, text]) => text !== null && text !== undefined);
    const shown = JSON.stringify(rows.map(([label, text]) => [label, String(text)]));
    if (node.dataset.shown === shown)
        return;
    node.dataset.shown = shown;
    node.replaceChildren(...rows.map(([label, text]) =>
        el("div", {}, el("dt", {}, label), el("dd", {}, text instanceof Node ? text : String(text)))));
}

let last = 0;

/** An id for a label, a caption or a description to point at. */
export function fresh(word) {
    return `${word}-${++last}`;
}

// ---- where things are

export function queueHref(queue, state) {
    return `#/queue/${encodeURIComponent(queue)}${state ? `/${state}` : ""}`;
}

export function queueLink(queue, attributes = {}) {
    return el("a", { href: queueHref(queue), class: "name", ...attributes }, name(queue));
}

export function jobLink(id) {
    return el("a", { href: `#/job/${id}` }, String(id));
}

/** Shows what a queue is beside its name: paused, shut down. */
export function marks(node, { paused, shut_down }) {
    const shown = `${paused}${shut_down}`;
    if (node.dataset.shown === shown)
        return;
    node.dataset.shown = shown;
    node.replaceChildren(...(paused ? [badge("warn", "paused")] : []), ...(shut_down ? [badge("quiet", "shut down")] : []));
}

/** A state in a word, with a colour of its kind: good, warn, bad or quiet. */
export function badge(kind, text) {
    return el("span", { class: `badge ${kind}` }, text);
}
