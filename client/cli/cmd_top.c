#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/top.h"
#include "common/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_LEAST 0.1
#define INTERVAL_MOST  3600.0
#define INTERVAL_USUAL 2.0
#define FILTER_MAX     200
#define FETCH_LEAST    100 // queues, so that a few more are there when the terminal grows or scrolls

static const struct option options[] = {
    {"once", '1', OPTION_FLAG, NULL,
     "print the table once and end, with the rates of one interval;\nwhat it does without a terminal as "
     "well"},
    {"interval", 'i', OPTION_SECONDS, "TIME", "how often to look: 2 s unless said"},
    {"sort", 's', OPTION_TEXT, "COLUMN",
     "backlog (unless said), ready, delayed, reserved, dead, oldest,\nwaiting, put/s, taken/s, done/s, "
     "failed/s or name"},
    {"filter", 'f', OPTION_TEXT, "TEXT",
     "only queues with this in their names, or that fit a pattern\nwith *"},
    {"count", 'n', OPTION_COUNT, "N", "so many queues at the most: 20 with --once, 1,000 is the most"},
    {NULL},
};

struct top {
    struct cli *c;
    struct top_data data;
    struct top_view view;
    char filter[FILTER_MAX + 1];
    char trouble[512];
    size_t count; // queues wanted at the most; 0: as many as there is room for
    bool again;   // ask at once
};

static bool find_sort(const char *title, enum top_sort *sort)
{
    for (int i = 0; i < TOP_SORT_COUNT; i++)
        if (strcmp(title, top_sorts[i].title) == 0) {
            *sort = (enum top_sort)i;
            return true;
        }
    return false;
}

// ---- without a terminal

static int wait_interval(const struct top *t)
{
    int64_t until = clock_ns() + (int64_t)(t->view.interval * 1e9), left;
    while (cli_interrupted() == 0 && (left = (until - clock_ns()) / 1000000) > 0)
        (void)poll(NULL, 0, (int)left);
    return cli_interrupted() ? EXIT_NO : EXIT_DONE;
}

static int print_once(struct top *t)
{
    if (t->c->json) {
        struct buffer b = BUFFER_INIT;
        top_write_json(&b, &t->data, t->view.most);
        fwrite(b.data, 1, b.len, stdout);
        bool failed = b.failed;
        buffer_release(&b);
        return failed ? EXIT_BROKEN : EXIT_DONE;
    }
    top_draw(stdout, &t->data, &t->view);
    return EXIT_DONE;
}

// With --json and without --once an object each interval.
static int run_lines(struct top *t)
{
    bool on = t->c->json && !option_given(&t->c->args, "once");
    int code = EXIT_DONE;
    size_t count = t->count > 0 ? t->count : 20;
    t->view.most = count; // more are fetched where they are sorted here
    cli_interruptible(t->c);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int n = 0; code == EXIT_DONE && (on || n < 2) && !ferror(stdout); n++) {
        enum taskq_error e = top_fetch(t->c->q, &t->data, t->view.sort, t->filter, count);
        if (e != TASKQ_OK)
            return cli_fail(t->c, e);
        if (n > 0)
            code = print_once(t);
        if (code == EXIT_DONE && (on || n == 0))
            code = wait_interval(t);
    }
    return code;
}

// ---- on a terminal

static void fetch(struct top *t)
{
    size_t room = t->count > 0 ? t->count : t->view.first + top_room(&t->view);
    enum taskq_error e = top_fetch(t->c->q, &t->data, t->view.sort, t->filter,
                                   room > FETCH_LEAST || t->count > 0 ? room : FETCH_LEAST);
    t->view.trouble = NULL;
    if (e == TASKQ_OK)
        return;
    snprintf(t->trouble, sizeof(t->trouble), "%s", taskq_error_message(t->c->q));
    t->view.trouble = t->trouble;
}

// False: the terminal is gone.
static bool draw(struct top *t)
{
    struct buffer b = BUFFER_INIT;
    char *text = NULL;
    FILE *out = open_memstream(&text, &b.len);
    if (out == NULL)
        return false;
    top_screen_size(&t->view.rows, &t->view.columns);
    top_draw(out, &t->data, &t->view);
    bool fine = fclose(out) == 0;
    b.data = text;
    fine = fine && top_screen_write(&b);
    free(text);
    return fine;
}

static void scroll(struct top *t, long by)
{
    size_t last = t->data.count > top_room(&t->view) ? t->data.count - top_room(&t->view) : 0;
    long first = (long)t->view.first + by;
    t->view.first = first < 0 ? 0 : (size_t)first > last ? last : (size_t)first;
    t->again = t->view.first == last && (double)t->data.count < t->data.total;
}

static void sort_by(struct top *t, enum top_sort sort)
{
    t->view.sort = sort;
    t->view.first = 0;
    t->again = true;
}

