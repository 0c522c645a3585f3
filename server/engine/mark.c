#include "server/engine/mark.h"

#include "server/engine/records.h"

#include <stdlib.h>

// About what a record costs beside its variable bytes.
#define RECORD_COST 96

static bool ring_grow(struct journal *n)
{
    size_t room = n->room ? 2 * n->room : 1024;
    struct mark *bigger = malloc(room * sizeof *bigger);
    if (!bigger)
        return false;
    for (size_t i = 0; i < n->count; i++)
        bigger[i] = n->marks[(n->first + i) & (n->room - 1)];
    free(n->marks);
    n->marks = bigger;
    n->first = 0;
    n->room = room;
    return true;
}

// Returns the mark's number, 1 for the first; 0: no memory, and the journal has failed.
static uint64_t push(struct engine *e, struct mark m, uint64_t bytes)
{
    struct journal *n = e->journal;
    if (n->count == n->room && !ring_grow(n)) {
        n->failed = true;
        return 0;
    }
    m.bytes = (uint32_t)bytes;
    n->marks[(n->first + n->count++) & (n->room - 1)] = m;
    n->waiting_bytes += bytes;
    return ++n->marked;
}

static struct mark *mark_at(struct journal *n, uint64_t number)
{
    return &n->marks[(n->first + (size_t)(number - n->taken - 1)) & (n->room - 1)];
}

void journal_free(struct engine *e)
{
    struct journal *n = e->journal;
    if (!n)
        return;
    for (size_t i = 0; i < n->count; i++) {
        struct mark *m = &n->marks[(n->first + i) & (n->room - 1)];
        struct job *j = m->kind == RECORD_BODY ? m->object : NULL;
        if (j && j->state == JOB_GONE)
            job_discard(j);
    }
    free(n->marks);
    free(n);
    e->journal = NULL;
}

static bool kept(const struct engine *e, const struct queue *q)
{
    return e->journal && q->settings->durable && !q->dropped;
}

static bool job_waits(const struct job *j)
{
    return j->flags & (JOB_BODY_DIRTY | JOB_HEAD_DIRTY);
}

void mark_job(struct engine *e, struct job *j, unsigned what)
{
    struct queue *q = job_queue(j);
    // A job that was stored once stays so, also in a dead-letter queue that is not durable.
    bool stored = e->journal && !q->dropped && (j->body_segment || job_waits(j));
    if (!kept(e, q) && !stored)
        return;
    if (!q->place.segment && !q->marked)
        mark_queue(e, q); // its name has to be there for the job to be found under
    bool waits = job_waits(j);
    j->flags |= what;
    if (!waits)
        push(e, (struct mark){.kind = RECORD_BODY, .id = j->id, .object = j}, RECORD_COST + j->len);
    e->promise = e->journal->marked;
}

void mark_told(struct engine *e, const struct job *j)
{
    if (e->journal && (j->body_segment || job_waits(j)))
        e->promise = job_waits(j) ? e->journal->marked : e->journal->taken;
}

bool mark_job_gone(struct engine *e, struct job *j)
{
    bool waits = job_waits(j);
    if (!e->journal || (!waits && !j->body_segment && !j->head_segment))
        return false;
    if (!waits) {
        j->flags |= JOB_HEAD_DIRTY;
        if (!push(e, (struct mark){.kind = RECORD_BODY, .id = j->id, .object = j}, 2 * RECORD_COST))
            return false;
    }
    e->promise = e->journal->marked;
    return true;
}

void mark_job_leaving(struct engine *e, struct job *j)
{
    if (job_waits(j))
        return;
    j->flags |= JOB_HEAD_DIRTY;
    push(e, (struct mark){.kind = RECORD_BODY, .id = j->id, .object = j}, 2 * RECORD_COST);
}

void mark_queue(struct engine *e, struct queue *q)
{
    if (!e->journal || q->dropped)
        return;
    if (!q->number)
        queue_set_number(e, q, e->next_id++);
    if (q->owner)
        return; // a job that was on disk before it came here has nothing there to be found under
    if (!q->marked)
        q->marked =
            push(e, (struct mark){.kind = RECORD_QUEUE, .id = q->number, .object = q}, 4 * RECORD_COST);
    e->promise = e->journal->marked;
}

// The mark that waits becomes one of removal, as the object will not be there when it is taken.
static void gone(struct engine *e, uint8_t kind, uint64_t id, uint64_t *marked, struct journal_place *place)
{
    struct mark m = {.kind = kind, .id = id, .place = *place};
    if (*marked) {
        struct mark *waits = mark_at(e->journal, *marked);
        m.bytes = waits->bytes;
        *waits = m;
    } else if (place->segment)
        push(e, m, RECORD_COST);
    *marked = 0;
    *place = (struct journal_place){0};
    e->promise = e->journal->marked;
}

void mark_queue_gone(struct engine *e, struct queue *q)
{
    if (e->journal && (q->marked || q->place.segment))
        gone(e, RECORD_QUEUE, q->number, &q->marked, &q->place);
}

void mark_key(struct engine *e, struct key *k)
{
    // One that was stored stays so, also where its queue is not durable any more.
    bool stored = e->journal && !k->queue->dropped && (k->place.segment || k->marked);
    if (!kept(e, k->queue) && !stored)
        return;
    if (!k->marked)
        k->marked =
            push(e, (struct mark){.kind = RECORD_KEY, .id = k->id, .object = k}, RECORD_COST + k->len);
    e->promise = e->journal->marked;
}

void mark_key_gone(struct engine *e, struct key *k)
{
    if (e->journal && (k->marked || k->place.segment))
        gone(e, RECORD_KEY, k->id, &k->marked, &k->place);
}

void mark_clear(struct engine *e, uint64_t number)
{
    struct mark *m = mark_at(e->journal, number);
    *m = (struct mark){.kind = m->kind, .bytes = m->bytes, .id = m->id};
}

void mark_orphan(struct engine *e, uint8_t kind, uint64_t id, struct journal_place place)
{
    push(e, (struct mark){.kind = kind, .id = id, .place = place}, RECORD_COST);
}

bool mark_meta(struct engine *e)
{
    struct journal *n = e->journal;
    if (n->ids_mark <= n->taken) // else one waits already
        n->ids_mark = push(e, (struct mark){.kind = RECORD_META, .object = n}, RECORD_COST);
    return true;
}

bool mark_ids(struct engine *e)
{
    struct journal *n = e->journal;
    if (!n)
        return true;
    if (e->next_id + ID_BLOCK / 2 >= n->ids_to) {
        n->ids_to = e->next_id + ID_BLOCK;
        mark_meta(e);
    }
    return e->next_id + 1 < n->ids_durable; // one for the job, one for its queue
}
