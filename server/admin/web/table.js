// A table whose columns can be sorted: by pressing the name of a column, with a pointer or the keyboard.
import { attribute, el } from "./dom.js";

/**
 * `columns`: [{ key, label, kind, title, value(item), first }]: value is what it is sorted by (none: it cannot be), first: -1 where the
 * largest shall come first. `changed()` after the reader chose another order.
 */
export class Sorting {
    constructor(columns, key, changed) {
        this.columns = columns;
        this.heads = columns.map((column) => {
            const head = el("th", { scope: "col", class: column.kind ?? null, title: column.title ?? null });
            head.append(column.value ? el("button", { type: "button", class: "sort", onclick: () => {
                this.choose(column);
                changed();
            } }, column.label) : el("span", { class: column.unheard ? "unheard" : null }, column.label));
            return head;
        });
        this.choose(columns.find((column) => column.key === key));
    }

    choose(column) {
        const first = column.first ?? 1;
        this.direction = this.column === column ? -this.direction : first;
        this.column = column;
        this.columns.forEach((one, i) => attribute(this.heads[i], "aria-sort", one === column
            ? (this.direction > 0 ? "ascending" : "descending") : null));
    }

    /** A sorted copy; what is equal stands in the order that it came in. null stands last, whichever way. */
    sorted(items) {
        const { value } = this.column;
        const direction = this.direction;
        return items.map((item, i) => [value(item), i, item]).sort(([a, i], [b, j]) => {
            if (a === b)
                return i - j;
            if (a === null || b === null)
                return a === null ? 1 : -1;
            return (a < b ? -1 : 1) * direction;
        }).map(([, , item]) => item);
    }
}
