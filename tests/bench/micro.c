// Single operations, each by itself: the reader, the request's gate, the engine, the writer, and all of it
// from a line to its reply without a socket.
//
//     bench_micro              all operations: nanoseconds each
//     bench_micro NAME COUNT   one of them; where the processor lets itself be counted, its instructions too
//
// What is measured happens in bench_measured(), so that a tool can count that function alone
// (tests/bench/instructions.py does).
#include "common/clock.h"
#include "common/json_reader.h"
#include "server/engine/engine.h"
#include "server/hub.h"
#include "server/mailbox.h"
#include "server/rpc/arena.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/parse.h"
#include "server/rpc/reply.h"
#include "server/rpc/request.h"
#include "server/rpc/rpc.h"
#include "server/rpc/session.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINES 32 // that come in one read

static const char put_line[] =
    "{\"jsonrpc\":\"2.0\",\"id\":12,\"method\":\"put\",\"params\":{\"queue\":\"queue-1\",\"body\":"
    "{\"to\":\"someone@example.org\",\"template\":\"welcome\",\"attempt\":1,\"tags\":[\"a\",\"b\"],\"at\":"
    "1700000000}}}";
static const char body[] =
    "{\"to\":\"someone@example.org\",\"template\":\"welcome\",\"attempt\":1,\"tags\":[\"a\",\"b\"],"
    "\"at\":1700000000}";

static const struct slice body_slice = {body, sizeof body - 1};

struct micro {
    uint64_t count;
    uint64_t *ids;
    struct rpc rpc;
    struct mailbox mailbox;
    struct engine *engine; // the hub's
    struct engine_client *client;
    struct moment now;
    struct arena arena;
    struct session session;
    struct dispatch dispatch;
    struct buffer out, in;
    uint64_t sent; // bytes of replies
};

#define NOTHING       SIZE_MAX
#define COUNTER(name) offsetof(struct queue_counters, name)

struct operation {
    const char *name;
    void (*prepare)(struct micro *m); // not measured; may be NULL
    void (*run)(struct micro *m);     // m->count times
    size_t counter;                   // of the engine's: is m->count afterwards; or NOTHING
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_micro: %s\n", what);
    exit(1);
}

// ---- reader and writer

static void read_put(struct micro *m)
{
    for (uint64_t i = 0; i < m->count; i++) {
        struct json_reader r;
        struct json_value key, value;
        json_reader_init(&r, put_line, sizeof put_line - 1);
        if (json_reader_object_begin(&r))
            while (json_reader_member(&r, &key, &value))
                continue;
        must(json_reader_end(&r), "the line is not read");
    }
}

static void parse_put(struct micro *m)
{
    struct call call = {.rpc = &m->rpc, .arena = &m->arena, .session = &m->session};
    for (uint64_t i = 0; i < m->count; i++) {
        struct request r;
        request_parse(&call, put_line, sizeof put_line - 1, &r);
        must(!r.error && r.in.put.job, "the line is not a put");
        request_release(&r);
        arena_reset(&m->arena);
    }
}

static void write_put_reply(struct micro *m)
{
    for (uint64_t i = 0; i < m->count; i++) {
        buffer_clear(&m->out);
        reply_begin(&m->out, SLICE("12"));
        write_put(&m->out, 1000000 + i, false);
        reply_end(&m->out);
    }
    must(!m->out.failed && m->out.len > 40, "no reply");
}

static void write_get_reply(struct micro *m)
{
    const struct taken job = {.id = 1000000, .delivery = 4294967297, .attempt = 1, .body = body_slice};
    for (uint64_t i = 0; i < m->count; i++) {
        buffer_clear(&m->out);
        reply_begin(&m->out, SLICE("12"));
        write_taken(&m->out, SLICE("queue-1"), &job);
        reply_end(&m->out);
    }
    must(!m->out.failed && m->out.len > 100, "no reply");
}

// ---- engine

static void engine_puts(struct micro *m)
{
    const struct put_options plain = {0};
    for (uint64_t i = 0; i < m->count; i++) {
        struct put_result put;
        struct job *job = job_prepare(&plain, body_slice);
        must(job && !engine_put(m->engine, m->now, SLICE("queue-1"), job, NULL, 0, NULL, &put), "no put");
    }
}

static void engine_gets(struct micro *m)
{
    const struct slice queue = SLICE("queue-1");
    const struct get_options options = {.queues = &queue, .queue_count = 1, .max = 1};
    for (uint64_t i = 0; i < m->count; i++) {
        struct taken job;
        struct waiter *waiting;
        unsigned n;
        must(!engine_get(m->engine, m->now, m->client, &options, &job, &n, &waiting) && n == 1, "no get");
        m->ids[i] = job.id;
    }
}

static void engine_acks(struct micro *m)
{
    for (uint64_t i = 0; i < m->count; i++) {
        must(!engine_ack(m->engine, m->now, m->client, m->ids[i], 0, NULL), "no ack");
        jobs_free(engine_take_removed(m->engine));
    }
}

static void puts_and_gets(struct micro *m)
{
    engine_puts(m);
    engine_gets(m);
}

// ---- from lines to replies

static void take_output(struct session *s, const char *data, size_t len, const struct mark *marks, unsigned n)
{
    struct micro *m = (struct micro *)((char *)s - offsetof(struct micro, session));
    (void)data;
    (void)marks;
    (void)n;
    m->sent += len;
}

static void unblocked(struct session *s)
{
    (void)s;
}

