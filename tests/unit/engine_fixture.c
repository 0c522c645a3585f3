#include "tests/unit/engine_fixture.h"

#include <stdio.h>
#include <string.h>

struct engine *e;
struct engine_client *client;
struct moment now;

const struct engine_config engine_config_usual = {.max_bytes = UINT64_C(1) << 32,
                                                  .max_queues = 1000000,
                                                  .max_waits = 10000,
                                                  .max_subscriptions = 10000,
                                                  .start_number = 3,
                                                  .first_id = 1,
                                                  .seed = 7};

void engine_setup_with(struct engine_config config)
{
    now = (struct moment){.mono = 1000, .wall = 1700000000000};
    e = engine_new(&config);
    MUST(e != NULL);
    client = engine_client_new(e, NULL);
    MUST(client != NULL);
}

void engine_setup(void)
{
    engine_setup_with(engine_config_usual);
}

void engine_teardown(void)
{
    confirm_all();
    while (!engine_client_close(e, now, client))
        ;
    confirm_all();
    engine_free(e);
}

uint64_t put_with(const char *queue, struct put_options options, const char *body)
{
    struct put_result out;
    struct job *j = job_prepare(&options, slice_of(body));
    MUST(j != NULL);
    MUST(engine_put(e, now, slice_of(queue), j, NULL, 0, NULL, &out) == ERROR_NONE);
    MUST(out.waiting == NULL);
    return out.id;
}

uint64_t put(const char *queue, double priority)
{
    return put_with(queue, (struct put_options){.priority = priority, .keep_result = -1}, "1");
}

struct waiter *put_waits(const char *queue, struct put_options options)
{
    struct put_result out;
    struct job *j = job_prepare(&options, SLICE("\"waits\""));
    MUST(j != NULL);
    MUST(engine_put(e, now, slice_of(queue), j, client, FOREVER, NULL, &out) == ERROR_NONE);
    MUST(out.waiting != NULL);
    return out.waiting;
}

struct waiter *get_waits(const char *queue)
{
    struct slice name = slice_of(queue);
    struct get_options o = {.queues = &name, .queue_count = 1, .max = 1, .timeout = FOREVER};
    struct taken out;
    unsigned count;
    struct waiter *w;
    MUST(engine_get(e, now, client, &o, &out, &count, &w) == ERROR_NONE);
    MUST(w != NULL);
    return w;
}

enum error try_get(const char *queue, struct taken *out)
{
    struct slice name = slice_of(queue);
    struct get_options o = {.queues = &name, .queue_count = 1, .max = 1};
    unsigned count;
    struct waiter *w;
    enum error error = engine_get(e, now, client, &o, out, &count, &w);
    if (!error) {
        MUST(count == 1);
        blob_unref(out->blob);
    }
    return error;
}

struct taken get(const char *queue)
{
    struct taken t;
    MUST(try_get(queue, &t) == ERROR_NONE);
    return t;
}

uint64_t get_id(const char *queue)
{
    return get(queue).id;
}

void pass(int64_t ms)
{
    now.mono += ms;
    now.wall += ms;
    for (int i = 0; i < 1000000; i++)
        if (engine_tick(e, now) > now.mono)
            return;
    ck_abort_msg("the engine wants to be called for ever");
}

struct waiter *completed(void)
{
    struct waiter *w = engine_take_completed(e);
    MUST(!w || !w->next);
    return w;
}

void confirm(struct waiter *w)
{
    engine_confirm(e, now, w);
}

unsigned confirm_all(void)
{
    unsigned n = 0;
    for (struct waiter *w = engine_take_completed(e), *next; w; w = next, n++) {
        next = w->next;
        engine_confirm(e, now, w);
    }
    return n;
}

void declare(const char *queue, const struct queue_settings *settings, unsigned named)
{
    struct queue_settings set;
    const char *why;
    MUST(engine_declare(e, now, slice_of(queue), settings, named, &set, &why) == ERROR_NONE);
}

void set_dead_letter(const char *queue, const char *to)
{
    struct queue_settings set = queue_settings_default;
    snprintf(set.dead_letter, sizeof set.dead_letter, "%s", to);
    declare(queue, &set, 1u << QUEUE_SETTING_dead_letter);
}

int state_of(uint64_t id)
{
    struct job_info info;
    return engine_job_info(e, now, id, &info) == ERROR_NONE ? (int)info.state : -1;
}

struct job_info info_of(uint64_t id)
{
    struct job_info info;
    MUST(engine_job_info(e, now, id, &info) == ERROR_NONE);
    return info;
}

struct queue_info queue_of(const char *name)
{
    struct queue_info info;
    MUST(engine_queue_info(e, now, slice_of(name), &info) == ERROR_NONE);
    return info;
}

struct engine_info totals(void)
{
    struct engine_info info;
    engine_info(e, &info);
    return info;
}
