// Puts and gets, and what a consumer does with a job.
#include "tests/model/world.h"

#include <inttypes.h>

static const double priorities[] = {0, 0, 0, 0, 0, 0, -0.0, 1, -1, 0.5, -0.25, 1e300, -1e-300};

static double any_priority(struct world *w)
{
    return priorities[any(w, sizeof priorities / sizeof *priorities)];
}

void any_put_options(struct world *w, struct put_options *o, struct mjob *j)
{
    *o = (struct put_options){.priority = any_priority(w), .keep_result = -1};
    j->key = one_in(w, 3) ? (int)any(w, KEYS) : NONE;
    if (one_in(w, 8))
        o->delay = any_duration(w);
    else if (one_in(w, 12))
        o->at = w->now.wall + (int64_t)any(w, 4000) - 500;
    if (one_in(w, 5))
        o->lease = any_duration(w);
    if (one_in(w, 4))
        o->max_attempts = 1 + (uint32_t)any(w, 3);
    if (one_in(w, 7))
        o->expires = any_duration(w) + 1;
    o->key = key_text(j->key);
    if (j->key != NONE && one_in(w, 2))
        o->key_for = any_duration(w);
    o->submit = one_in(w, 2);
    if (o->submit && one_in(w, 2))
        o->keep_result = one_in(w, 4) ? 0 : any_duration(w);

    j->priority = o->priority;
    j->wall = o->at != 0;
    j->until = o->at ? o->at : w->now.mono + o->delay;
    j->lease = o->lease;
    j->max_attempts = o->max_attempts;
    j->expires = o->expires ? w->now.mono + o->expires : 0;
    j->key_for = o->key_for;
    j->submit = o->submit;
    j->keep_result = o->keep_result;
}

void op_put(struct world *w)
{
    struct model *m = w->m;
    struct mjob job = {.queue = any_queue(w), .body = ++w->texts};
    struct put_options o;
    any_put_options(w, &o, &job);
    int client = any_client(w);
    int64_t timeout = any_timeout(w);
    say("put q=%d key=%d priority=%g delay=%" PRId64 " at=%" PRId64 " expires=%" PRId64 " submit=%d "
        "keep=%" PRId64 " key_for=%" PRId64 " timeout=%" PRId64 " client=%d body=%u",
        job.queue, job.key, o.priority, o.delay, o.at ? o.at - w->now.wall : 0, o.expires, o.submit,
        o.keep_result, o.key_for, timeout, client, job.body);

    struct mkey *key = model_key(m, job.queue, job.key);
    bool full = model_full(m, job.queue);
    enum error want = ERROR_NONE;
    if (m->draining)
        want = ERROR_DRAINING;
    else if (m->queues[job.queue].shut_down)
        want = ERROR_SHUT_DOWN;
    else if (!key && full && timeout == 0)
        want = ERROR_FULL;
    else if (!key && full && model_client_waits(m, client) >= m->max_waits)
        want = ERROR_OVERLOADED;

    struct job *j = job_prepare(&o, body_text(job.body));
    struct put_result out;
    enum error got = engine_put(w->e, w->now, queue_text(job.queue), j,
                                timeout == 0 && one_in(w, 4) ? NULL : w->clients[client], timeout, w, &out);
    REQUIRE(got == want, "put says %s, not %s", error_name(got), error_name(want));
    if (got) {
        job_discard(j);
        if (got == ERROR_FULL)
            MODEL_COUNT(m, job.queue, refused);
        return;
    }
    REQUIRE(out.existing == (key != NULL), "put says existing=%d", out.existing);
    if (key) {
        REQUIRE(out.id == key->id, "put found job %" PRIu64 ", not %" PRIu64, out.id, key->id);
        storage_tell(w, out.id, engine_promise(w->e));
    } else if (full) {
        REQUIRE(out.waiting && out.waiting->context == w, "a put to a full queue does not wait");
        model_wait_add(m,
                       &(struct mwait){.kind = WAITER_PUT,
                                       .client = client,
                                       .until = timeout == FOREVER ? 0 : w->now.mono + timeout,
                                       .queues = 1u << job.queue,
                                       .job = job},
                       out.waiting);
    } else {
        REQUIRE(!out.waiting, "a put waits at a queue that has room");
        model_admit(m, &job, out.id);
    }
}

