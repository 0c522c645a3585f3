// What is on disk, as the model sees it: for every record that the journal wrote, what the model had in its
// place at that moment. The bytes themselves are not looked at, but for the names by which records refer to
// each other: what is in them shows when they are loaded.
#ifndef TESTS_MODEL_KEPT_H
#define TESTS_MODEL_KEPT_H

#include "server/engine/journal.h"
#include "server/engine/records.h"
#include "tests/model/model.h"

// Times are of `mono` as it ran when the record was written, or as it runs now if it was written before a
// restart. On disk they are of the wall clock: `shift` later.
struct kept_record {
    uint8_t kind;
    uint64_t id;
    struct journal_place place;
    uint64_t order;  // counted up with each that is written
    uint64_t number; // of the queue that it names
    int64_t shift;
    int queue; // RECORD_QUEUE: which it is, and
    struct mqueue settings;
    struct mjob job; // RECORD_BODY, RECORD_HEAD
    struct mkey key; // RECORD_KEY
};

struct kept {
    bool saving;     // the next start finds the detached leases
    int64_t started; // when the present engine was
    uint32_t start_number;
    uint64_t order;
    struct kept_record records[2 * MODEL_JOBS];
    unsigned count;
};

struct kept_record *kept_find(struct kept *k, uint8_t kind, uint64_t id); // NULL: there is none

// A record was written, with these bytes, or removed.
void kept_put(struct kept *k, const struct model *m, uint8_t kind, uint64_t id, const void *bytes,
              struct journal_place place);
void kept_remove(struct kept *k, uint8_t kind, uint64_t id);

// The bytes that live, as the store counts them.
uint64_t kept_bytes(const struct kept *k);

// Nothing waits to be written: all of the model is on disk that has to be, and nothing else.
void kept_complete(struct kept *k, struct model *m);

// The same of one job, which may be no more, and of one queue.
void kept_shows(struct kept *k, struct model *m, uint64_t id);
void kept_shows_queue(struct kept *k, const struct model *m, int queue);

// The model becomes what a start at this time makes of the disk.
void kept_restore(struct kept *k, struct model *m, struct moment now);

// ---- shared by the two halves of the above

// The job as its records have it; false: there is none, or its queue is gone.
bool kept_job(struct kept *k, uint64_t id, struct mjob *out);
// NULL: it is gone, or another of its name came after it: then it was being dropped.
struct kept_record *kept_queue(struct kept *k, uint64_t number);

#endif
