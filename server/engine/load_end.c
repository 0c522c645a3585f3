// The end of loading: what was staged gets its place.
#include "server/engine/load.h"
#include "server/engine/mark.h"
#include "server/engine/retry.h"
#include "server/engine/work.h"

#include <stdlib.h>
#include <string.h>

static int64_t mono_of(const struct engine *e, int64_t wall)
{
    return wall > e->wall ? e->now + (wall - e->wall) : e->now;
}

// ---- queues

// Of two of one name the older was being dropped, as nothing else makes room for another: the newer counts.
static enum error name_queue(struct engine *e, struct staged_queue *s)
{
    enum error error = queue_get(e, (struct slice){s->name, s->name_len}, &s->queue);
    if (error == ERROR_NONE && s->queue->number < s->number)
        s->queue->number = s->number;
    return error;
}

static enum error place_queue(struct engine *e, struct staged_queue *s)
{
    struct queue *q = s->queue;
    if (q->number != s->number) {
        mark_orphan(e, RECORD_QUEUE, s->number, s->place);
        s->queue = NULL;
        return ERROR_NONE;
    }
    if (s->flags & QUEUE_DECLARED) {
        struct queue_settings *own = malloc(sizeof *own);
        if (!own)
            return ERROR_OVERLOADED;
        *own = s->settings;
        q->settings = own;
    }
    queue_set_number(e, q, s->number);
    q->place = s->place;
    q->declared = s->flags & QUEUE_DECLARED;
    q->paused = s->flags & QUEUE_PAUSED;
    q->shut_down = s->flags & QUEUE_SHUT;
    q->shut_down_hard = s->flags & QUEUE_SHUT_HARD;
    if (q->shut_down_hard)
        work_begin(e, q, QUEUE_WORK_EMPTY);
    return ERROR_NONE;
}

static enum error each_queue(struct journal_load *l,
                             enum error (*each)(struct engine *, struct staged_queue *))
{
    enum error error = ERROR_NONE;
    for (size_t i = 0; error == ERROR_NONE && i < l->names.buckets; i++)
        for (struct table_node *n = table_chain(&l->names, i); error == ERROR_NONE && n; n = n->next)
            error = each(l->e, OWNER_OF(struct staged_queue, by_number, n));
    return error;
}

static enum error place_keys(struct journal_load *l, struct journal_loaded *out)
{
    for (size_t i = 0; i < l->keys.buckets; i++)
        for (struct table_node *n = table_chain(&l->keys, i); n; n = n->next) {
            struct staged_key *s = OWNER_OF(struct staged_key, by_id, n);
            struct staged_queue *q = staged_queue(l, s->queue);
            if (!q || !q->queue) {
                mark_orphan(l->e, RECORD_KEY, s->id, s->place);
                out->orphans++;
                continue;
            }
            s->key->place = s->place;
            key_restore(l->e, q->queue, s->key, s->id, mono_of(l->e, s->until));
            s->key = NULL;
            out->keys++;
        }
    return ERROR_NONE;
}

// ---- jobs

// What belongs to nothing any more: its queue was being dropped, or what it belonged to was damaged and left
// out.
static void remove_orphan(struct engine *e, struct job *j)
{
    id_map_remove(&e->jobs, j->id);
    if (j->extra) {
        free(j->extra->key);
        j->extra->key = NULL;
    }
    j->state = JOB_GONE;
    if (!mark_job_gone(e, j))
        job_discard(j);
}

static void place_key(struct engine *e, struct job *j, struct queue *q, unsigned state)
{
    struct key *k = j->extra ? j->extra->key : NULL;
    if (!k)
        return;
    bool finished = state == JOB_DONE || state == JOB_DEAD || state == JOB_CANCELLED;
    if (finished || j->extra->keyless || key_find(e, q, (struct slice){k->text, k->len})) {
        free(k); // given up when it finished; what is kept of it has a record of its own
        j->extra->key = NULL;
    } else {
        key_add(e, q, k, j->id);
    }
}

static enum error place_job(struct journal_load *l, struct job *j, struct journal_loaded *out)
{
    struct engine *e = l->e;
    struct staged s = staged_of(j);
    struct staged_queue *sq = staged_queue(l, s.queue);
    if (!j->body_segment || !sq || !sq->queue) {
        remove_orphan(e, j);
        out->orphans++;
        return ERROR_NONE;
    }
    struct queue *q = sq->queue;
    struct level *level = level_get(q, s.priority);
    if (!level)
        return ERROR_OVERLOADED;
    j->node = (struct tree_node){0};
    j->timer.kind = TIMER_JOB;
    place_key(e, j, q, s.state);
    e->bytes += job_bytes(j);
    job_set_level(e, j, level);