// The most urgent job that could be taken from these queues now; NULL: none.
static struct mjob *most_urgent(struct world *w, unsigned queues)
{
    struct mjob *best = NULL;
    for (int q = 0; q < QUEUES; q++) {
        struct mjob *j = queues >> q & 1 ? model_head(w->m, q) : NULL;
        if (j && (!best || j->priority < best->priority))
            best = j;
    }
    return best;
}

static void check_taken(struct world *w, const struct get_options *o, const struct mwait *wait, int client,
                        const struct taken *t)
{
    struct mjob *best = most_urgent(w, wait->queues);
    REQUIRE(t->queue_index < o->queue_count, "no such queue index");
    int queue = wait->names[t->queue_index];
    struct mjob *j = model_head(w->m, queue);
    REQUIRE(best && j && j->id == t->id, "got job %" PRIu64 " of queue %d, not %" PRIu64, t->id, queue,
            j ? j->id : 0);
    REQUIRE(j->priority == best->priority, "job %" PRIu64 " was not the most urgent", t->id);
    REQUIRE(t->priority == j->priority && t->attempt == j->attempts + 1, "another priority or attempt");
    REQUIRE(slice_same(t->body, body_text(j->body)), "another body");
    model_hand_out(w->m, j, client, wait->lease, wait->detached, false);
    REQUIRE(t->delivery == model_token(w->m, j), "another token");
    if (t->blob)
        blob_unref(t->blob);
    if (wait->auto_ack)
        model_finish(w->m, j, JOB_DONE, 0);
}

void op_get(struct world *w)
{
    struct model *m = w->m;
    int client = any_client(w);
    struct mwait wait = {.kind = WAITER_GET, .client = client};
    struct slice names[QUEUES];
    unsigned count = 0, names_wanted = one_in(w, 3) ? 1 + (unsigned)any(w, 3) : 1;
    while (count < names_wanted) {
        int q = any_queue(w);
        if (wait.queues >> q & 1)
            continue;
        wait.queues |= 1u << q;
        names[count] = queue_text(q);
        wait.names[count++] = q;
    }
    wait.lease = one_in(w, 3) ? any_duration(w) : 0;
    wait.auto_ack = one_in(w, 6);
    wait.detached = !wait.auto_ack && one_in(w, 3);
    int64_t timeout = any_timeout(w);
    wait.until = timeout == FOREVER ? 0 : w->now.mono + timeout;
    struct get_options o = {.queues = names,
                            .queue_count = count,
                            .max = one_in(w, 4) ? 1 + (unsigned)any(w, 5) : 1,
                            .lease = wait.lease,
                            .auto_ack = wait.auto_ack,
                            .detached = wait.detached,
                            .timeout = timeout,
                            .context = w};
    say("get queues=%x max=%u lease=%" PRId64 " auto_ack=%d detached=%d timeout=%" PRId64 " client=%d",
        wait.queues, o.max, o.lease, o.auto_ack, o.detached, timeout, client);

    enum error want = ERROR_NONE;
    if (m->draining) {
        want = ERROR_DRAINING;
    } else if (!most_urgent(w, wait.queues)) {
        bool over = true;
        for (int q = 0; q < QUEUES; q++)
            over &= !(wait.queues >> q & 1) || model_over(m, q);
        want = over ? ERROR_SHUT_DOWN : timeout == 0 ? ERROR_EMPTY : ERROR_NONE;
        if (!want && model_client_waits(m, client) >= m->max_waits)
            want = ERROR_OVERLOADED;
    }

    struct taken out[8];
    unsigned got_count = 0;
    struct waiter *waiting = NULL;
    enum error got = engine_get(w->e, w->now, w->clients[client], &o, out, &got_count, &waiting);
    REQUIRE(got == want, "get says %s, not %s", error_name(got), error_name(want));
    if (got)
        return;
    REQUIRE((got_count == 0) == (waiting != NULL), "get gives %u jobs and waits=%d", got_count,
            waiting != NULL);
    if (waiting) {
        REQUIRE(!most_urgent(w, wait.queues), "a get waits while a job is ready");
        REQUIRE(waiting->context == w, "another context");
        model_wait_add(m, &wait, waiting);
        return;
    }
    REQUIRE(got_count <= o.max, "more jobs than were asked for");
    for (unsigned i = 0; i < got_count; i++)
        check_taken(w, &o, &wait, client, &out[i]);
    REQUIRE(got_count == o.max || !most_urgent(w, wait.queues), "fewer jobs than there are");
}

