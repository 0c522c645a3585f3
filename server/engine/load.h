// What the two halves of loading share: how things are staged.
#ifndef ENGINE_LOAD_H
#define ENGINE_LOAD_H

#include "server/engine/core.h"
#include "server/engine/job.h"
#include "server/engine/journal.h"
#include "server/engine/queue.h"
#include "server/engine/records.h"

struct journal_load {
    struct engine *e;
    struct meta_record meta;
    struct journal_place meta_place;
    struct table names;       // struct staged_queue by number
    struct table keys;        // struct staged_key by job id
    uint64_t lowest, highest; // of the ids of staged jobs, or of some that are gone again
};

struct staged_queue {
    struct table_node by_number;
    uint64_t number;
    uint32_t flags;
    struct journal_place place;
    struct queue_settings settings;
    struct queue *queue; // at the end
    uint8_t name_len;
    char name[QUEUE_NAME_MAX];
};

struct staged_key {
    struct table_node by_id;
    uint64_t id, queue;
    int64_t until;
    struct journal_place place;
    struct key *key;
};

// A staged job is in no container; what is known of its place stands where such a job has room, in its links
// and timer.
struct staged {
    uint64_t queue; // its number
    double priority;
    unsigned state;
    int64_t when; // wall clock: due, kept until, end of the lease
};

void stage(struct job *j, const struct staged *s);
struct staged staged_of(const struct job *j);

// NULL: there is none.
struct job *staged_job(const struct engine *e, uint64_t id);
struct staged_queue *staged_queue(const struct journal_load *l, uint64_t number);

#endif
