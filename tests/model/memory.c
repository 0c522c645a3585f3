// The engine without memory: random operations while allocations fail at random. Each call either does all
// that it is for or says `overloaded` and leaves everything as it was; nothing is lost, leaked or used after
// it was freed.
#include "tests/model/world.h"

#include "server/engine/core.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS 60000

static struct {
    uint64_t chance;
    bool scarce; // allocations may fail now
    unsigned step;
    uint64_t failed;
    struct engine *e;
    struct engine_client *client;
    struct moment now;
} t = {.chance = 1, .now = {.mono = 1000, .wall = 1700000000000}};

static unsigned below(unsigned n)
{
    t.chance = t.chance * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(t.chance >> 33) % n;
}

void fail(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "step %u: ", t.step);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    _exit(1);
}

// ---- the linker puts these in the place of malloc and its kin

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool denied(void)
{
    bool no = t.scarce && below(6) == 0;
    t.failed += no;
    return no;
}

void *__wrap_malloc(size_t size)
{
    return denied() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return denied() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return denied() ? NULL : __real_realloc(p, size);
}

// ---- operations

static struct slice some_queue(void)
{
    static const char *const names[] = {"a", "b", "c", "letters"};
    return slice_of(names[below(4)]);
}

static uint64_t some_job(void)
{
    uint64_t newest = t.e->next_id;
    return newest > 40 ? newest - 1 - below(40) : 1 + below(40);
}

static enum error put(void)
{
    static const char body[5000];
    struct put_options o = {.priority = below(4), .keep_result = -1, .submit = below(2)};
    o.delay = below(4) ? 0 : 50;
    o.at = below(8) ? 0 : t.now.wall + 70;
    o.delay = o.at ? 0 : o.delay;
    o.key = below(4) ? (struct slice){NULL, 0} : SLICE("key");
    o.expires = below(6) ? 0 : 90;
    struct job *j = job_prepare(&o, (struct slice){body, below(10) ? 10 : sizeof body});
    struct put_result out;
    if (!j)
        return ERROR_OVERLOADED;
    enum error error = engine_put(t.e, t.now, some_queue(), j, t.client, below(2) ? 0 : 40, NULL, &out);
    if (error)
        job_discard(j);
    return error;
}

static enum error submit(void)
{
    struct put_options o = {.keep_result = -1, .submit = true, .watched = true};
    struct watch_options watch = {.call = below(2), .progress = below(2)};
    o.key = below(4) ? (struct slice){NULL, 0} : SLICE("key");
    struct job *j = job_prepare(&o, SLICE("1"));
    struct put_result out;
    struct outcome outcome = {0};
    if (!j)
        return ERROR_OVERLOADED;
    enum error error =
        engine_submit(t.e, t.now, some_queue(), j, t.client, below(2) ? 0 : 40, NULL, &watch, &out, &outcome);
    if (error && !out.id)
        job_discard(j);
    blob_unref(outcome.result);
    blob_unref(outcome.error);
    return error;
}

static enum error report(void)
{
    bool yes;
    if (below(4) == 0)
        return engine_cancel(t.e, t.now, some_job(), true, &yes);
    struct blob *b = blob_new(SLICE("\"done\":1"));
    enum error error = b ? engine_progress(t.e, t.now, t.client, some_job(), 0, b) : ERROR_OVERLOADED;
    blob_unref(b);
    return error;
}

static enum error get(void)
{
    struct slice names[] = {SLICE("a"), SLICE("b"), SLICE("letters")};
    struct get_options o = {.queues = names, .queue_count = 1 + below(3), .max = 1 + below(3)};
    o.timeout = below(2) ? 0 : 60;
    o.lease = below(2) ? 0 : 30;
    o.auto_ack = below(4) == 0;
    struct taken out[3];
    unsigned count;
    struct waiter *w;
    enum error error = engine_get(t.e, t.now, t.client, &o, out, &count, &w);
    for (unsigned i = 0; i < count; i++)
        blob_unref(out[i].blob);
    return error;
}

static enum error finish(void)
{
    struct blob *b = blob_new(SLICE("\"text\""));
    struct nack_result out;
    double priority = below(9);
    enum error error = ERROR_NONE;
    switch (below(4)) {
    case 0:
        error = engine_ack(t.e, t.now, t.client, some_job(), 0, b);
        break;
    case 1:
        error = engine_nack(t.e, t.now, t.client, some_job(), 0, b, below(2) ? -1 : 20, &out);
        break;
    case 2:
        error = engine_release(t.e, t.now, t.client, some_job(), 0, 0, &priority);
        break;
    case 3:
        error = engine_bury(t.e, t.now, t.client, some_job(), 0, b);
    }
    blob_unref(b);
    return error;
}

