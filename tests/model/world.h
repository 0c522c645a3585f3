// One run: an engine and its model, a virtual clock, chance, and the operations that are done to both.
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include "tests/model/model.h"
#include "tests/model/storage.h"

// A completed waiter that is not confirmed yet.
struct pending {
    struct waiter *waiter;
    bool auto_ack, forget;
    int client;
    uint64_t order;  // of the wait; of news: of the wait that they are for
    uint64_t notify; // as in a wait
    bool took;       // news: their text was taken
};

struct world {
    struct engine *e;
    struct storage *s; // NULL: the engine alone
    struct model *m;
    struct moment now;
    uint64_t chance;
    struct engine_client *clients[CLIENTS];
    struct pending pending[MODEL_WAITS];
    unsigned pending_count;
    uint64_t promise;        // of the operation's last call that said yes, where others came after it
    unsigned busy;           // how many queues are used most
    unsigned texts;          // the last number given to a text
    struct hearing *hearing; // NULL: nobody listens
};

// What is being done, for a message and for -v.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- chance
uint64_t any(struct world *w, uint64_t below); // 0 … below - 1
bool one_in(struct world *w, unsigned n);

// ---- operations: each does the same to both and compares what they say
typedef void operation(struct world *w);
struct operation_row {
    operation *run;
    const char *name;
    unsigned weight;
};
extern const struct operation_row operations[];
extern const unsigned operation_count;

operation op_put, op_get, op_ack, op_nack, op_release, op_lose, op_bury, op_touch;  // ops_job.c
operation op_cancel, op_result, op_kick, op_delete;                                 // ops_future.c
operation op_submit, op_progress, op_news;                                          // ops_watch.c
operation op_wait_cancel, op_confirm, op_client_close;                              // ops_client.c
operation op_declare, op_pause, op_resume, op_join, op_shutdown, op_drop, op_sweep; // ops_queue.c
operation op_tick, op_jump, op_wall;                                                // ops_time.c

// A job of any state, now and then one that is gone or never was.
uint64_t any_id(struct world *w);
int any_client(struct world *w);
int any_queue(struct world *w);

// A client, charged to one of two accounts or to none: what they have is among the invariants.
void world_connect(struct world *w, int client);

// After every operation: takes the engine's completions and compares everything.
void world_settle(struct world *w);

// The time goes on; the engine is not told. It is a multiple of 4 ms, and so are most durations; what
// `expires` is due one after such a moment and a wait's end two, so that no two of them meet that could be
// done in either order.
void world_pass(struct world *w, int64_t ms);
void world_tick(struct world *w);
int64_t any_duration(struct world *w); // a multiple of 4, above 0
int64_t any_timeout(struct world *w);

void world_confirm(struct world *w, unsigned pending);

// ---- ops_job.c, for others
struct claim {
    uint64_t id, delivery;
    int client; // NONE: NULL is given
    enum error want;
    struct mjob *job; // with ERROR_NONE or ERROR_CANCELLED
};
struct claim any_claim(struct world *w, const char *what);
struct engine_client *claimant(const struct world *w, const struct claim *c);
unsigned any_note(struct world *w, char kind, struct blob **blob);
void any_put_options(struct world *w, struct put_options *o, struct mjob *j);

// ---- ops_watch.c
void news_came(struct world *w, struct waiter *c);
void news_confirm(struct world *w, const struct pending *p);
void news_are_told(struct world *w); // none is held back for longer than it may be
void world_drain(struct world *w);

// ---- hearing.c
void hearing_begin(struct world *w);
bool hearing_takes(struct world *w, struct waiter *c); // false: it is no news of that kind
void hearing_end(struct world *w);

// ---- compare.c
void compare(struct world *w, bool deep);
// ---- invariants.c: what must hold inside the engine
void invariants(struct engine *e);

// A run of so many operations from a seed, and the end of it: nothing is left.
void world_run(enum storage_kind kind, uint64_t seed, unsigned steps, bool verbose,
               struct storage_totals *totals);

#endif
