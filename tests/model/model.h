// A naive model of the engine: what the texts (the protocol, engine.h) say, over plain arrays that are
// scanned from end to end. It predicts what a call does; where several orders are right (which of two queues
// is served first) it checks that what the engine did is one of them.
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include "server/engine/engine.h"

#define QUEUES      5
#define CLIENTS     4
#define KEYS        3
#define MODEL_JOBS  2048
#define MODEL_WAITS 256
#define MODEL_KEYS  2048
#define NONE        (-1)

// A job. Its texts are numbers: body 7 is what body_text makes of 7; 0: none.
struct mjob {
    uint64_t id;
    int queue;
    enum job_state state;
    double priority;
    uint32_t attempts, lost, deliveries;
    uint32_t max_attempts; // 0: the queue's
    int64_t lease, held;   // its own, and what the holder's get asked for; 0: none
    int64_t created;
    int64_t until;   // delayed, reserved, kept: when that ends
    int64_t slack;   // `until` may be up to so much later: jitter, not seen yet
    bool wall;       // `until` is a time of the wall clock
    int64_t expires; // 0: never
    bool expired;    // while it was reserved
    int key;
    int64_t key_for;
    bool submit;
    int64_t keep_result;
    int holder;   // while reserved: a client, NONE: detached
    bool handing; // to a get of the client `hander` that is not confirmed yet
    int hander;
    bool doomed; // its queue was shut down at once: a tick to come ends it
    enum dead_reason reason;
    bool failed; // its future, which the first death decides
    enum dead_reason failed_reason;
    uint32_t failed_attempts;
    unsigned error, result, body;
    bool cancelling;     // while it is reserved, and
    unsigned progress;   // what its holder said last
    int64_t progress_at; // and when
    int origin;
    bool stored;          // it was in a durable queue once: it is on disk from then on
    uint32_t lease_start; // the start whose token the holder has; 0: this one
};

struct mkey {
    int queue, key;
    uint64_t id;
    int64_t until; // the job is finished: when it goes; 0: it is unfinished
    bool stored;
};

struct mwait {
    struct waiter
        *waiter; // the engine's, only compared (of a call, looked at); a subscription's is not known
    uint64_t order;
    uint32_t tag;    // notify: says which it is
    uint64_t notify; // put: the order of what its caller subscribed to, + 1
    bool silent;     // notify: its put is not confirmed
    bool call;       // put: then it waits for the result
    bool watch;      // result, notify: it is told of progress;
    bool flying;     // news are under way
    unsigned seen;   // the newest that it was given
    enum waiter_kind kind;
    int client;
    int64_t until;     // 0: never
    unsigned queues;   // those it waits at: bits
    int names[QUEUES]; // what queue_index points into
    struct mjob job;   // put
    uint64_t id;       // result, notify
    int64_t lease;
    bool auto_ack, detached, forget;
    bool over; // it has to complete now, with:
    enum error error;
    struct mjob end; // result: how the job ended
};

struct mqueue {
    bool declared, paused, shut_down, hard;
    int owner; // a client's number + 1; 0: nobody
    struct queue_settings settings;
    struct queue_counters counters;
};

struct model {
    struct moment now;
    bool draining;
    uint32_t max_waits, max_subscriptions;
    unsigned subscriptions[CLIENTS]; // until they are confirmed
    uint32_t tags;                   // given to subscriptions
    uint32_t start_number;
    uint64_t last_id;
    uint64_t order;
    struct mqueue queues[QUEUES];
    struct queue_counters counters; // of all queues that ever were
    struct daemon_counters more;
    uint64_t runs;                // of consumers, through with a job
    struct mjob jobs[MODEL_JOBS]; // by id
    unsigned job_count;
    struct mwait waits[MODEL_WAITS];
    unsigned wait_count;
    struct mkey keys[MODEL_KEYS];
    unsigned key_count;
    uint64_t gone[16]; // ids that are no more
    unsigned gone_count;
    // What went with its queue since all was on disk: the disk may see it once more before it hears of that.
    struct mjob dropped_jobs[MODEL_JOBS];
    unsigned dropped_job_count;
    struct mkey dropped_keys[MODEL_KEYS];
    unsigned dropped_key_count;
};

