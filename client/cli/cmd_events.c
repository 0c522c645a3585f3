#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "common/plural.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES_MAX 64
#define PAUSE_MS  500 // between attempts to reach a daemon that went away

static const struct option options[] = {
    {"queue", 'q', OPTION_TEXT, "NAMES",
     "only these queues: patterns, in which * stands for anything,\nwith commas between them"},
    {"state", 's', OPTION_TEXT, "STATES",
     "only changes to these states, with commas between them:\ndelayed, ready, reserved, done, dead, "
     "cancelled, deleted"},
    {"count", 'n', OPTION_COUNT, "N", "end after so many"},
    {NULL},
};

struct names {
    char *text; // cut at its commas
    const char *items[NAMES_MAX];
    size_t count;
};

struct listening {
    struct cli *c;
    bool lines; // JSON
    bool count_given;
    uint64_t left;
    bool any; // since the connection was made
};

// False: no memory, or too many.
static bool split(struct names *n, const struct option_value *v)
{
    *n = (struct names){.text = v->given ? strdup(v->text) : NULL};
    if (v->given && n->text == NULL)
        return false;
    char *rest = NULL;
    for (char *at = v->given ? strtok_r(n->text, ",", &rest) : NULL; at != NULL;
         at = strtok_r(NULL, ",", &rest)) {
        if (n->count == NAMES_MAX)
            return false;
        n->items[n->count++] = at;
    }
    return true;
}

// "08:13:20.123", in local time.
static void print_time(double at)
{
    time_t s = (time_t)at;
    struct tm parts;
    char text[16];
    if (localtime_r(&s, &parts) == NULL || strftime(text, sizeof(text), "%H:%M:%S", &parts) == 0)
        return;
    printf("%s.%03d  ", text, (int)((at - (double)s) * 1000));
}

static void print_human(const char *event, size_t len)
{
    char id[32], state[16], from[16], more[64], queue[1024];
    if (!human_member(event, len, "id", id, sizeof(id))) {
        human_member(event, len, "missed", id, sizeof(id));
        printf("… %s %s faster than they could be taken\n", id,
               plural(human_number(event, len, "missed"), "was missed: events came",
                      "were missed: they came"));
        return;
    }
    bool was = human_member(event, len, "from", from, sizeof(from));
    human_member(event, len, "state", state, sizeof(state));
    human_member(event, len, "queue", queue, sizeof(queue));
    print_time(human_number(event, len, "at"));
    printf("%-9s -> %-9s  job %s in ", was ? from : "(new)", state, id);
    output_text_to(stdout, slice_of(queue), SIZE_MAX);
    double attempts = human_number(event, len, "attempts");
    if (human_member(event, len, "reason", more, sizeof(more)))
        printf(", %s", more);
    if (human_member(event, len, "cause", more, sizeof(more)))
        printf(", %s", strcmp(more, "lease") == 0  ? "its lease ran out"
                       : strcmp(more, "lost") == 0 ? "its consumer went"
                                                   : more);
    if (human_true(event, len, "moved"))
        fputs(strcmp(state, "dead") == 0 ? ", moved to the dead-letter queue" : ", moved here", stdout);
    if (attempts > 0)
        printf(", %g failed", attempts);
    putchar('\n');
}

// The object without the request's id, which means nothing here.
static void print_json(const char *event, size_t len)
{
    const char *value, *rest;
    size_t value_len;
    if (taskq_json_member(event, len, "request", &value, &value_len) &&
        (rest = memchr(value + value_len, ',', len - (size_t)(value + value_len - event))) != NULL) {
        putchar('{');
        output_json(rest + 1, len - (size_t)(rest + 1 - event));
    } else {
        output_json(event, len);
    }
}

static bool on_event(const char *event, size_t len, void *arg)
{
    struct listening *l = arg;
    l->any = true;
    if (l->lines)
        print_json(event, len);
    else
        print_human(event, len);
    if (l->count_given && --l->left == 0)
        return false;
    return !ferror(stdout);
}

static void nap(void)
{
    struct timespec t = {.tv_nsec = PAUSE_MS * 1000000L};
    nanosleep(&t, NULL); // a signal ends it
}

// Listens again where the connection was lost.
static int run(struct listening *l, const struct names *queues, const struct names *states)
{
    bool lost = false, once = false;
    for (;;) {
        l->any = false;
        enum taskq_error e =
            taskq_events(l->c->q, queues->items, queues->count, states->items, states->count, on_event, l);
        once = once || l->any || e == TASKQ_LOST || e == TASKQ_DRAINING;
        if (e == TASKQ_OK)
            return EXIT_DONE;
        bool gone = e == TASKQ_LOST || e == TASKQ_DRAINING || e == TASKQ_NO_DAEMON || e == TASKQ_UNSENT;
        if (cli_interrupted() != 0)
            return EXIT_NO; // whoever sent the signal knows
        if (!gone || !once)
            return cli_fail(l->c, e);
        if (!lost || l->any)
            fprintf(stderr, "taskq: the daemon is gone; what happens until it is back is not told\n");
        lost = true;
        nap();
    }
}

static int exec(struct cli *c)
{
    struct listening l = {.c = c, .lines = c->json || !output_terminal()};
    const struct option_value *count = option_get(&c->args, "count");
    struct names queues, states;
    int code = EXIT_USAGE;
    bool fine = split(&queues, option_get(&c->args, "queue"));
    fine = split(&states, option_get(&c->args, "state")) && fine;
    l.count_given = count->given;
    l.left = count->count;
    if (!fine)
        code = cli_usage(c, "at most %d names are taken", NAMES_MAX);
    else if (l.count_given && l.left == 0)
        code = EXIT_DONE;
    else {
        setvbuf(stdout, NULL, _IOLBF, 0);
        cli_interruptible(c);
        code = run(&l, &queues, &states);
    }
    free(queues.text);
    free(states.text);
    return code;
}

const struct command command_events = {
    .name = "events",
    .usage = "[--queue NAMES] [--state STATES] [--count N]",
    .summary = "Tell of every change of a job's state as it happens",
    .help = "On a terminal a line for people; elsewhere, and with --json, an object a line:\n"
            "{\"id\",\"queue\",\"state\",\"from\",\"at\",\"attempts\",…}; {\"missed\":N} stands where N "
            "could not be "
            "told because\nthey came faster than they were taken. It goes on until it is interrupted, also "
            "when the "
            "daemon\nis started again meanwhile.\n",
    .options = options,
    .min = 0,
    .max = 0,
    .exec = exec,
};
