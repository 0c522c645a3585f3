// Shows a JSON text that somebody put: indented and coloured, or byte for byte as it came.
import { attribute, el, say, visible } from "./dom.js";
import { bytes } from "./format.js";
import { parts } from "./json.js";

const MOST = 50000; // characters that are laid out at once; a browser takes long over more
const utf8 = new TextEncoder();

function pretty(text) {
    const nodes = [];
    for (const [kind, part] of parts(text))
        if (kind === "mark")
            nodes.push(part);
        else
            nodes.push(el("span", { class: `json-${kind}` }, ...visible(part)));
    return nodes;
}

/** `label` names it for who cannot see where it stands. */
export function jsonView(label) {
    let text = null;
    let all = false;
    let laid = true; // out in lines
    const code = el("code");
    const box = el("pre", { class: "json", tabindex: "0", role: "region", "aria-label": label }, code);
    const size = el("span", { class: "quiet" });
    const form = el("button", { type: "button", class: "plain", onclick: () => {
        laid = !laid;
        draw();
    } });
    const copy = el("button", { type: "button", class: "plain", onclick: async () => {
        try {
            await navigator.clipboard.writeText(text);
            say(copy, "Copied");
        } catch (error) {
            getSelection().selectAllChildren(code);
            say(copy, "Selected: copy it with the keyboard");
        }
        setTimeout(() => say(copy, "Copy"), 3000);
    } }, "Copy");
    const rest = el("button", { type: "button", onclick: () => {
        all = true;
        draw();
    } });

    function draw() {
        const cut = !all && text.length > MOST;
        code.replaceChildren(...(laid && text.length <= MOST ? pretty(text) : visible(cut ? text.slice(0, MOST) : text)));
        rest.hidden = !cut;
        say(rest, `Show all ${bytes(utf8.encode(text).length)}`);
        form.hidden = text.length > MOST;
        say(form, laid ? "As it came" : "Laid out");
        attribute(box, "class", laid && text.length <= MOST ? "json" : "json raw");
    }

    return {
        node: el("div", { class: "json-view" }, el("div", { class: "json-tools" }, size, form, copy), box, rest),
        update(json) {
            if (json === text)
                return;
            text = json;
            all = false;
            say(size, bytes(utf8.encode(json).length));
            draw();
        },
    };
}
