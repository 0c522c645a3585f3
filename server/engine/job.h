// A job, and the one function that changes its state. State is location: each state has its containers, and
// job_move takes a job out of the old ones and puts it into the new.
//
//   put ─► delayed ─► ready ─► reserved ─► done ─► gone
//            ▲         │ ▲ │       │ └────► dead ──► gone
//            │         │ │ │       │
//            └─ nack, lease over, released, lost
//   delayed and ready may also become dead, cancelled or gone at once; reserved becomes cancelled when the
//   holder of a job that was cancelled meanwhile lets go of it.
#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

#include "server/engine/core.h"

// Beside the states that the world sees: in no container (not put yet, or on its way to another queue), and
// removed.
enum { JOB_NOWHERE = JOB_STATE_COUNT, JOB_GONE, JOB_PLACE_COUNT };

enum job_flag {
    JOB_FRESH = 1,        // ready: in its level's list, not in the tree of those that came back
    JOB_BLOB = 2,         // the body is a blob; `data` holds the pointer
    JOB_SUBMIT = 4,       // its outcome is kept
    JOB_DETACHED = 8,     // reserved: the lease is not bound to a connection
    JOB_HANDING = 16,     // reserved for a waiter whose reply is not on its stream yet
    JOB_WALL = 32,        // delayed until a time of the wall clock
    JOB_BODY_DIRTY = 64,  // the journal's: what never changes is to be written (again)
    JOB_HEAD_DIRTY = 128, // the journal's: what changes is to be written
};

// Bodies up to this stand in the job itself: one allocation, no indirection; above it copying costs more than
// sharing.
#define JOB_INLINE_MAX 4096

// What only some jobs have.
struct extra {
    struct job *job;
    struct timer expiry;   // `expires`
    int64_t lease;         // 0: the queue's
    int64_t keep_result;   // -1: the queue's
    int64_t held_lease;    // what the consumer asked for with its get; 0: nothing
    int64_t held_since;    // by whoever has it, once its lease was renewed; 0: the lease tells
    int64_t at;            // wall clock, for JOB_WALL
    uint32_t max_attempts; // 0: the queue's
    bool expired;          // its time passed while it was reserved
    bool cancelling;       // reserved: it ends as cancelled when its holder lets go of it
    bool keyless;          // while loading: its key was given up
    bool failed;           // the future has failed: for good when it moved to a dead-letter queue
    uint8_t reason;        // enum dead_reason, with `failed`
    uint16_t account;      // number of the one it is charged to; 0: none
    uint32_t failed_attempts;
    uint32_t lease_start; // the start number of the present delivery token where that is an earlier start's;
                          // 0: this one's
    uint32_t body_length, head_length; // the journal's: of the records on disk
    struct tree_node at_node;
    struct key *key;
    struct wait *results; // who waits for the outcome
    struct blob *result, *error;
    struct progress *progress; // reserved: how far its holder says it is; NULL: nothing was said
    struct blob *origin;       // the queue in which it died first
};

// 92 bytes before the body: with a body of 100, malloc's own and 10 in the map of ids, 218 bytes a job.
struct job {
    struct level *level; // its priority in its queue
    uint64_t id : 53;    // also its place in the order: a job that comes back takes its old one
    uint64_t state : 3;
    uint64_t flags : 8;
    uint64_t created : 48; // wall clock
    uint64_t attempts : 16;
    struct timer timer; // delayed: due; reserved: the lease; kept ones: until they go; ready: not waiting,
                        // but its time is when that began. note: times lost; mark: why it is dead
    union {
        struct {
            struct job *prev, *next; // fresh, or in its holder's list
        };
        struct tree_node node; // by id: came back, delayed, dead, finished
    };
    struct extra *extra; // NULL: nothing out of the ordinary
    uint32_t holder;     // number of the client, while reserved
    uint32_t len;        // of the body
    uint32_t handouts;
    uint32_t head_segment, body_segment; // the journal's: where it stands on disk
    char data[];
};

// What its holder said last. Those who wait are told at once, and then not before the pause is over.
struct progress {
    struct job *job;
    struct timer pause;
    bool news;       // that nobody was told of yet
    uint64_t number; // no other text of this engine has it
    struct blob *text;
};

struct slice job_body(const struct job *j);
struct blob *job_body_blob(const struct job *j); // NULL: it is inline
struct queue *job_queue(const struct job *j);
uint64_t job_bytes(const struct job *j); // what it counts for against max_bytes and the queue's bytes

// The extra part, made if need be; NULL: no memory. `e` is NULL for a job that is not put yet: its bytes do
// not count.
struct extra *job_extra(struct engine *e, struct job *j);

// Neighbouring ids stay neighbours, eight to a cache line of the table: most are put and taken in order. The
// rest of the id is mixed, so that survivors at regular distances do not share buckets.
static inline uint64_t job_id_hash(uint64_t id)
{
    uint64_t x = (id >> 3) * 0x9e3779b97f4a7c15u;
    return ((x ^ (x >> 29)) << 3) | ((id ^ (x >> 61)) & 7);
}

// NULL: there is none (or its queue was dropped).
struct job *job_find(const struct engine *e, uint64_t id);

// What the put asked for, while it is kept in the links of a job in no container.
double job_wanted_priority(const struct job *j);

// Whether a is more urgent than b; both ready, in any queues.
bool job_before(const struct job *a, const struct job *b);

// Its key goes with it, or stays for key_for where the job is finished.
void job_give_up_key(struct engine *e, struct job *j);

// Moves a job to a place. Which moves there are is a table; anything else is a bug. `until` is when its timer
// runs out there, ignored where the place has none. Counts, containers and timers follow; waiters and journal
// are told.
void job_move(struct engine *e, struct job *j, unsigned place, int64_t until);

// Puts a job that is in no container (new, or being moved) under another queue's level. Takes the level's
// reference.
void job_set_level(struct engine *e, struct job *j, struct level *level_take);

// Replaces the job's error or result by one that is referenced; the bytes that it counts for follow. Only
// while the job is in no container that counts its bytes for itself (done, dead).
void job_set_error(struct engine *e, struct job *j, struct blob *error);
void job_set_result(struct engine *e, struct job *j, struct blob *result);

// Replaces what is known of its progress; NULL: nothing. False: no memory.
bool job_set_progress(struct engine *e, struct job *j, struct blob *text);

static inline bool job_cancelling(const struct job *j)
{
    return j->extra && j->extra->cancelling;
}

int job_compare(const struct tree_node *a, const struct tree_node *b); // by id

static inline struct job *job_of_node(const struct tree_node *n)
{
    return n ? OWNER_OF(struct job, node, n) : NULL;
}

int at_compare(const struct tree_node *a, const struct tree_node *b);
static inline struct extra *extra_of_at(const struct tree_node *n)
{
    return n ? OWNER_OF(struct extra, at_node, n) : NULL;
}

#endif