// Ends the test with a message; says which step of which seed it was.
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define REQUIRE(condition, ...) ((condition) ? (void)0 : fail(__VA_ARGS__))

struct slice queue_text(int queue);
struct slice key_text(int key);
struct slice body_text(unsigned n); // valid until the next call
struct slice note_text(char kind, unsigned n);

void model_init(struct model *m, const struct engine_config *config);

// ---- looking
struct mjob *model_job(struct model *m, uint64_t id); // NULL: none
struct mwait *model_wait(struct model *m, const struct waiter *w);
struct mwait *model_wait_of(struct model *m, uint64_t order); // NULL: it waits no more
uint64_t model_count(const struct model *m, int queue, enum job_state state);
uint64_t model_unfinished(const struct model *m, int queue);
uint64_t model_waiting(const struct model *m, int queue, enum waiter_kind kind);
unsigned model_client_waits(const struct model *m, int client);
bool model_full(const struct model *m, int queue);
bool model_over(const struct model *m, int queue);
bool model_takes(const struct model *m, int queue);
struct mjob *model_head(struct model *m, int queue); // NULL: none can be taken
struct mkey *model_key(struct model *m, int queue, int key);
bool model_used(const struct model *m, int queue);
int64_t model_lease(const struct model *m, const struct mjob *j);
uint64_t model_token(const struct model *m, const struct mjob *j);
int64_t model_next_due(const struct model *m);
enum error model_outcome(const struct mjob *j);
// The name of the first setting in which they differ; NULL: they do not.
const char *settings_differ(const struct queue_settings *a, const struct queue_settings *b);

// ---- life.c: what happens to a job
struct mjob *model_admit(struct model *m, const struct mjob *from, uint64_t id);
void model_hand_out(struct model *m, struct mjob *j, int client, int64_t lease, bool detached, bool handing);
void model_finish(struct model *m, struct mjob *j, enum job_state state, unsigned result);
void model_die(struct model *m, struct mjob *j, enum dead_reason reason, unsigned error);
void model_remove(struct model *m, struct mjob *j);
void model_kick(struct model *m, struct mjob *j);
// Its holder lets go of it.
void model_let_go(struct mjob *j);

enum model_back { MODEL_FAILED, MODEL_LEASE_OVER, MODEL_LOST, MODEL_RELEASED };
// delay -1: the backoff (released: none).
void model_come_back(struct model *m, struct mjob *j, enum model_back why, unsigned error, int64_t delay);
// The bounds of the pause after the n-th failure.
void model_backoff(const struct queue_settings *s, uint32_t n, int64_t *low, int64_t *high);

// ---- what calls do beside that
void model_tick(struct model *m);
void model_drop(struct model *m, int queue);
void model_client_gone(struct model *m, int client);
struct mwait *model_wait_add(struct model *m, const struct mwait *wait, struct waiter *waiter);
// A subscription of a client's; `id` 0: its put waits.
struct mwait *model_subscribe(struct model *m, int client, uint64_t id, bool watch, uint32_t tag);
// The job of this id has ended or is gone already: whoever waits for its outcome hears of that.
void model_told_late(struct model *m, struct mwait *w, uint64_t id);
void model_wait_remove(struct model *m, struct mwait *w);

// Counts, in the queue and over all.
#define MODEL_COUNT(m, queue, counter) ((m)->queues[queue].counters.counter++, (m)->counters.counter++)

// ---- settle.c: checks one completion of the engine against what was possible, and carries it out
void model_completed(struct model *m, const struct waiter *w);
// Calls that were let in do not complete by that: those are carried out whose jobs have ids up to this.
void model_calls_let_in(struct model *m, uint64_t id);
// After the last one: nothing more was possible, and nothing that had to complete is left.
void model_settled(struct model *m);

#endif
