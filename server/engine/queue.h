// A queue: its settings, its priority levels and the sets its jobs are in, who waits on it, and its counts.
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

#include "server/engine/core.h"
#include "server/engine/job.h"
#include "server/engine/journal.h"

// One priority of one queue. Jobs that were never handed out nor delayed stand in a list in the order of
// their ids; those that came back stand in a tree by id; a take compares the two heads. Exists while a job
// refers to it.
struct level {
    struct tree_node node;       // in the queue's `levels`
    struct tree_node ready_node; // in the queue's `ready_levels`, while a job of it is ready
    struct queue *queue;
    double priority;
    struct job *first, *last;
    struct tree back;
    uint64_t ready;
    uint64_t refs;
};

// A keyed put: found by queue and key while the job is unfinished and for key_for after.
struct key {
    struct table_node by_key;
    struct table_node by_id; // while it is kept
    struct queue *queue;
    uint64_t id;
    struct timer expiry;     // runs when the job is finished
    struct key *prev, *next; // of the queue's keys, while kept
    int64_t key_for;
    uint64_t hash;
    bool kept;       // its job is finished
    uint64_t marked; // the journal's: its mark's number; 0: none waits
    struct journal_place place;
    uint8_t len;
    char text[];
};

struct wait_link; // waiter.h
struct wait_list {
    struct wait_link *first, *last;
};

enum queue_work {
    QUEUE_WORK_NONE,
    QUEUE_WORK_EMPTY /* ready and delayed die */,
    QUEUE_WORK_DROP /* all go */
};

struct queue {
    // What nearly every call looks at stands together: with very many queues each line of it is waited for.
    struct table_node by_name;
    uint64_t hash;
    const struct queue_settings *settings; // the defaults, or its own once declared
    struct level *top;                     // the most urgent level with a ready job; NULL: none
    struct queue *settle_next;
    struct key *keys; // those whose jobs are finished; the others go with their jobs
    bool declared, paused, shut_down, shut_down_hard, dropped;
    bool to_settle, idle;
    uint8_t work; // enum queue_work: being emptied in slices
    uint8_t name_len;
    struct level zero; // priority 0, always there
    struct queue_gauges gauges;
    struct wait_list gets, puts, joins, results;
    struct queue_counters counters;
    struct tree levels, ready_levels;
    struct tree delayed, dead, finished; // by id
    struct tree_node ordered;
    struct table_node by_number; // once it is written down
    struct queue *idle_prev, *idle_next;
    struct queue *work_next;
    struct engine_client *owner; // it is dropped when this client goes; NULL: nobody's
    struct queue *owned_prev, *owned_next;
    int64_t idle_since;
    uint64_t heard_turn; // of the engine's listen_turn, as of which
    uint32_t heard_by;   // these listeners want its events
    uint64_t number;     // what it is called on disk
    uint64_t marked;     // the journal's, as for keys
    struct journal_place place;
    uint64_t result_bytes; // of finished jobs
    uint64_t dead_bytes;
    char name[];
};

uint64_t queue_hash(const struct engine *e, struct slice name);

// NULL: there is none.
struct queue *queue_find(const struct engine *e, struct slice name);

// The queue, made if need be. ERROR_OVERLOADED: no memory, or max_queues.
enum error queue_get(struct engine *e, struct slice name, struct queue **out) MUST_CHECK;

static inline struct slice queue_name(const struct queue *q)
{
    return (struct slice){q->name, q->name_len};
}

// Takes the name away at once, so that a put of the same name makes another queue; what is left of it goes in
// slices.
void queue_forget_name(struct engine *e, struct queue *q);

// Gives a queue to a client, whose it stays until it is dropped.
void queue_own(struct queue *q, struct engine_client *who);

// The queue goes with all its jobs, see engine_drop.
void queue_drop(struct engine *e, struct queue *q);

// Has the queue looked at before the call returns: waiters served, joins completed, an empty one set idle.
void queue_touch(struct engine *e, struct queue *q);

// What the queue is called on disk. NULL: there is none.
void queue_set_number(struct engine *e, struct queue *q, uint64_t number);
struct queue *queue_by_number(const struct engine *e, uint64_t number);

// Frees a queue that nothing refers to any more.
void queue_free(struct engine *e, struct queue *q);
bool queue_unused(const struct queue *q); // whether nothing refers to it
void queue_idle_remove(struct engine *e, struct queue *q);

// The level of a priority with one more reference; NULL: no memory.
struct level *level_get(struct queue *q, double priority);
void level_unref(struct level *l);

// Ready jobs in and out. job_move is the only caller.
void level_add(struct level *l, struct job *j, bool fresh);
void level_remove(struct level *l, struct job *j);

// The job that a take would get from this level / this queue now; NULL: none. The queue's says nothing of
// pause and concurrency: queue_takes does.
struct job *level_head(const struct level *l);
struct job *queue_head(const struct queue *q);
bool queue_takes(const struct queue *q);

// Whether a put has to wait.
bool queue_full(const struct queue *q);
bool queue_over(const struct queue *q); // shut down, and nothing is left to take nor can come back
uint64_t queue_unfinished(const struct queue *q);

int level_compare(const struct tree_node *a, const struct tree_node *b);
int level_ready_compare(const struct tree_node *a, const struct tree_node *b);
static inline struct level *level_of_ready(const struct tree_node *n)
{
    return n ? OWNER_OF(struct level, ready_node, n) : NULL;
}

int queue_compare(const struct tree_node *a, const struct tree_node *b);
static inline struct queue *queue_of_node(const struct tree_node *n)
{
    return n ? OWNER_OF(struct queue, ordered, n) : NULL;
}

// Keys. NULL: there is none.
struct key *key_find(const struct engine *e, const struct queue *q, struct slice text);
void key_add(struct engine *e, struct queue *q, struct key *k, uint64_t id);
void key_keep(struct engine *e, struct key *k); // its job is finished: it goes after key_for
void key_restore(struct engine *e, struct queue *q, struct key *k, uint64_t id,
                 int64_t until);                            // as kept before
void key_free(struct engine *e, struct key *k);             // out of the table if it is in it
struct key *key_by_id(const struct engine *e, uint64_t id); // a kept one; NULL: there is none
uint64_t key_id_hash(const struct table_node *n);
uint64_t queue_number_hash(const struct table_node *n);
uint64_t key_table_hash(const struct table_node *n);
uint64_t queue_table_hash(const struct table_node *n);

// Counts, for the queue and the daemon at once; of a dropped queue the daemon knows no more.
#define COUNT(e, q, counter) ((q)->counters.counter++, (e)->counters.counter++)
#define GAUGE(e, q, gauge, step)                                                                             \
    ((q)->gauges.gauge += (uint64_t)(step), (void)((q)->dropped || ((e)->gauges.gauge += (uint64_t)(step))))

#endif
