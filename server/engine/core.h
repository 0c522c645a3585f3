// What the engine's own files share: the engine object. Not for others.
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "server/engine/engine.h"
#include "server/engine/id_map.h"
#include "server/engine/table.h"
#include "server/engine/tree.h"
#include "server/engine/wheel.h"

#define SLICE_OF_WORK                   1000 // how many things one call touches at the most
#define SLICE_OF_TICK                   256  // and one tick, which nobody has asked for: others want the lock
#define QUEUE_LINGER                    60000 // ms that an empty queue stays, so that it is not made again for each job
#define OWNER_OF(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

// What a timer is part of: its `kind`.
enum timer_kind { TIMER_JOB, TIMER_EXPIRY, TIMER_KEY, TIMER_WAIT, TIMER_PROGRESS, TIMER_EVENTS };

struct listener; // event.c
struct journal;  // mark.h: what changed since the last batch

struct engine {
    struct engine_config config;
    uint64_t next_id;
    uint64_t chance; // state of the generator
    int64_t now;     // `mono` of the call under way
    int64_t wall;
    bool draining, store_full;
    uint8_t cause;      // enum event_cause of the move under way
    uint32_t listening; // bits of the listeners that there are
    uint64_t promise;
    struct journal *journal; // NULL with -m

    struct id_map jobs;
    struct table names;     // queues by name
    struct table keys;      // by queue and key
    struct table numbers;   // queues by their numbers on disk
    struct table kept_keys; // of finished jobs, by the job's id
    struct tree ordered;    // queues by name, in byte order
    struct wheel wheel;
    struct tree at; // jobs that wait for a time of the wall clock

    struct engine_client **clients; // by number; [0] holds the detached leases
    uint32_t client_slots;
    uint32_t client_free; // number of a free slot, chained; 0: none

    struct engine_account **accounts; // by number - 1
    unsigned account_count;

    struct queue *settle_first;           // queues to look at before the call returns (queue.h)
    struct queue *idle_first, *idle_last; // empty ones, the longest idle first
    struct queue *work_first;             // queues being dropped or emptied, for engine_tick to go on with

    struct waiter *completed_first, **completed_end;
    struct engine_client *woken_first; // whose mailboxes are to be woken
    struct job *removed;               // freed after unlocking: replies may still point into them

    uint64_t listen_turn; // how often it changed who wants to hear of what; 0 before the first
    struct listener *listeners[LISTENERS_MAX];

    uint64_t bytes;
    uint64_t progress_count; // texts of progress so far
    uint64_t queue_count;
    uint64_t client_count;
    uint64_t detached_count; // jobs that number 0 holds
    uint64_t held_count;     // and that the others do
    struct queue_gauges gauges;
    struct queue_counters counters;
    struct daemon_counters more; // that queues do not have
    struct engine_times times;
};

// A number from 0 to below 1. Deterministic by the seed.
double engine_chance(struct engine *e);

// The delivery token of a job's present hand-out.
uint64_t engine_token(const struct engine *e, const struct job *j);

// Marks the beginning of a call: the time is set, the promise cleared.
void engine_begin(struct engine *e, struct moment now);

#endif
