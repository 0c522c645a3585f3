// JSON as text. A body comes back from the daemon byte for byte, and JSON.parse would not keep it so: 12345678901234567890 becomes
// another number, 1.0 becomes 1, a doubled member vanishes. So what people put is cut out of the reply's text and shown as it is.
// Everything here is given text that JSON.parse has taken already, and so need not look for mistakes.

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /[^ \t\n\r,\]}]+/y;

function skip(pattern, text, at) {
    pattern.lastIndex = at;
    return pattern.test(text) ? pattern.lastIndex : at;
}

/** Where the string ends that begins at `at`: behind the first quotation mark with an even number of backslashes before it. */
function stringEnd(text, at) {
    for (;;) {
        at = text.indexOf('"', at + 1);
        let backslashes = 0;
        while (text[at - 1 - backslashes] === "\\")
            backslashes++;
        if (backslashes % 2 === 0)
            return at + 1;
    }
}

/** Where the value ends that begins at `at`. Without recursion: it may be nested deeply, and long. */
function end(text, at) {
    const first = text[at];
    if (first === '"')
        return stringEnd(text, at);
    if (first !== "{" && first !== "[")
        return skip(SCALAR, text, at);
    let depth = 0;
    for (let i = at; i < text.length;) {
        const c = text[i];
        if (c === '"') {
            i = stringEnd(text, i);
            continue;
        }
        if (c === "{" || c === "[")
            depth++;
        else if ((c === "}" || c === "]") && --depth === 0)
            return i + 1;
        i++;
    }
    return text.length;
}

/** The text of an object's member, byte for byte; undefined if there is none. */
export function member(object, name) {
    let at = skip(SPACE, object, 0) + 1;
    for (;;) {
        at = skip(SPACE, object, at);
        if (object[at] === ",")
            at = skip(SPACE, object, at + 1);
        if (object[at] !== '"')
            return undefined;
        const key = end(object, at);
        const value = skip(SPACE, object, skip(SPACE, object, key) + 1);
        const after = end(object, value);
        if (JSON.parse(object.slice(at, key)) === name)
            return object.slice(value, after);
        at = after;
    }
}

/** The texts of an array's elements. */
export function elements(array) {
    const found = [];
    let at = skip(SPACE, array, skip(SPACE, array, 0) + 1);
    while (at < array.length && array[at] !== "]") {
        const after = end(array, at);
        found.push(array.slice(at, after));
        at = skip(SPACE, array, after);
        if (array[at] === ",")
            at = skip(SPACE, array, at + 1);
    }
    return found;
}

const INDENT = "  ";

/**
 * The parts of a JSON text in their order, with line breaks and indentation instead of its white space, as [kind, text] pairs:
 * "key", "string", "number", "word" or "mark". Joined without the white space they are the text without its own.
 */
export function parts(text) {
    const out = [];
    const open = [];
    let at = skip(SPACE, text, 0);
    const line = () => out.push(["mark", "\n" + INDENT.repeat(open.length)]);
    while (at < text.length) {
        const c = text[at];
        let next = at + 1;
        if (c === "{" || c === "[") {
            const inside = skip(SPACE, text, next);
            if (text[inside] === "}" || text[inside] === "]") {
                out.push(["mark", c + text[inside]]);
                next = inside + 1;
            } else {
                open.push(c);
                out.push(["mark", c]);
                line();
            }
        } else if (c === "}" || c === "]") {
            open.pop();
            line();
            out.push(["mark", c]);
        } else if (c === ",") {
            out.push(["mark", c]);
            line();
        } else if (c === ":") {
            out.push(["mark", ": "]);
        } else if (c === '"') {
            next = stringEnd(text, at);
            const key = open[open.length - 1] === "{" && text[skip(SPACE, text, next)] === ":";
            out.push([key ? "key" : "string", text.slice(at, next)]);
        } else {
            next = skip(SCALAR, text, at);
            const scalar = text.slice(at, next);
            out.push([/^[-0-9]/.test(scalar) ? "number" : "word", scalar]);
        }
        at = skip(SPACE, text, next);
    }
    return out;
}
