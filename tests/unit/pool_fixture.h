// What the tests of the pool have in common: a daemon without a network, made of engine, hub, ticker, spawner
// and pool.
#ifndef TESTS_UNIT_POOL_FIXTURE_H
#define TESTS_UNIT_POOL_FIXTURE_H

#include "server/engine/engine.h"
#include "server/hub.h"
#include "server/pool/pool.h"
#include "server/pool/spawner.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#define PATIENCE_MS 30000 // how long a test waits for what must happen before it fails

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

// Made anew for each test, in a process of its own.
extern struct hub *hub;
extern struct spawner *spawner;
extern struct pool *pool;

void daemon_setup(void);
void daemon_teardown(void); // stops the pool, if there is one

// Handlers are described, and then started together.
struct handler_settings *handler_add(const char *name, enum handler_kind kind);
struct handler_settings *exec_add(const char *name, const char *const *argv);
void handlers_start(void);
void handlers_forget(void);               // what was described, so that others can be
struct pool_changes handlers_apply(void); // the running pool's handlers are those described, from now on
void resize(const char *handler, unsigned workers);
void pool_end(void); // pool_free

#define ARGV(...)            ((const char *const[]){__VA_ARGS__, NULL})
#define SH(script)           ARGV("sh", "-c", script)
#define RUN_SH(name, script) (exec_add(name, SH(script)), handlers_start())

// Producers and admins.
uint64_t put(const char *queue, const char *body);            // of one attempt, its outcome is kept
uint64_t put_size(const char *queue, char fill, size_t size); // a JSON string of so many bytes
uint64_t put_attempts(const char *queue, const char *body, uint32_t attempts);
void declare_backoff(const char *queue, int64_t base_ms);
void remove_job(uint64_t id);
void cancel_running(uint64_t id); // also one that is not reserved
void drop_queue(const char *queue);
void shut_down(const char *queue);
struct queue_gauges gauges(const char *queue);

// What a job is now. False: there is none. Texts are cut to fit.
struct job_view {
    enum job_state state;
    enum dead_reason reason;
    uint32_t attempts, lost;
    int64_t left;
    bool cancelling;
    char progress[128]; // its members
};
bool look(uint64_t id, struct job_view *view);

// How a job ended; waits for it. What is wrong fails the test and is shown.
void expect_result(uint64_t id, const char *text); // done; NULL: without a result
void expect_cancelled(uint64_t id);
void expect_failure(uint64_t id, const char *text);      // dead for its attempts, with this error
void expect_failure_with(uint64_t id, const char *part); // dead, and its error has this in it
void expect_buried(uint64_t id);
struct outcome wait_outcome(uint64_t id); // the caller gives the references back
void outcome_release(struct outcome *o);

// It is ready again, and that costs it neither an attempt nor a loss.
void expect_untouched(uint64_t id);

// Waits until the job is reserved, or in that state.
void wait_state(uint64_t id, enum job_state state);
void wait_running(const char *handler, unsigned jobs); // in pool_info
void wait_drained(void);

// Waits until the condition holds; looks every few milliseconds.
#define WAIT_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        int64_t until_ = clock_now().mono + PATIENCE_MS;                                                     \
        while (!(condition)) {                                                                               \
            ck_assert_msg(clock_now().mono < until_, "waited in vain for: %s", #condition);                  \
            look_away();                                                                                     \
        }                                                                                                    \
    } while (0)
void look_away(void);

struct handler_view {
    unsigned workers, running;
    uint64_t done, failed;
    uint64_t first_job;
    int64_t first_running_ms;
    bool daemon;
    char kind[16];
};
struct handler_view handler_look(const char *name);
// The one of this name that takes jobs, or one that finishes its last. False: there is none.
bool handler_find(const char *name, bool draining, struct handler_view *view);

// A process is alive (a zombie is not).
bool alive(int pid);
// The number that a file holds, once it holds one.
int wait_pid_file(const char *path);
const char *
scratch(const char *name); // a path in a folder that goes after the test; valid until the next eight calls

// What is logged goes to a file, and then comes back as a text that ends with a NUL; valid until the test
// ends.
void log_begin(void);
struct slice log_end(void);

size_t count_descriptors(int pid);
void expect_no_children_of_spawner(void); // soon: who was killed is reaped a moment later

int pool_test_main(const char *name, const TTest *const *tests);

#endif
