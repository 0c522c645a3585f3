// Importing: jobs and queues out of a dump, into an engine that nothing else uses yet.
#include "server/engine/mark.h"
#include "server/engine/retry.h"
#include "server/engine/work.h"

static enum error attach(struct extra *x, const struct job_info *i)
{
    struct slice texts[] = {i->error, i->result, i->origin};
    struct blob **slots[] = {&x->error, &x->result, &x->origin};
    for (unsigned n = 0; n < 3; n++)
        if (texts[n].len && !(*slots[n] = blob_new(texts[n])))
            return ERROR_OVERLOADED;
    return ERROR_NONE;
}

static struct job *prepare(const struct job_info *i)
{
    struct put_options o = {.priority = i->priority,
                            .at = i->at,
                            .lease = i->own_lease,
                            .max_attempts = i->own_max_attempts,
                            .key = i->key,
                            .key_for = i->key_for,
                            .submit = i->submit,
                            .keep_result = i->keep_result};
    struct job *j = job_prepare(&o, i->body);
    bool more = i->error.len || i->result.len || i->origin.len || i->failed || i->expires >= 0;
    if (j && more && (!job_extra(NULL, j) || attach(j->extra, i) != ERROR_NONE)) {
        job_discard(j);
        return NULL;
    }
    return j;
}

// Its id and its past; it is in no container yet.
static void remember(struct engine *e, struct job *j, const struct job_info *i)
{
    j->id = i->id;
    j->created = (uint64_t)i->created & (WHEEL_END - 1);
    j->attempts = i->attempts & 0xffff;
    j->handouts = i->deliveries;
    j->timer.note = i->lost & 0xff;
    j->timer.mark = i->reason & 15;
    if (j->extra) {
        j->extra->failed = i->failed;
        j->extra->reason = (uint8_t)i->reason;
        j->extra->failed_attempts = i->failed_attempts;
    }
    if (e->next_id <= i->id)
        e->next_id = i->id + 1;
    (void)mark_ids(e); // those that it passed are reserved with it
}

enum error engine_import(struct engine *e, struct moment now, const struct job_info *i)
{
    struct queue *q;
    engine_begin(e, now);
    if (job_find(e, i->id))
        return ERROR_INVALID_PARAMS;
    enum error error = queue_get(e, i->queue, &q);
    if (error != ERROR_NONE)
        return error;
    struct job *j = prepare(i);
    struct level *l = j && id_map_ready(&e->jobs) ? level_get(q, i->priority) : NULL;
    if (!l) {
        job_discard(j);
        return ERROR_OVERLOADED;
    }
    // What was in somebody's hands when it was dumped is ready again.
    unsigned state = i->state == JOB_RESERVED ? JOB_READY : i->state;
    bool cancelled = i->state == JOB_RESERVED && i->cancelling; // unless it was being cancelled there
    bool finished = state == JOB_DONE || state == JOB_DEAD || state == JOB_CANCELLED;
    struct key *k = j->extra ? j->extra->key : NULL;
    if (k && (finished || key_find(e, q, i->key))) {
        key_free(e, k);
        j->extra->key = k = NULL;
    }
    j->node = (struct tree_node){0};
    remember(e, j, i);
    e->bytes += job_bytes(j);
    job_set_level(e, j, l);
    id_map_insert(&e->jobs, j->id, j);
    if (k)
        key_add(e, q, k, j->id);
    if (i->expires >= 0 && !finished)
        wheel_add(&e->wheel, &j->extra->expiry, e->now + i->expires);
    if (state == JOB_DELAYED && i->at)
        j->flags |= JOB_WALL;
    mark_job(e, j, JOB_BODY_DIRTY | JOB_HEAD_DIRTY);
    job_move(e, j, state, e->now + i->left);
    if (cancelled)
        job_finish(e, j, JOB_CANCELLED, NULL);
    engine_settle(e);
    return ERROR_NONE;
}

enum error engine_import_queue(struct engine *e, struct moment now, const struct queue_info *i)
{
    struct queue_settings out;
    const char *why;
    enum error error = ERROR_NONE;
    if (i->declared)
        error = engine_declare(e, now, i->name, &i->settings, (1u << QUEUE_SETTING_COUNT) - 1, &out, &why);
    if (error == ERROR_NONE && i->paused)
        error = engine_pause(e, now, i->name);
    if (error == ERROR_NONE && i->shut_down)
        error = engine_shutdown(e, now, i->name, i->shut_down_hard);
    return error;
}
