#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/outcome.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "common/clock.h"
#include "common/json_writer.h"

#include <stdio.h>
#include <stdlib.h>

#define REDRAW 0.2 // s

static const struct option options[] = {
    {"timeout", 't', OPTION_SECONDS, "TIME", "how long to watch; until they are finished unless said"},
    {"raw", 'r', OPTION_FLAG, NULL, "print a result that is a JSON string as its text"},
    {NULL},
};

struct watch {
    struct cli *c;
    struct taskq_future **futures;
    size_t count, ended;
    struct taskq_future *last; // the one that reported last and has not ended
    struct progress bar;
    bool lines; // reports are lines on standard output, no bar
    int code;
};

static void draw(struct watch *w)
{
    struct taskq_report report;
    char words[96] = "";
    const char *message = NULL;
    unsigned long long id = w->last != NULL ? taskq_future_id(w->last) : 0;
    bool known = w->last != NULL && taskq_future_report(w->last, &report);
    if (w->count == 1) {
        progress_draw_report(&w->bar, taskq_future_id(w->futures[0]), known ? &report : NULL);
        return;
    }
    if (known) {
        progress_words(&report, words, sizeof(words));
        message = report.message;
        progress_draw(&w->bar, (double)w->ended / (double)w->count, "%zu of %zu finished; job %llu: %s%s%s",
                      w->ended, w->count, id, words, words[0] != '\0' && message != NULL ? ": " : "",
                      message != NULL ? message : "");
        return;
    }
    progress_draw(&w->bar, (double)w->ended / (double)w->count, "%zu of %zu finished", w->ended, w->count);
}

static void print_report_json(uint64_t id, const struct taskq_report *report)
{
    struct buffer b = BUFFER_INIT;
    json_write_raw(&b, "{");
    json_write_key(&b, "id");
    json_write_uint(&b, id);
    json_write_key(&b, "progress");
    json_write_raw(&b, "{");
    if (report->done >= 0) {
        json_write_key(&b, "done");
        json_write_double(&b, report->done);
    }
    if (report->total >= 0) {
        json_write_key(&b, "total");
        json_write_double(&b, report->total);
    }
    if (report->message != NULL) {
        json_write_key(&b, "message");
        json_write_bytes(&b, slice_of(report->message));
    }
    json_write_raw(&b, "}}");
    output_json_take(&b);
}

static void on_report(struct taskq_future *f, const struct taskq_report *report, void *arg)
{
    struct watch *w = arg;
    uint64_t id = taskq_future_id(f);
    char words[96];
    w->last = f;
    if (!w->lines)
        return;
    if (w->c->json) {
        print_report_json(id, report);
        return;
    }
    progress_words(report, words, sizeof(words));
    printf("job %llu: %s", (unsigned long long)id, words);
    if (report->message != NULL) {
        fputs(words[0] != '\0' ? ": " : "", stdout);
        output_text_to(stdout, slice_of(report->message), SIZE_MAX); // it stays one line
    }
    putchar('\n');
}

static void on_end(struct taskq_future *f, void *arg)
{
    struct watch *w = arg;
    const struct taskq_outcome *o = taskq_future_outcome(f);
    w->ended++;
    if (w->last == f)
        w->last = NULL;
    if (o->error != TASKQ_OK && w->code == EXIT_DONE)
        w->code = cli_exit_code(o->error);
    progress_give_way(&w->bar);
    if (w->c->json) {
        outcome_print_json(o, 0);
        return;
    }
    fputs(o->message, stdout);
    if (o->error == TASKQ_OK) {
        fputs(": ", stdout);
        output_value_line(o->result, o->result_len, option_given(&w->c->args, "raw"));
        return;
    }
    if (o->job_error != NULL) {
        fputs(": ", stdout);
        output_json_to(stdout, (struct slice){o->job_error, o->job_error_len});
    }
    putchar('\n');
}

static int run(struct watch *w, double timeout)
{
    int64_t start = clock_ns();
    while (w->ended < w->count) {
        double passed = (double)(clock_ns() - start) / 1e9;
        double left = timeout < 0 ? TASKQ_FOREVER : timeout > passed ? timeout - passed : 0;
        bool drawn = !w->lines && w->bar.shown;
        enum taskq_error e = taskq_dispatch(w->c->q, drawn && (left < 0 || left > REDRAW) ? REDRAW : left);
        if (ferror(stdout))
            return EXIT_BROKEN; // output_end() says it
        if (drawn && w->ended < w->count)
            draw(w);
        if (e == TASKQ_OK || (e == TASKQ_TIMEOUT && drawn && left != 0))
            continue;
        progress_end(&w->bar);
        return cli_fail(w->c, e);
    }
    return w->code;
}

static int exec(struct cli *c)
{
    struct watch w = {.c = c, .lines = c->json || !output_terminal()};
    struct taskq_future_options o = {.ended = on_end, .progressed = on_report, .arg = &w};
    size_t n = (size_t)c->args.count;
    int code = EXIT_DONE;
    for (size_t i = 0; i < n; i++) {
        uint64_t id;
        if (!input_id(c->args.positional[i], &id))
            return cli_usage(c, "`%s` is no job's id", c->args.positional[i]);
    }
    w.futures = calloc(n, sizeof(struct taskq_future *));
    if (w.futures == NULL)
        return EXIT_BROKEN;
    cli_interruptible(c);
    setvbuf(stdout, NULL, _IOLBF, 0);
    progress_start(&w.bar, 0);
    for (; code == EXIT_DONE && w.count < n; w.count++) {
        uint64_t id;
        input_id(c->args.positional[w.count], &id);
        enum taskq_error e = taskq_future_of(c->q, id, &o, &w.futures[w.count]);
        if (e != TASKQ_OK) {
            code = cli_fail(c, e);
            break;
        }
    }
    if (code == EXIT_DONE)
        code = run(&w, option_number(&c->args, "timeout", TASKQ_FOREVER));
    progress_end(&w.bar);
    for (size_t i = 0; i < w.count; i++)
        taskq_future_free(w.futures[i]);
    free(w.futures);
    return code;
}

const struct command command_watch = {
    .name = "watch",
    .usage = "ID… [--timeout TIME]",
    .summary = "Watch jobs until they are finished",
    .help = "On a terminal a bar shows how far they say they are (`taskq progress`); elsewhere each report "
            "is a line.\n"
            "Each outcome is a line. With --json they are "
            "{\"id\",\"progress\":{\"done\",\"total\",\"message\"}} and\n"
            "{\"id\",\"state\",…} as `taskq result` prints it. Exit code 1 if one of them was not done.\n",
    .options = options,
    .min = 1,
    .max = -1,
    .exec = exec,
};
