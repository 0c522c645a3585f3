// What stands around every view: the links, the state of the connection, messages, the light, and questions before something is done.
import { attribute, el, name, say, show, visible } from "./dom.js";

const THEME = "taskq.theme";
const THEMES = [["", "Light as the system has it", "◐"], ["light", "Light", "☀"], ["dark", "Dark", "☾"]];
const NOTICE_MS = 8000;

const nav = document.querySelector("header nav");
const tools = document.querySelector("header .tools");
const bannerNode = document.querySelector(".banner");
const notices = document.querySelector(".notices");
export const main = document.querySelector("main");

/** `links`: [[href, text], …]. Gives a function that marks the one that is shown, by its href. */
export function navigation(links) {
    const nodes = links.map(([href, text]) => el("a", { href }, text));
    nav.replaceChildren(...nodes);
    return (href) => nodes.forEach((node) => attribute(node, "aria-current", node.getAttribute("href") === href ? "page" : null));
}

const connection = el("span", { class: "state quiet", role: "status" }, "Connecting");

/** Says in the header how the connection is: "good", "quiet" or "bad", and a word. */
export function connected(kind, text) {
    connection.className = `state ${kind}`;
    say(connection, text);
}

/** A line above the view for as long as something is wrong; null: nothing is. */
export function banner(text, action = null) {
    show(bannerNode, text !== null);
    const wanted = text ?? "";
    if (bannerNode.firstChild?.textContent !== wanted)
        bannerNode.replaceChildren(el("span", {}, wanted),
            ...(action ? [el("button", { type: "button", onclick: action[1] }, action[0])] : []));
}

/** Says what was done, or was not. What failed stays until it is read and put away. */
export function notice(kind, text) {
    const gone = () => note.remove();
    const note = el("div", { class: `notice ${kind}` }, el("span", {}, text),
        el("button", { type: "button", class: "plain", "aria-label": "Put this message away", onclick: gone }, "×"));
    notices.append(note);
    while (notices.children.length > 4)
        notices.firstChild.remove();
    if (kind === "good")
        setTimeout(gone, NOTICE_MS);
}

/** A button that stays pressed. */
function toggle(text, label, pressed) {
    const button = el("button", { type: "button", class: "tool", title: label, "aria-label": label, "aria-pressed": "false",
        onclick: () => {
        const now = button.getAttribute("aria-pressed") !== "true";
        attribute(button, "aria-pressed", now ? "true" : "false");
        pressed(now, button);
    } }, text);
    return button;
}

function themeButton() {
    let at = 0;
    const apply = () => {
        const [theme, text, sign] = THEMES[at];
        if (theme)
            document.documentElement.dataset.theme = theme;
        else
            delete document.documentElement.dataset.theme;
        say(button, sign);
        attribute(button, "aria-label", `Colours: ${text}. Change`);
        attribute(button, "title", `Colours: ${text}`);
    };
    const button = el("button", { type: "button", class: "tool theme", onclick: () => {
        at = (at + 1) % THEMES.length;
        try {
            localStorage.setItem(THEME, THEMES[at][0]);
        } catch (error) {
            // a browser that keeps nothing: it lasts as long as the page
        }
        apply();
    } });
    try {
        at = Math.max(0, THEMES.findIndex(([theme]) => theme === (localStorage.getItem(THEME) ?? "")));
    } catch (error) {
        at = 0;
    }
    apply();
    return button;
}

const identity = el("span");

/** Fills the right of the header. `paused(bool)` when the reader wants what is shown to stand still. */
export function furnish(paused) {
    const pause = toggle("❚❚", "Hold what is shown still", (now, button) => {
        say(button, now ? "▶" : "❚❚");
        paused(now);
    });
    tools.replaceChildren(connection, identity, pause, themeButton());
}

/** Says at the bottom what the daemon is. */
export function about({ name, version, durability }) {
    const words = { always: "jobs are on disk before it answers", interval: "jobs are on disk a moment after the answer",
        memory: "jobs are kept in memory only" };
    say(document.querySelector("footer .daemon"), `${name} ${version}, ${words[durability] ?? durability}`);
}

/**
 * Shows who the tab is for the daemon, and what that may do: a sentence a grant. null: the daemon does not ask. `leave` takes its token
 * back; null: it has none.
 */
export function known(who, may, leave) {
    identity.replaceChildren(...(who ? [el("details", { class: "identity" }, el("summary", {}, name(who.name)),
        el("div", { class: "card" }, el("p", {}, `This ${who.kind} may`), el("ul", {}, may.map((grant) => el("li", {}, ...visible(grant)))),
            leave && el("button", { type: "button", onclick: leave }, "Sign out")))] : []));
}

/**
 * Asks before something is done that cannot be undone. `text` is a sentence or nodes; gives whether to go on. The choice that changes
 * nothing has the focus.
 */
export function confirm(title, text, action) {
    return new Promise((resolve) => {
        const no = el("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Cancel");
        const yes = el("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, action);
        const dialog = el("dialog", { "aria-labelledby": "question", "aria-describedby": "question-text", onclose: () => {
            dialog.remove();
            resolve(dialog.returnValue === "yes");
        } }, el("h2", { id: "question" }, title), el("div", { id: "question-text" }, text), el("div", { class: "buttons" }, no, yes));
        document.body.append(dialog);
        dialog.showModal();
    });
}

document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the part behind # is the view's
    main.focus();
});