    struct extra *x = j->extra;
    bool finished = s.state == JOB_DONE || s.state == JOB_DEAD || s.state == JOB_CANCELLED;
    if (x && x->expiry.when && !finished)
        wheel_add(&e->wheel, &x->expiry, mono_of(e, (int64_t)x->expiry.when));
    unsigned state = s.state;
    if ((state == JOB_RESERVED || state == JOB_DELAYED) && s.when <= e->wall)
        state = JOB_READY; // a saved lease that ran out, or a time that came, meanwhile
    if (state == JOB_READY)
        j->flags |= JOB_FRESH; // they come in the order of their ids: appending keeps it
    if (state != JOB_RESERVED) {
        j->flags &= ~(unsigned)JOB_DETACHED & 0xff;
        if (x)
            x->expired = false; // its time is in the wheel
    }
    if (state != JOB_DELAYED)
        j->flags &= ~(unsigned)JOB_WALL & 0xff;
    j->holder = 0;
    job_move(e, j, state, mono_of(e, s.when));
    if (s.state == JOB_RESERVED)
        mark_job(e, j, JOB_HEAD_DIRTY); // it was saved by a clean stop: a crash from now on voids it
    if (job_cancelling(j) && state != JOB_RESERVED) { // nobody holds it any more
        x->cancelling = false;
        job_finish(e, j, JOB_CANCELLED, NULL);
    }
    out->jobs += j->state != JOB_GONE;
    return ERROR_NONE;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = (*(struct job *const *)a)->id, y = (*(struct job *const *)b)->id;
    return x < y ? -1 : x > y;
}

// Those of ids that are dense are met page by page: quicker than sorting ten millions.
static enum error place_dense(struct journal_load *l, struct journal_loaded *out)
{
    enum error error = ERROR_NONE;
    for (uint64_t number = l->lowest / ID_PAGE; error == ERROR_NONE && number <= l->highest / ID_PAGE;
         number++) {
        struct job *jobs[ID_PAGE];
        if (!id_map_page(&l->e->jobs, number, jobs))
            continue;
        for (unsigned i = 0; error == ERROR_NONE && i < ID_PAGE; i++)
            if (jobs[i])
                error = place_job(l, jobs[i], out);
    }
    return error;
}

static enum error place_sparse(struct journal_load *l, struct journal_loaded *out)
{
    size_t count = 0;
    struct job **list = malloc((l->e->jobs.count + 1) * sizeof(struct job *));
    if (!list)
        return ERROR_OVERLOADED;
    struct id_cursor c = {0};
    for (struct job *j; (j = id_map_next(&l->e->jobs, &c));)
        list[count++] = j;
    qsort(list, count, sizeof *list, by_id);
    enum error error = ERROR_NONE;
    for (size_t i = 0; error == ERROR_NONE && i < count; i++)
        error = place_job(l, list[i], out);
    free(list);
    return error;
}

// In the order of their ids.
static enum error place_jobs(struct journal_load *l, struct journal_loaded *out)
{
    uint64_t count = l->e->jobs.count;
    if (!count)
        return ERROR_NONE;
    return l->highest - l->lowest < 4 * count ? place_dense(l, out) : place_sparse(l, out);
}

enum error journal_load_end(struct journal_load *l, struct moment now, struct journal_loaded *out)
{
    struct engine *e = l->e;
    engine_begin(e, now);
    *out = (struct journal_loaded){.start_number = l->meta.start_number};
    if (e->next_id < l->meta.ids_to)
        e->next_id = l->meta.ids_to;
    e->config.start_number = l->meta.start_number + 1;
    enum error error = journal_begin(e) ? ERROR_NONE : ERROR_OVERLOADED;
    if (error == ERROR_NONE) {
        e->journal->meta = l->meta_place;
        error = each_queue(l, name_queue);
    }
    if (error == ERROR_NONE) {
        error = each_queue(l, place_queue);
    }
    if (error == ERROR_NONE)
        error = place_jobs(l, out);
    if (error == ERROR_NONE)
        error = place_keys(l, out);
    out->queues = l->names.count;
    engine_settle(e);
    journal_load_abandon(l);
    return error;
}
