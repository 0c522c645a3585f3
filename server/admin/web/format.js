// Numbers, times and sizes as people read them. English wherever the browser stands: the whole page is.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(n) {
    return whole.format(n);
}

/** "1 job", "12,345 jobs"; also with what else depends on the number: "1 job waits", "12,345 jobs wait". */
export function many(n, word, words = word + "s") {
    return `${count(n)} ${n === 1 ? word : words}`;
}

/** A number in little room: 999, 1.2k, 35k, 4.1M. */
export function short(n) {
    for (const [unit, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
        if (Math.abs(n) >= unit)
            return trim(n / unit) + letter;
    return trim(n);
}

function trim(n) {
    return Number.isInteger(n) ? String(n) : n.toFixed(Math.abs(n) < 10 ? (Math.abs(n) < 0.1 ? 2 : 1) : 0);
}

export function rate(perSecond) {
    return perSecond > 0 && perSecond < 0.1 ? `${trim(perSecond * 60)}/min` : `${short(perSecond)}/s`;
}

export function bytes(n) {
    for (const [unit, name] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]])
        if (n >= unit)
            return `${trim(n / unit)} ${name}`;
    return `${n} B`;
}

const STEPS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** A length of time in seconds, in its two largest units: 3.2 s, 4 min 10 s, 2 d 3 h. */
export function duration(seconds) {
    if (seconds < 10)
        return seconds < 0.001 ? "0 s" : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${trim(Math.round(seconds * 10) / 10)} s`;
    let rest = Math.round(seconds);
    const words = [];
    for (const [unit, name] of STEPS) {
        const n = Math.floor(rest / unit);
        if (n > 0 || words.length > 0)
            words.push(n > 0 ? `${n} ${name}` : "");
        rest -= n * unit;
        if (words.length === 2)
            break;
    }
    return words.filter(Boolean).join(" ");
}

/** The same without what nobody needs to know of an age: seconds behind minutes. */
export function age(seconds) {
    return duration(seconds >= 60 && seconds < 3600 ? Math.floor(seconds / 60) * 60 : seconds);
}

const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clocks = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A moment, given in Unix seconds, in the reader's time zone. */
export function moment(unix) {
    return moments.format(unix * 1000);
}

export function clock(unix, exact = false) {
    return (exact ? seconds : clocks).format(unix * 1000);
}
