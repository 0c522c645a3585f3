#include "tests/model/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What a failure says: where we are. The only state that is not in the world, since fail may be called
// anywhere.
static struct {
    uint64_t seed;
    const char *storage;
    unsigned step, steps;
    bool verbose;
    char said[256];
} place;

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(place.said, sizeof place.said, format, args);
    va_end(args);
    if (place.verbose)
        fprintf(stderr, "%6u  %s\n", place.step, place.said);
}

void fail(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "seed %" PRIu64 ", step %u: %s\n  ", place.seed, place.step, place.said);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n  again, with every step: model -v -store=%s -seed=%" PRIu64 " -steps=%u\n",
            place.storage, place.seed, place.steps);
    fflush(stderr);
    _exit(1);
}

// splitmix64 (Steele, Lea, Flood 2014)
uint64_t any(struct world *w, uint64_t below)
{
    uint64_t x = w->chance += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % below;
}

bool one_in(struct world *w, unsigned n)
{
    return any(w, n) == 0;
}

int64_t any_duration(struct world *w)
{
    return 4 * (1 + (int64_t)any(w, one_in(w, 4) ? 2000 : 60));
}

int64_t any_timeout(struct world *w)
{
    return one_in(w, 3) ? 0 : one_in(w, 3) ? FOREVER : any_duration(w) + 2;
}

int any_client(struct world *w)
{
    return (int)any(w, CLIENTS);
}

int any_queue(struct world *w)
{
    return (int)any(w, one_in(w, 10) ? QUEUES : w->busy);
}

uint64_t any_id(struct world *w)
{
    struct model *m = w->m;
    if (m->job_count && !one_in(w, 16))
        return m->jobs[any(w, m->job_count)].id;
    if (m->gone_count && !one_in(w, 4))
        return m->gone[any(w, m->gone_count < 16 ? m->gone_count : 16)];
    return one_in(w, 2) ? m->last_id + 1 + any(w, 10) : any(w, UINT64_C(1) << 53);
}

void world_pass(struct world *w, int64_t ms)
{
    w->now.mono += ms;
    w->now.wall += ms;
    w->m->now = w->now;
}

void world_settle(struct world *w)
{
    for (struct waiter *c = engine_take_completed(w->e), *next; c; c = next) {
        next = c->next;
        if (hearing_takes(w, c))
            continue;
        if (c->kind == WAITER_PROGRESS) {
            news_came(w, c);
            continue;
        }
        const struct mwait *wait = model_wait(w->m, c);
        REQUIRE(wait && w->pending_count < MODEL_WAITS, "a completion of nothing that waits");
        REQUIRE(c->context == w && c->mailbox == (struct mailbox *)w && !c->orphan &&
                    (w->s || c->promise == 0),
                "a completion with another's context");
        struct pending *p = &w->pending[w->pending_count++];
        *p = (struct pending){.waiter = c,
                              .auto_ack = wait->auto_ack,
                              .client = wait->client,
                              .order = wait->order,
                              .notify = wait->notify};
        struct mwait *now = model_wait(w->m, c);
        p->forget = now->forget && !(now->kind == WAITER_PUT && c->kind == WAITER_RESULT);
        model_completed(w->m, c);
        if (c->error == ERROR_NONE
                ? c->kind == WAITER_PUT || c->kind == WAITER_RESULT || c->kind == WAITER_NOTIFY
                : c->error == ERROR_FAILED || c->error == ERROR_CANCELLED)
            storage_tell(w, c->id, c->promise);
    }
    model_settled(w->m);
    jobs_free(engine_take_removed(w->e));
}

void world_tick(struct world *w)
{
    int64_t next = w->now.mono;
    for (int i = 0; i < 100 && next <= w->now.mono; i++) {
        next = engine_tick(w->e, w->now);
        REQUIRE(next == engine_next_due(w->e, w->now), "a tick says another time than engine_next_due");
        model_tick(w->m);
        world_settle(w);
    }
    news_are_told(w);
    REQUIRE(next > w->now.mono, "the engine wants to be called for ever");
}

const struct operation_row operations[] = {
    {op_put, "put", 40},
    {op_get, "get", 34},
    {op_ack, "ack", 12},
    {op_nack, "nack", 12},
    {op_release, "release", 8},
    {op_lose, "lose", 2},
    {op_bury, "bury", 4},
    {op_touch, "touch", 8},
    {op_cancel, "cancel", 4},
    {op_result, "result", 12},
    {op_kick, "kick", 6},
    {op_delete, "delete", 4},
    {op_wait_cancel, "wait_cancel", 6},
    {op_confirm, "confirm", 24},
    {op_client_close, "close", 3},
    {op_declare, "declare", 5},
    {op_pause, "pause", 2},
    {op_resume, "resume", 4},
    {op_join, "join", 5},
    {op_shutdown, "shutdown", 1},
    {op_drop, "drop", 2},
    {op_sweep, "sweep", 2},
    {op_tick, "tick", 30},
    {op_jump, "jump", 12},
    {op_wall, "wall", 2},
    {op_submit, "submit", 16},
    {op_progress, "progress", 14},
    {op_news, "news", 4},
};
const unsigned operation_count = sizeof operations / sizeof *operations;

// One operation, by weights that differ from run to run, so that some see crowds and others shortages.
static operation *any_operation(struct world *w, const unsigned *weights)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < operation_count; i++)
        sum += weights[i];
    unsigned at = (unsigned)any(w, sum), i = 0;
    while (at >= weights[i])
        at -= weights[i++];
    return operations[i].run;
}

