#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/lines.h"
#include "client/cli/outcome.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/put_options.h"
#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 60000
#define LOOK_MS       250 // how often a bar is drawn, and signals are looked at, while the input is waited for
#define LOST_MS       50

static const struct option options[] = {
    {"in-flight", 'j', OPTION_COUNT, "N", "up to N jobs put and not printed yet; 1000 unless said"},
    {"unordered", 'u', OPTION_FLAG, NULL, "print results as they come, not in the order of the input"},
    {"raw", 'r', OPTION_FLAG, NULL, "print results that are JSON strings as their text"},
    {"cancel-running", 0, OPTION_FLAG, NULL, "at ^C, what runs is ended as well"},
    KEEP_RESULT,
    PUT_OPTIONS,
    PUT_TIMEOUT,
    {NULL},
};

// An argument under way.
struct argument {
    uint64_t line;       // its number in the input
    uint64_t bytes;      // of the input, up to its end
    const char *problem; // it was never one, and this is why; NULL: it is one
};

struct mapping {
    struct cli *c;
    struct lines in;
    struct taskq_text json; // the argument that was made last
    const char *key;        // what the arguments' keys begin with; NULL: taskq_map() makes them
    char item_key[300];
    struct progress bar;
    uint64_t begun, given, done, failed, cancelled, left_running;
    uint64_t bytes;  // of the input, done with
    bool unwritable; // nobody takes the output: what comes now was not waited for
    int code;        // EXIT_DONE, or why it was ended
};

static void draw(struct mapping *m)
{
    double part = -1;
    char failed[48] = "";
    double seconds = (double)(clock_ns() - m->bar.started) / 1e9;
    if (m->in.ended && m->begun > 0)
        part = (double)m->given / (double)m->begun;
    else if (m->in.size > 0)
        part = (double)m->bytes / (double)m->in.size;
    if (m->failed > 0)
        snprintf(failed, sizeof(failed), ", %llu failed", (unsigned long long)m->failed);
    progress_draw(&m->bar, part, "%llu done%s, %llu under way, %.0f/s", (unsigned long long)m->done, failed,
                  (unsigned long long)(m->begun - m->given), seconds > 0 ? (double)m->given / seconds : 0);
}

static enum taskq_map_step end_of(struct mapping *m, int code)
{
    m->code = m->code == EXIT_DONE ? code : m->code;
    return TASKQ_MAP_END;
}

// Makes an item of the line that was taken. TASKQ_MAP_LATER: it is none.
static enum taskq_map_step make(struct mapping *m, struct slice line, struct taskq_map_item *item)
{
    if (!lines_argument(m->c, &line))
        return TASKQ_MAP_LATER;
    // What is no argument has its place among the results all the same: it fails there. But if it is the
    // first, then --string may have been forgotten, and nothing is put.
    const char *problem = m->begun > 0 ? input_problem(line, option_given(&m->c->args, "string")) : NULL;
    struct argument *a = calloc(1, sizeof(*a));
    taskq_text_release(&m->json);
    int code = a == NULL         ? EXIT_BROKEN
               : problem == NULL ? lines_json(m->c, &m->in, line, &m->json)
                                 : EXIT_DONE;
    if (code != EXIT_DONE) {
        free(a);
        return end_of(m, code);
    }
    *a = (struct argument){.line = m->in.number, .bytes = m->in.bytes, .problem = problem};
    *item = (struct taskq_map_item){.body = problem != NULL ? "" : m->json.data,
                                    .body_len = m->json.len,
                                    .tag = a};
    if (m->key != NULL) { // as `taskq put` makes them
        snprintf(m->item_key, sizeof(m->item_key), "%s:%llu", m->key, (unsigned long long)m->in.number);
        item->key = m->item_key;
    }
    m->begun++;
    return TASKQ_MAP_ITEM;
}

// Waits for input, for what the daemon says, or a moment. True: there is input.
static bool wait_for_input(struct mapping *m)
{
    (void)taskq_flush(m->c->q); // what goes wrong there, taskq_map() sees
    int fd = taskq_fd(m->c->q);
    struct pollfd p[2] = {{.fd = m->in.ended ? -1 : m->in.fd, .events = POLLIN},
                          {.fd = fd, .events = POLLIN}};
    if (fd >= 0)
        draw(m);
    else
        progress_draw(&m->bar, -1, "%llu done; the daemon is away: trying again",
                      (unsigned long long)m->done);
    return poll(p, 2, fd < 0 ? LOST_MS : LOOK_MS) > 0 && p[0].revents != 0;
}

static enum taskq_map_step next(struct taskq_map_item *item, void *arg)
{
    struct mapping *m = arg;
    struct slice line;
    while (cli_interrupted() == 0) {
        while (lines_take(&m->in, &line)) {
            enum taskq_map_step step = make(m, line, item);
            if (step != TASKQ_MAP_LATER)
                return step;
        }
        if (m->in.ended && m->begun == m->given)
            return TASKQ_MAP_END;
        if (!wait_for_input(m))
            return TASKQ_MAP_LATER;
        if (!lines_read(&m->in) && cli_interrupted() == 0) {
            m->in.ended = true;
            return end_of(m, EXIT_BROKEN);
        }
    }
    return TASKQ_MAP_LATER; // taskq_map() hears of the signal itself
}

