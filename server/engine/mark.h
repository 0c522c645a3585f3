// Marks: how the engine's own files say what changed. Each is nothing where no journal is kept or the queue
// is not durable, and else sets the promise of the call under way.
#ifndef ENGINE_MARK_H
#define ENGINE_MARK_H

#include "server/engine/core.h"
#include "server/engine/job.h"
#include "server/engine/journal.h"
#include "server/engine/queue.h"

// How many ids are reserved on disk at a time; the next block is asked for when half of this one is left.
#define ID_BLOCK (1u << 20)

// One mark. The object is looked at when it is taken, so that later changes go with it.
struct mark {
    uint8_t kind;   // enum record_kind; RECORD_BODY stands for a job with whatever of it is dirty
    uint32_t bytes; // about what it needs
    uint64_t id;
    void *object; // NULL: it is gone, and its record lies at `place`
    struct journal_place place;
};

struct journal {
    struct mark *marks; // a ring
    size_t first, count, room;
    uint64_t taken;         // marks taken so far: the number of marks[first], less one
    uint64_t marked;        // marks made so far
    uint64_t waiting_bytes; // about what those in the ring need
    size_t batch;           // how many of them were measured
    bool failed, saving_leases;
    struct journal_place meta;
    uint64_t ids_to;      // reserved, if the mark that says so is on disk
    uint64_t ids_mark;    // that mark
    uint64_t ids_durable; // reserved for certain
};

// Frees the journal with the jobs that it still has; the engine keeps none from then on.
void journal_free(struct engine *e);

// A job's record of what never changes (JOB_BODY_DIRTY) or of what does (JOB_HEAD_DIRTY) is to be written.
void mark_job(struct engine *e, struct job *j, unsigned what);

// Somebody is told how the job is, whoever made it so: that has to be on disk first.
void mark_told(struct engine *e, const struct job *j);

// The job is gone. True: the journal frees it in its time.
bool mark_job_gone(struct engine *e, struct job *j);

// The queue of a job that is in somebody's hands was dropped: its records are to be removed before it is.
void mark_job_leaving(struct engine *e, struct job *j);

// Settings or state of a queue changed; it goes.
void mark_queue(struct engine *e, struct queue *q);
void mark_queue_gone(struct engine *e, struct queue *q);

void mark_key(struct engine *e, struct key *k);
void mark_key_gone(struct engine *e, struct key *k);

// The mark of this number is done with before its turn.
void mark_clear(struct engine *e, uint64_t number);

// A record that belongs to nothing is to be removed.
void mark_orphan(struct engine *e, uint8_t kind, uint64_t id, struct journal_place place);

// The ids that are reserved are to be written; true.
bool mark_meta(struct engine *e);

// Reserves more ids ahead. False: none is left that is reserved for certain.
bool mark_ids(struct engine *e);

#endif
