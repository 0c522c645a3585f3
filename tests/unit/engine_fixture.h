// An engine with a virtual clock and one client, for the tests of the engine's files. What can only go wrong
// by a bug is asserted here, so that a test says what it is about.
#ifndef TESTS_UNIT_ENGINE_FIXTURE_H
#define TESTS_UNIT_ENGINE_FIXTURE_H

#include "server/engine/core.h"
#include "server/engine/engine.h"
#include "server/engine/job.h"
#include "server/engine/queue.h"
#include "server/engine/retry.h"
#include "server/engine/waiter.h"

#include <check.h>
#include <stdlib.h>

// As ck_assert, for what is done very often: Check writes each of its assertions to a pipe.
#define MUST(condition) ((condition) ? (void)0 : ck_abort_msg("not so: %s", #condition))

// Of the test that runs.
extern struct engine *e;
extern struct engine_client *client;
extern struct moment now;

void engine_setup(void);
void engine_setup_with(struct engine_config config);
extern const struct engine_config engine_config_usual;
void engine_teardown(void); // everything goes; what is forgotten shows as a leak

// Puts a job that must be let in at once.
uint64_t put_with(const char *queue, struct put_options options, const char *body);
uint64_t put(const char *queue, double priority);

// A put or get that waits, for ever.
struct waiter *put_waits(const char *queue, struct put_options options);
struct waiter *get_waits(const char *queue);

// The next job of a queue, without waiting.
enum error try_get(const char *queue, struct taken *out);
struct taken get(const char *queue); // there must be one
uint64_t get_id(const char *queue);

// Time passes and what is due is done.
void pass(int64_t ms);

// The one waiter that completed since the last call; NULL: none. More than one is a failure.
struct waiter *completed(void);
void confirm(struct waiter *w);
unsigned confirm_all(void); // how many there were

void declare(const char *queue, const struct queue_settings *settings, unsigned named);
#define SET(queue, field, value)                                                                             \
    do {                                                                                                     \
        struct queue_settings set = queue_settings_default;                                                  \
        set.field = value;                                                                                   \
        declare(queue, &set, 1u << QUEUE_SETTING_##field);                                                   \
    } while (0)
void set_dead_letter(const char *queue, const char *to);

// -1: there is no such job.
int state_of(uint64_t id);
struct job_info info_of(uint64_t id);
struct queue_info queue_of(const char *name);
struct engine_info totals(void);

#endif