static void fail(struct mapping *m, const struct argument *a, const struct taskq_outcome *o)
{
    char what[48];
    struct taskq_outcome not_one = {.error = TASKQ_USAGE, .message = a->problem};
    m->failed++;
    if (a->problem != NULL)
        o = &not_one;
    if (m->c->json) {
        outcome_print_json(o, a->line);
        return;
    }
    progress_end(&m->bar);
    snprintf(what, sizeof(what), "taskq: line %llu: ", (unsigned long long)a->line);
    outcome_say_error(what, o);
    fputc('\n', stderr);
}

static bool each(size_t index, void *tag, const struct taskq_outcome *o, void *arg)
{
    (void)index;
    struct mapping *m = arg;
    struct argument *a = tag;
    int error = 0;
    m->given++;
    m->bytes = a->bytes > m->bytes ? a->bytes : m->bytes;
    progress_give_way(&m->bar);
    if (o->error == TASKQ_OK) {
        m->done++;
        if (m->c->json)
            outcome_print_json(o, a->line);
        else
            output_value_line(o->result, o->result_len, option_given(&m->c->args, "raw"));
        error = errno; // lines are written as they end
    } else if (o->error == TASKQ_REQUEST_CANCELLED) {
        m->left_running++;
    } else if (o->error == TASKQ_CANCELLED && (m->unwritable || cli_interrupted() != 0)) {
        m->cancelled++;
    } else {
        fail(m, a, o);
    }
    free(a);
    draw(m);
    if (!m->unwritable && ferror(stdout)) {
        fprintf(stderr, "taskq: the output could not be written: %s\n", strerror(error));
        m->unwritable = true;
    }
    return !m->unwritable;
}

static void sum_up(const struct mapping *m, bool ended)
{
    if (ended)
        fprintf(stderr, "taskq: ended: %llu done, %llu cancelled before they %s, %llu left to the daemon\n",
                (unsigned long long)m->done, (unsigned long long)m->cancelled,
                option_given(&m->c->args, "cancel-running") ? "were done" : "began",
                (unsigned long long)m->left_running);
    else if (m->failed > 0 && !m->c->json)
        fprintf(stderr, "taskq: %llu of %llu failed\n", (unsigned long long)m->failed,
                (unsigned long long)m->given);
}

static int run(struct mapping *m, const char *queue, const struct taskq_map_options *o)
{
    cli_interruptible(m->c);
    signal(SIGPIPE, SIG_IGN); // a reader that went away ends the map, as ^C does
    setvbuf(stdout, NULL, _IOLBF, 0);
    progress_start(&m->bar, m->in.size);
    m->bar.shown = m->bar.shown && isatty(m->in.fd) != 1; // it would stand where somebody types
    enum taskq_error e = taskq_map(m->c->q, queue, o, next, each, m);
    progress_end(&m->bar);
    taskq_text_release(&m->json);
    sum_up(m, e != TASKQ_OK && e != TASKQ_FAILED);
    if (e == TASKQ_OK || e == TASKQ_FAILED)
        return m->code != EXIT_DONE ? m->code : m->failed > 0 ? EXIT_NO : EXIT_DONE;
    if (m->unwritable) {
        clearerr(stdout); // this has been said
        return EXIT_BROKEN;
    }
    return cli_fail(m->c, e);
}

static int exec(struct cli *c)
{
    const struct option_value *in_flight = option_get(&c->args, "in-flight");
    const char *source = c->args.count > 1 ? c->args.positional[1] : "-";
    struct taskq_map_options o = TASKQ_MAP_OPTIONS_INIT;
    struct mapping m = {.c = c};
    int code = put_options_read(c, &o.put);
    if (code != EXIT_DONE)
        return code;
    if (in_flight->given && (in_flight->count < 1 || in_flight->count > IN_FLIGHT_MAX))
        return cli_usage(c, "--in-flight is from 1 to %d", IN_FLIGHT_MAX);
    if (strcmp(source, "-") != 0 && source[0] != '@')
        return cli_usage(c, "the arguments come from @FILE, or from standard input");
    m.key = o.put.key;
    if (c->args.count < 2 && isatty(STDIN_FILENO) == 1)
        return cli_usage(c, "what are the arguments? Standard input, @FILE, or - for what you type");
    o.put.keep_result = option_number(&c->args, "keep-result", 0);
    o.in_flight = in_flight->count;
    o.unordered = option_given(&c->args, "unordered");
    o.cancel_running = option_given(&c->args, "cancel-running");
    code = lines_open(&m.in, source[0] == '@' ? source + 1 : NULL);
    if (code != EXIT_DONE)
        return code;
    code = run(&m, c->args.positional[0], &o);
    lines_close(&m.in);
    return code;
}

const struct command command_map = {
    .name = "map",
    .usage = "QUEUE [@FILE | -] [--string] [-j N] [--unordered] [options]",
    .summary = "Run a job for each line of the input and print the results",
    .help =
        "Each line is a job's body: JSON, or with --string any text. Results are printed in the order of "
        "the\n"
        "input; jobs that fail are named on standard error with their line, and make exit code 1. With "
        "--json a\n"
        "line of input is one of output: {\"line\",\"id\",\"state\",\"result\"}, with \"reason\", "
        "\"attempts\" and\n"
        "\"error\" where the job is dead, and with no more than an \"error\" where it was never put.\n\n"
        "If the daemon is started again meanwhile, nothing is lost and no line put twice. With --key KEY a\n"
        "line's job has the key KEY:LINE, so that the same map can be begun again. ^C, and an output that "
        "nobody\n"
        "reads, cancel what was not begun.\n\n"
        "  find . -name '*.jpg' | taskq map thumbnails --string --raw\n",
    .options = options,
    .min = 1,
    .max = 2,
    .exec = exec,
};
