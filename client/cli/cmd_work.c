#include "client/cli/commands.h"
#include "client/cli/work.h"
#include "common/plural.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SLOTS_MAX 1000
#define GRACE     10.0

static const struct option options[] = {
    {"jobs", 'j', OPTION_COUNT, "N", "up to N commands at once; 1 unless said"},
    {"once", 0, OPTION_FLAG, NULL, "run one job and end; exit code 1 if there is none"},
    {"timeout", 't', OPTION_SECONDS, "TIME",
     "end when no job came for this time; 0: when none is\nready; never unless said"},
    {"lease", 0, OPTION_SECONDS, "TIME", "the lease that is renewed while a command runs;\n60 s unless said"},
    {"grace", 0, OPTION_SECONDS, "TIME",
     "from TERM to KILL for the command of a cancelled job;\n10 s unless said"},
    {"raw", 'r', OPTION_FLAG, NULL, "a body that is a JSON string is given as its text"},
    {NULL},
};

static void open_slots(struct worker *workers, size_t n, struct work *w, int *code, struct cli *c)
{
    for (size_t i = 0; i < n; i++) {
        workers[i].work = w;
        pthread_mutex_init(&workers[i].child.lock, NULL);
        struct taskq_options o = {.client = "taskq work"};
        enum taskq_error e = taskq_open(&workers[i].q, w->address, &o);
        if (e != TASKQ_OK && *code == EXIT_DONE) {
            struct taskq *own = c->q;
            c->q = workers[i].q; // whose words these are
            *code = cli_fail(c, e);
            c->q = own;
        }
    }
}

// The first signal: no more jobs. The second: the commands are told to end. The third: they are killed.
static void on_signal(struct work *w, struct worker *workers, size_t n, int count)
{
    static const char *const words[] = {
        "no more jobs; those that run are finished first (once more: they are ended)",
        "the commands are told to end (once more: they are killed)", "the commands are killed"};
    fprintf(stderr, "taskq: %s\n", words[count < 3 ? count - 1 : 2]);
    atomic_store(&w->stopping, true);
    if (count > 1)
        atomic_store(&w->killed, true);
    for (size_t i = 0; i < n; i++) {
        if (count == 1)
            taskq_interrupt(workers[i].q);
        else
            child_signal(&workers[i].child, count == 2 ? SIGTERM : SIGKILL);
    }
}

// Until every slot has ended.
static void watch(struct work *w, struct worker *workers, size_t n, int signals)
{
    size_t ended = 0;
    int count = 0;
    while (ended < n) {
        struct pollfd p[2] = {{.fd = signals, .events = POLLIN}, {.fd = w->ended, .events = POLLIN}};
        struct signalfd_siginfo info;
        uint64_t more;
        if (poll(p, 2, -1) < 0)
            continue; // EINTR
        if (p[0].revents != 0 && read(signals, &info, sizeof(info)) == sizeof(info))
            on_signal(w, workers, n, ++count);
        if (p[1].revents != 0 && read(w->ended, &more, sizeof(more)) == sizeof(more))
            ended += more;
    }
}

static size_t start(struct worker *workers, size_t n)
{
    size_t started = 0;
    while (started < n && pthread_create(&workers[started].thread, NULL, worker_main, &workers[started]) == 0)
        started++;
    return started;
}

static int run(struct cli *c, struct work *w, size_t n, int signals)
{
    struct worker *workers = calloc(n, sizeof(*workers));
    int code = EXIT_DONE;
    if (workers == NULL)
        return EXIT_BROKEN;
    open_slots(workers, n, w, &code, c);
    if (code == EXIT_DONE) {
        size_t started = start(workers, n);
        if (started < n) {
            fprintf(stderr, "taskq: only %zu of %zu %s could be started\n", started, n,
                    plural(n, "thread", "threads"));
            code = started == 0 ? EXIT_BROKEN : code;
        }
        watch(w, workers, started, signals);
        for (size_t i = 0; i < started; i++)
            pthread_join(workers[i].thread, NULL);
        if (code == EXIT_DONE)
            code = atomic_load(&w->code);
    }
    for (size_t i = 0; i < n; i++) {
        taskq_close(workers[i].q);
        pthread_mutex_destroy(&workers[i].child.lock);
    }
    free(workers);
    return code;
}

static int exec(struct cli *c)
{
    const struct option_value *jobs = option_get(&c->args, "jobs");
    size_t n = jobs->given ? jobs->count : 1;
    if (c->args.rest == NULL || c->args.rest[0] == NULL)
        return cli_usage(c, "what is to be run for each job? -- COMMAND…");
    if (n < 1 || n > SLOTS_MAX)
        return cli_usage(c, "--jobs is from 1 to %d", SLOTS_MAX);
    int missing = child_check(c->args.rest[0]);
    if (missing != 0) { // before a job is taken for it
        fprintf(stderr, "taskq: %s cannot be run: %s\n", c->args.rest[0], strerror(missing));
        return EXIT_USAGE;
    }
    if (option_given(&c->args, "once"))
        n = 1;
    struct work w = {
        .address = option_get(&c->args, "address")->text,
        .queues = (const char *const *)c->args.positional,
        .nqueues = (size_t)c->args.count,
        .command = c->args.rest,
        .lease = option_number(&c->args, "lease", 0),
        .timeout = option_number(&c->args, "timeout", TASKQ_FOREVER),
        .grace = option_number(&c->args, "grace", GRACE),
        .once = option_given(&c->args, "once"),
        .json = c->json,
        .raw = option_given(&c->args, "raw"),
    };
    if (w.address != NULL &&
        setenv("TASKQ_ADDR", w.address, 1) < 0) // a `taskq` in the commands goes there too
        return EXIT_BROKEN;
    // Blocked before the first thread: they all inherit it, and the commands do not.
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    int signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    w.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int code = EXIT_BROKEN;
    if (signals >= 0 && w.ended >= 0)
        code = run(c, &w, n, signals);
    else
        fprintf(stderr, "taskq: no descriptor for signals: %s\n", strerror(errno));
    if (signals >= 0)
        close(signals);
    if (w.ended >= 0)
        close(w.ended);
    return code;
}

const struct command command_work = {
    .name = "work",
    .usage = "QUEUE… [-j N] [--once] [--timeout TIME] -- COMMAND…",
    .summary = "Run a command for each job",
    .help =
        "The body is on the command's standard input; TASKQ_ID, TASKQ_QUEUE, TASKQ_ATTEMPT and "
        "TASKQ_DELIVERY\n"
        "are in its environment, so that it can say how far it is with `taskq progress`. Exit code 0\n"
        "acknowledges the job, and what was printed is its result (as JSON if it is JSON, else as a "
        "string).\n"
        "Anything else is a failed attempt, with exit code, signal and the end of standard error in the "
        "job's\n"
        "error.\n\n"
        "A command whose job is cancelled (`taskq cancel --running`) or deleted is ended: TERM, and KILL "
        "after\n"
        "--grace. A command that cannot be started ends the work, and its job is given back uncounted.\n\n"
        "The first TERM or INT ends it after the jobs under way, the second tells their commands to end and\n"
        "gives the jobs back, the third kills. While the daemon is away it waits for it. With --json a line "
        "a\n"
        "finished attempt: {\"id\",\"queue\",\"attempt\",\"state\",\"seconds\"}.\n\n"
        "  taskq work thumbnails -j 4 --raw -- sh -c 'read file; convert \"$file\" -resize 200 "
        "\"$file.jpg\"'\n",
    .options = options,
    .min = 1,
    .max = 64,
    .takes_rest = true,
    .offline = true,
    .exec = exec,
};