// Whom and what a consumer's call names: the right one, a stale one, another's, none.
struct claim any_claim(struct world *w, const char *what)
{
    struct claim c = {.id = any_id(w), .client = any_client(w)};
    for (int i = 0; i < 20 && one_in(w, 2); i++)
        c.id = any_id(w);
    struct mjob *j = model_job(w->m, c.id);
    // Most calls are about reserved jobs.
    for (unsigned i = 0; i < 8 && !(j && j->state == JOB_RESERVED); i++)
        j = model_job(w->m, c.id = any_id(w));
    uint64_t token = j ? model_token(w->m, j) : any(w, UINT64_MAX);
    switch (any(w, 8)) {
    case 0:
        c.delivery = token - 1;
        break;
    case 1:
        c.delivery = token + 1 + any(w, 3);
        break;
    case 2:
    case 3:
        if (j && j->holder != NONE)
            c.client = j->holder;
        break;
    case 4:
        break;
    default:
        c.delivery = token;
        c.client = one_in(w, 2) ? NONE : c.client;
    }
    if (!j)
        c.want = ERROR_NOT_FOUND;
    else if (j->state != JOB_RESERVED || (c.delivery ? c.delivery != token : c.client != j->holder))
        c.want = ERROR_NOT_RESERVED;
    else if (j->cancelling)
        c.want = ERROR_CANCELLED;
    c.job = c.want == ERROR_NONE || c.want == ERROR_CANCELLED ? j : NULL;
    say("%s id=%" PRIu64 " delivery=%" PRIx64 " client=%d", what, c.id, c.delivery, c.client);
    return c;
}

struct engine_client *claimant(const struct world *w, const struct claim *c)
{
    return c->client == NONE ? NULL : w->clients[c->client];
}

unsigned any_note(struct world *w, char kind, struct blob **blob)
{
    unsigned n = one_in(w, 3) ? 0 : ++w->texts;
    *blob = n ? blob_new(note_text(kind, n)) : NULL;
    return n;
}

// A job that was cancelled in its holder's hands is over when that one does anything with it but go on.
static void ends_cancelled(struct world *w, const struct claim *c)
{
    if (c->want == ERROR_CANCELLED)
        model_finish(w->m, c->job, JOB_CANCELLED, 0);
}

void op_ack(struct world *w)
{
    struct claim c = any_claim(w, "ack");
    struct blob *result;
    unsigned n = any_note(w, 'r', &result);
    enum error got = engine_ack(w->e, w->now, claimant(w, &c), c.id, c.delivery, result);
    blob_unref(result);
    REQUIRE(got == c.want, "ack says %s, not %s", error_name(got), error_name(c.want));
    w->m->runs += got == ERROR_NONE || got == ERROR_CANCELLED;
    ends_cancelled(w, &c);
    if (!got)
        model_finish(w->m, c.job, JOB_DONE, n);
}