// Few enough jobs that comparing them all is cheap.
#define CROWD 60

// Whether somebody hears that it was done.
static bool answers(operation *o)
{
    return o != op_tick && o != op_jump && o != op_wall && o != op_client_close;
}

static void one_step(struct world *w, const unsigned *weights)
{
    operation *o = any_operation(w, weights);
    if ((o == op_put || o == op_submit) && w->m->job_count > CROWD)
        o = op_delete;
    if (w->pending_count > 40)
        o = op_confirm;
    if (one_in(w, 4))
        world_pass(w, 4 * (int64_t)any(w, 6));
    if (w->s)
        promises_begin(&w->s->promises, w->m);
    w->promise = 0;
    o(w);
    uint64_t promise = w->promise ? w->promise : engine_promise(w->e);
    world_settle(w);
    if (w->s)
        promises_end(&w->s->promises, w->m, answers(o) ? promise : NOBODY);
    compare(w, place.step % 8 == 0);
    storage_step(w);
}

void world_drain(struct world *w)
{
    say("drain");
    engine_drain(w->e);
    w->m->draining = true;
    for (unsigned i = 0; i < w->m->wait_count; i++) {
        struct mwait *wait = &w->m->waits[i];
        if (!wait->over && wait->kind != WAITER_NOTIFY) {
            wait->over = true;
            wait->error = ERROR_DRAINING;
        }
    }
    world_settle(w);
    compare(w, true);
}

static void close_all(struct world *w)
{
    for (int c = 0; c < CLIENTS; c++) {
        say("close client %d for good", c);
        while (!engine_client_close(w->e, w->now, w->clients[c]))
            ;
        model_client_gone(w->m, c);
        world_settle(w);
        compare(w, true);
    }
    while (w->pending_count)
        world_confirm(w, 0);
    world_settle(w);
    compare(w, true);
}

// Everything goes, and with it every byte.
static void end(struct world *w)
{
    struct engine_info info;
    say("a day passes");
    for (int i = 0; i < 3; i++) {
        world_pass(w, 90000000);
        world_tick(w);
        compare(w, true);
    }
    while (w->m->job_count) {
        struct mjob *j = &w->m->jobs[any(w, w->m->job_count)];
        say("delete id=%" PRIu64 " at the end", j->id);
        REQUIRE(engine_delete(w->e, w->now, j->id) == ERROR_NONE, "a job cannot be deleted");
        MODEL_COUNT(w->m, j->queue, deleted);
        model_remove(w->m, j);
        world_settle(w);
    }
    compare(w, true);
    world_pass(w, 600000);
    world_tick(w);
    for (int q = 0; q < QUEUES; q++) {
        uint64_t count = 0;
        say("drop queue %d at the end", q);
        enum error got = engine_drop(w->e, w->now, queue_text(q), &count);
        REQUIRE(got == (model_used(w->m, q) ? ERROR_NONE : ERROR_NOT_FOUND), "drop says %s", error_name(got));
        REQUIRE(count == 0, "a job is left over");
        model_drop(w->m, q);
    }
    world_settle(w);
    world_tick(w);
    engine_info(w->e, &info);
    storage_settle(w);
    REQUIRE(storage_empty(w), "something is left on the disk");
    REQUIRE(info.queues == 0 && info.clients == 0 && info.bytes == 0, "queues or clients are left over");
}

void world_run(enum storage_kind kind, uint64_t seed, unsigned steps, bool verbose,
               struct storage_totals *totals)
{
    static struct model model;
    struct world w = {.m = &model, .chance = seed, .now = {.mono = 4000, .wall = 1700000000000}};
    struct engine_config config = {.max_bytes = UINT64_C(1) << 30,
                                   .max_queues = 100,
                                   .max_waits = 4 + (uint32_t)any(&w, 8),
                                   .max_subscriptions = 1 + (uint32_t)any(&w, 12),
                                   .start_number = 1 + (uint32_t)any(&w, 1000),
                                   .first_id = 1 + any(&w, 1000),
                                   .seed = seed};
    place.seed = seed;
    place.storage = storage_name(kind);
    place.step = 0;
    place.steps = steps;
    place.verbose = verbose;
    model_init(&model, &config);
    model.now = w.now;
    if (kind == STORAGE_NONE) {
        w.e = engine_new(&config);
        REQUIRE(w.e, "no memory");
        for (int c = 0; c < CLIENTS; c++)
            world_connect(&w, c);
        if (one_in(&w, 2))
            hearing_begin(&w);
    } else {
        storage_new(&w, kind, &config);
    }

    w.busy = 1 + (unsigned)any(&w, QUEUES);
    unsigned weights[64];
    for (unsigned i = 0; i < operation_count; i++)
        weights[i] = operations[i].weight * (1 + (unsigned)any(&w, 4));
    unsigned drain_at = any(&w, 3) == 0 ? steps - steps / 10 : UINT32_MAX;
    for (place.step = 1; place.step <= steps; place.step++) {
        if (place.step == drain_at)
            world_drain(&w);
        one_step(&w, weights);
    }
    hearing_end(&w);
    close_all(&w);
    if (one_in(&w, 2)) // otherwise the engine is freed with all that it has
        end(&w);
    engine_free(w.e);
    if (w.s)
        storage_count(w.s, totals);
    storage_free(w.s);
}