static void filter_key(struct top *t, int key)
{
    size_t len = strlen(t->filter);
    if (key == '\r' || key == '\n') {
        t->view.typing = false;
    } else if (key == TOP_KEY_ESCAPE) {
        t->view.typing = false;
        t->filter[0] = '\0';
    } else if (key == 0x7f || key == 8) {
        while (len > 0 && ((unsigned char)t->filter[--len] & 0xc0) == 0x80)
            ; // the rest of a character of several bytes
        t->filter[len] = '\0';
    } else if (key >= 0x20 && key < 256 && len < FILTER_MAX) {
        t->filter[len] = (char)key;
        t->filter[len + 1] = '\0';
    }
    t->view.first = 0;
    t->again = true;
}

// False: quit.
static bool act_on_key(struct top *t, int key)
{
    long page = (long)top_room(&t->view);
    if (t->view.typing) {
        filter_key(t, key);
        return true;
    }
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case 'h':
    case '?':
        t->view.help = !t->view.help;
        break;
    case ' ':
        t->view.frozen = !t->view.frozen;
        t->again = !t->view.frozen;
        break;
    case '/':
        t->view.typing = true;
        break;
    case 's':
        sort_by(t, (t->view.sort + 1) % TOP_SORT_COUNT);
        break;
    case '+':
        t->view.interval = t->view.interval / 2 < INTERVAL_LEAST ? INTERVAL_LEAST : t->view.interval / 2;
        break;
    case '-':
        t->view.interval = t->view.interval * 2 > INTERVAL_MOST ? INTERVAL_MOST : t->view.interval * 2;
        break;
    case TOP_KEY_ESCAPE:
        if (t->view.help)
            t->view.help = false;
        else
            filter_key(t, key);
        break;
    case TOP_KEY_UP:
        scroll(t, -1);
        break;
    case TOP_KEY_DOWN:
        scroll(t, 1);
        break;
    case TOP_KEY_PAGE_UP:
        scroll(t, -page);
        break;
    case TOP_KEY_PAGE_DOWN:
        scroll(t, page);
        break;
    case TOP_KEY_HOME:
        scroll(t, -(long)t->data.count);
        break;
    case TOP_KEY_END:
        scroll(t, (long)t->data.count);
        break;
    default:
        for (int i = 0; i < TOP_SORT_COUNT; i++)
            if (top_sorts[i].key == key)
                sort_by(t, (enum top_sort)i);
    }
    return true;
}

static int run_screen(struct top *t)
{
    int key = 0, code = EXIT_DONE;
    bool on = true;
    if (!top_screen_enter())
        return EXIT_USAGE;
    top_screen_size(&t->view.rows, &t->view.columns);
    while (on) {
        int64_t next = clock_ns() + (int64_t)(t->view.interval * 1e9);
        if (!t->view.frozen || t->again)
            fetch(t);
        t->again = false;
        if (t->view.first >= t->data.count)
            t->view.first = 0;
        for (bool wait = true; wait && on;) {
            if (!draw(t)) {
                code = EXIT_BROKEN;
                on = false;
                break;
            }
            int64_t left = (next - clock_ns()) / 1000000;
            switch (top_screen_wait(left < 0 ? 0 : (int)left, &key)) {
            case TOP_KEY:
                on = act_on_key(t, key);
                wait = !t->again;
                break;
            case TOP_GONE:
                on = false;
                break;
            default:
                wait = clock_ns() < next;
            }
        }
    }
    top_screen_leave();
    return code;
}

static int exec(struct cli *c)
{
    const struct option_value *sort = option_get(&c->args, "sort"), *filter = option_get(&c->args, "filter");
    struct top t = {.c = c,
                    .count = (size_t)option_get(&c->args, "count")->count,
                    .view = {.address = taskq_address(c->q),
                             .interval = option_number(&c->args, "interval", INTERVAL_USUAL),
                             .colours = output_colours()}};
    if (sort->given && !find_sort(sort->text, &t.view.sort))
        return cli_usage(c, "`%s` is no column to sort by", sort->text);
    if (filter->given && strlen(filter->text) > FILTER_MAX)
        return cli_usage(c, "the filter is too long");
    if (t.view.interval < INTERVAL_LEAST || t.view.interval > INTERVAL_MOST)
        return cli_usage(c, "an interval of 0.1 s to 1 h is taken");
    if (t.count > 1000)
        return cli_usage(c, "at most 1000 queues are shown");
    snprintf(t.filter, sizeof(t.filter), "%s", filter->given ? filter->text : "");
    t.view.filter = t.filter;
    t.view.ansi = output_terminal() && !c->json && !option_given(&c->args, "once");
    int code = t.view.ansi ? run_screen(&t) : run_lines(&t);
    top_release(&t.data);
    return code;
}

const struct command command_top = {
    .name = "top",
    .usage = "[--sort COLUMN] [--filter TEXT] [--interval TIME] [--once]",
    .summary = "Show what the daemon does, live",
    .help =
        "A table of the largest queues that goes on until `q`; `h` lists the keys, which sort and filter "
        "it.\nRates are what happened a second since the last look; failed are attempts, and deaths. "
        "With "
        "more than\n1,000 queues, rates are sorted among the 1,000 with the most unfinished jobs. Without a "
        "terminal, and\nwith --once, the table is printed once, after one interval; with --json each "
        "interval an "
        "object.\n",
    .options = options,
    .min = 0,
    .max = 0,
    .exec = exec,
};
