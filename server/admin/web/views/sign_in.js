// Asks for a token, where the daemon wants one.
import { el, fresh, say } from "../dom.js";
import { forget, learn } from "../access.js";
import { giveToken } from "../rpc.js";
import { about } from "../shell.js";

const UNKNOWN = "The daemon does not know this token.";

export class SignIn {
    /** `known()` once the daemon knows the token. */
    constructor(why, known) {
        this.title = "Sign in";
        this.needed = true;
        const id = fresh("token");
        const error = el("p", { id: `${id}-error`, class: "error", role: "alert" }, why ?? "");
        const field = el("input", { id, type: "password", required: true, maxlength: "255", autocomplete: "off", spellcheck: "false",
            "aria-describedby": `${id}-help ${id}-error` });
        const button = el("button", { type: "submit", class: "main" }, "Sign in");
        const submit = async (event) => {
            event.preventDefault();
            if (button.disabled)
                return;
            const token = field.value.trim();
            if (!/^[\x21-\x7e]+$/.test(token)) { // nothing else goes into the field of a request
                say(error, UNKNOWN);
                return;
            }
            button.disabled = true;
            say(error, "");
            giveToken(token);
            try {
                about(await learn());
            } catch (failure) {
                forget();
                button.disabled = false;
                say(error, failure.name === "unauthorized" ? UNKNOWN : failure.message);
                field.focus();
                field.select();
                return;
            }
            known();
        };
        this.node = el("section", { class: "sign-in" }, el("h1", {}, "Sign in"),
            el("p", { id: `${id}-help` }, "This daemon tells people apart by a token. ",
                "It is kept for this tab only, and goes when you close it. ",
                "Whoever runs the daemon makes one with ", el("code", {}, "taskqd --new-token NAME"), "."),
            el("form", { onsubmit: submit }, el("label", { for: id }, "Token"), field, button), error);
    }
}