void op_nack(struct world *w)
{
    struct claim c = any_claim(w, "nack");
    struct blob *error;
    unsigned n = any_note(w, 'e', &error);
    int64_t delay = one_in(w, 2) ? -1 : one_in(w, 3) ? 0 : any_duration(w);
    struct nack_result out;
    enum error got = engine_nack(w->e, w->now, claimant(w, &c), c.id, c.delivery, error, delay, &out);
    blob_unref(error);
    REQUIRE(got == c.want, "nack says %s, not %s", error_name(got), error_name(c.want));
    w->m->runs += got == ERROR_CANCELLED;
    ends_cancelled(w, &c);
    if (got)
        return;
    uint64_t died = w->m->counters.died + w->m->counters.moved;
    model_come_back(w->m, c.job, MODEL_FAILED, n, delay);
    if (w->m->counters.died + w->m->counters.moved != died) {
        REQUIRE(out.state == JOB_DEAD && out.delay == 0, "a nacked job is %s", job_state_name(out.state));
        return;
    }
    struct mjob *j = c.job;
    REQUIRE(out.state == j->state || (out.state == JOB_READY && j->until <= w->now.mono),
            "a nacked job is %s", job_state_name(out.state));
    if (out.state == JOB_DELAYED) {
        int64_t least = j->until - w->now.mono;
        REQUIRE(out.delay >= least && out.delay <= least + j->slack, "the pause is %" PRId64, out.delay);
        j->until = w->now.mono + out.delay;
        j->slack = 0;
    }
}

void op_release(struct world *w)
{
    struct claim c = any_claim(w, "release");
    int64_t delay = one_in(w, 2) ? 0 : any_duration(w);
    double priority = any_priority(w);
    bool change = one_in(w, 2);
    enum error got =
        engine_release(w->e, w->now, claimant(w, &c), c.id, c.delivery, delay, change ? &priority : NULL);
    REQUIRE(got == c.want, "release says %s, not %s", error_name(got), error_name(c.want));
    ends_cancelled(w, &c);
    if (got)
        return;
    if (change)
        c.job->priority = priority;
    model_come_back(w->m, c.job, MODEL_RELEASED, 0, delay);
}

void op_lose(struct world *w)
{
    struct claim c = any_claim(w, "lose");
    enum error got = engine_lost(w->e, w->now, claimant(w, &c), c.id, c.delivery);
    REQUIRE(got == c.want, "lost says %s, not %s", error_name(got), error_name(c.want));
    w->m->runs += got == ERROR_CANCELLED;
    ends_cancelled(w, &c);
    if (!got)
        model_come_back(w->m, c.job, MODEL_LOST, 0, -1);
}

void op_bury(struct world *w)
{
    struct claim c = any_claim(w, "bury");
    struct blob *error;
    unsigned n = any_note(w, 'e', &error);
    enum error got = engine_bury(w->e, w->now, claimant(w, &c), c.id, c.delivery, error);
    blob_unref(error);
    REQUIRE(got == c.want, "bury says %s, not %s", error_name(got), error_name(c.want));
    w->m->runs += got == ERROR_NONE || got == ERROR_CANCELLED;
    ends_cancelled(w, &c);
    if (!got)
        model_die(w->m, c.job, DEAD_BURIED, n);
}

void op_touch(struct world *w)
{
    struct claim c = any_claim(w, "touch");
    int64_t lease = one_in(w, 2) ? 0 : any_duration(w), left = 0;
    enum error got = engine_touch(w->e, w->now, claimant(w, &c), c.id, c.delivery, lease, &left);
    REQUIRE(got == c.want, "touch says %s, not %s", error_name(got), error_name(c.want));
    if (got)
        return;
    int64_t want = lease ? lease : model_lease(w->m, c.job);
    REQUIRE(left == want, "%" PRId64 " ms are left, not %" PRId64, left, want);
    c.job->until = w->now.mono + want;
}