static enum error wait_for_outcome(void)
{
    struct outcome out = {0};
    struct waiter *w;
    enum error error =
        engine_result(t.e, t.now, some_job(), below(4), t.client, below(2) ? 0 : 40, NULL, &out, &w);
    blob_unref(out.result);
    blob_unref(out.error);
    return error;
}

static enum error administer(void)
{
    struct queue_settings s = queue_settings_default, out;
    const char *why;
    struct waiter *w;
    uint64_t count;
    s.maxsize = below(2) ? 0 : 5;
    s.max_attempts = 2;
    s.backoff_base = 10;
    s.keep_dead = 300;
    snprintf(s.dead_letter, sizeof s.dead_letter, "%s", below(2) ? "letters" : "");
    switch (below(6)) {
    case 0:
        return engine_drop(t.e, t.now, some_queue(), &count);
    case 1:
        return engine_join(t.e, t.now, some_queue(), t.client, 30, NULL, &w);
    case 2:
        return engine_pause(t.e, t.now, some_queue());
    case 3:
        return engine_shutdown(t.e, t.now, some_queue(), below(2));
    default:
        return engine_declare(t.e, t.now, some_queue(), &s, below(1u << QUEUE_SETTING_COUNT), &out, &why);
    }
}

static void confirm_all(void)
{
    for (struct waiter *w = engine_take_completed(t.e), *next; w; w = next) {
        next = w->next;
        engine_confirm(t.e, t.now, w);
    }
    jobs_free(engine_take_removed(t.e));
}

static void reconnect(void)
{
    while (!engine_client_close(t.e, t.now, t.client))
        ;
    confirm_all();
    while (!(t.client = engine_client_new(t.e, NULL)))
        ;
}

static void tick(void)
{
    t.now.mono += below(40);
    t.now.wall += below(40);
    engine_tick(t.e, t.now);
}

static void one_step(void)
{
    struct engine_info before, after;
    engine_info(t.e, &before);
    enum error error = ERROR_NONE;
    unsigned which = below(24);
    t.scarce = true;
    if (which < 7)
        error = put();
    else if (which < 11)
        error = get();
    else if (which < 15)
        error = finish();
    else if (which < 16)
        error = wait_for_outcome();
    else if (which < 17)
        error = administer();
    else if (which < 19)
        tick();
    else if (which < 21)
        error = submit();
    else if (which < 23)
        error = report();
    else if (below(10) == 0)
        reconnect();
    engine_info(t.e, &after);
    if (error == ERROR_OVERLOADED) {
#define X(name, metric, label, text)                                                                         \
    REQUIRE(before.gauges.name == after.gauges.name, "an overloaded call changed " #name);
        QUEUE_GAUGES(X)
#undef X
#define X(name, metric, label, text)                                                                         \
    REQUIRE(before.counters.name == after.counters.name, "an overloaded call counted " #name);
        QUEUE_COUNTERS(X)
#undef X
    }
    confirm_all();
    t.scarce = false;
    invariants(t.e);
}

int main(void)
{
    struct engine_config config = {.max_bytes = 1 << 20,
                                   .max_queues = 4,
                                   .max_waits = 20,
                                   .max_subscriptions = 20,
                                   .start_number = 1,
                                   .first_id = 1,
                                   .seed = 5};
    t.e = engine_new(&config);
    t.client = engine_client_new(t.e, NULL);
    for (t.step = 0; t.step < STEPS; t.step++)
        one_step();
    while (!engine_client_close(t.e, t.now, t.client))
        ;
    confirm_all();
    engine_free(t.e);
    // An engine that cannot even be made.
    for (int i = 0; i < 1000; i++) {
        t.scarce = true;
        struct engine *e = engine_new(&config);
        t.scarce = false;
        engine_free(e);
    }
    REQUIRE(t.failed > STEPS / 100, "only %" PRIu64 " allocations failed", t.failed);
    printf("%d steps, %" PRIu64 " allocations failed\n", STEPS, t.failed);
    return EXIT_SUCCESS;
}