static const struct dispatch_ops ops = {.send = take_output, .unblocked = unblocked};

static void lines_of(struct micro *m, const char *line)
{
    buffer_clear(&m->in);
    for (int i = 0; i < LINES; i++) {
        buffer_append(&m->in, line, strlen(line));
        buffer_append_byte(&m->in, '\n');
    }
    must(!m->in.failed, "no memory");
}

static void put_lines(struct micro *m)
{
    lines_of(m, put_line);
}

static void dispatch_lines(struct micro *m)
{
    for (uint64_t i = 0; i < m->count; i += LINES) {
        size_t used = dispatch_input(&m->dispatch, &m->session, m->in.data, m->in.len);
        dispatch_flush(&m->dispatch);
        must(used == m->in.len, "lines are left");
    }
}

static void get_lines(struct micro *m)
{
    put_lines(m);
    dispatch_lines(m);
    lines_of(m, "{\"jsonrpc\":\"2.0\",\"id\":12,\"method\":\"get\",\"params\":{\"queue\":\"queue-1\","
                "\"timeout\":0}}");
}

static const struct operation operations[] = {
    {"read_put", NULL, read_put, NOTHING},
    {"parse_put", NULL, parse_put, NOTHING},
    {"write_put_reply", NULL, write_put_reply, NOTHING},
    {"write_get_reply", NULL, write_get_reply, NOTHING},
    {"engine_put", NULL, engine_puts, COUNTER(put)},
    {"engine_get", engine_puts, engine_gets, COUNTER(taken)},
    {"engine_ack", puts_and_gets, engine_acks, COUNTER(done)},
    {"dispatch_put", put_lines, dispatch_lines, COUNTER(put)},
    {"dispatch_get", get_lines, dispatch_lines, COUNTER(taken)},
};
#define OPERATIONS (sizeof operations / sizeof *operations)

// ---- measuring

void bench_measured(const struct operation *o, struct micro *m);

__attribute__((noinline)) void bench_measured(const struct operation *o, struct micro *m)
{
    o->run(m);
    __asm__ volatile("" ::: "memory"); // so that this is no jump: the function ends here
}

// A counter of instructions in user space; -1 where the processor, or the machine it pretends to be, has
// none.
static int counter_open(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .disabled = 1,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void micro_init(struct micro *m, uint64_t count)
{
    const struct engine_config config = {.max_bytes = UINT64_MAX / 2,
                                         .max_queues = 1000,
                                         .max_waits = 1000,
                                         .start_number = 1,
                                         .first_id = 1,
                                         .seed = 1};
    *m = (struct micro){.count = count};
    m->ids = calloc(count, sizeof *m->ids);
    m->engine = engine_new(&config);
    must(m->ids && m->engine && mailbox_init(&m->mailbox), "no memory");
    m->rpc = (struct rpc){.hub = hub_new(m->engine),
                          .version = "0",
                          .durability = "memory",
                          .max_body = 1 << 20,
                          .max_request = 2 << 20,
                          .output_limit = 4 << 20,
                          .max_waits = 1000};
    must(m->rpc.hub && dispatch_init(&m->dispatch, &m->rpc, &ops, &m->mailbox), "no memory");
    m->session.dispatch = &m->dispatch;
    m->client = engine_client_new(m->engine, &m->mailbox);
    m->now = clock_now();
    must(m->client, "no memory");
}

static void micro_release(struct micro *m)
{
    while (!engine_client_close(m->engine, m->now, m->client))
        continue;
    dispatch_close(&m->dispatch, &m->session);
    dispatch_release(&m->dispatch);
    hub_free(m->rpc.hub);
    mailbox_release(&m->mailbox);
    arena_release(&m->arena);
    buffer_release(&m->out);
    buffer_release(&m->in);
    free(m->ids);
}

// Whether the jobs went where they should, and none of it was refused.
static void check(const struct operation *o, const struct micro *m)
{
    struct engine_info info;
    uint64_t did;
    if (o->counter == NOTHING)
        return;
    engine_info(m->engine, &info);
    memcpy(&did, (const char *)&info.counters + o->counter, sizeof did);
    must(did == m->count, "not all of it was done");
}

static void run(const struct operation *o, uint64_t count)
{
    struct micro m;
    uint64_t instructions = 0;
    micro_init(&m, count);
    if (o->prepare)
        o->prepare(&m);
    int counter = counter_open();
    if (counter >= 0)
        ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
    int64_t began = clock_ns();
    bench_measured(o, &m);
    int64_t took = clock_ns() - began;
    bool counted = counter >= 0 && ioctl(counter, PERF_EVENT_IOC_DISABLE, 0) == 0 &&
                   read(counter, &instructions, sizeof instructions) == sizeof instructions;
    if (counter >= 0)
        close(counter);
    check(o, &m);
    printf("%-16s %8.1f ns", o->name, (double)took / (double)count);
    if (counted)
        printf(" %8.0f instructions", (double)instructions / (double)count);
    printf("\n");
    micro_release(&m);
}

int main(int argc, char **argv)
{
    uint64_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 200000;
    bool found = false;
    count -= count % LINES;
    if (argc == 2 || argc > 3 || count == 0) {
        fputs("usage: bench_micro [NAME COUNT]\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < OPERATIONS; i++)
        if (argc == 1 || strcmp(argv[1], operations[i].name) == 0) {
            run(&operations[i], count);
            found = true;
        }
    must(found, "there is no such operation");
    return 0;
}
