// Outcomes, and what an admin does with one job.
#include "tests/model/world.h"

#include <inttypes.h>

void op_cancel(struct world *w)
{
    uint64_t id = any_id(w);
    struct mjob *j = model_job(w->m, id);
    bool cancelled = false, running = one_in(w, 2);
    say("cancel id=%" PRIu64 " running=%d", id, running);
    enum error got = engine_cancel(w->e, w->now, id, running, &cancelled);
    REQUIRE(got == (j ? ERROR_NONE : ERROR_NOT_FOUND), "cancel says %s", error_name(got));
    if (!j)
        return;
    bool mark = running && j->state == JOB_RESERVED;
    bool want = j->state == JOB_READY || j->state == JOB_DELAYED;
    REQUIRE(cancelled == (want || mark), "cancelled=%d", cancelled);
    if (mark)
        j->cancelling = true;
    if (want)
        model_finish(w->m, j, JOB_CANCELLED, 0);
}

static void check_outcome(const struct mjob *j, const struct outcome *o, enum error error)
{
    REQUIRE(o->state == (error == ERROR_FAILED ? JOB_DEAD : j->state), "another state: %d", o->state);
    REQUIRE(error != ERROR_NONE || slice_same(blob_slice(o->result), note_text('r', j->result)),
            "another result");
    if (error == ERROR_FAILED) {
        REQUIRE(slice_same(blob_slice(o->error), note_text('e', j->error)), "another error");
        REQUIRE(o->reason == j->failed_reason, "reason %d, not %d", o->reason, j->failed_reason);
        REQUIRE(o->attempts == j->failed_attempts, "%u attempts, not %u", o->attempts, j->failed_attempts);
    }
}

void op_result(struct world *w)
{
    uint64_t id = any_id(w);
    int client = any_client(w);
    bool forget = one_in(w, 3), watch = one_in(w, 2);
    int64_t timeout = any_timeout(w);
    struct mjob *j = model_job(w->m, id);
    enum error want = j ? model_outcome(j) : ERROR_NOT_FOUND;
    say("result id=%" PRIu64 " forget=%d timeout=%" PRId64 " client=%d", id, forget, timeout, client);

    bool waits = want == ERROR_TIMEOUT && timeout != 0;
    if (waits)
        want = w->m->draining                                        ? ERROR_DRAINING
               : model_client_waits(w->m, client) >= w->m->max_waits ? ERROR_OVERLOADED
                                                                     : ERROR_NONE;
    struct outcome out = {0};
    struct waiter *waiting = NULL;
    unsigned flags = (forget ? OUTCOME_FORGET : 0u) | (watch ? OUTCOME_PROGRESS : 0u);
    enum error got = engine_result(w->e, w->now, id, flags, w->clients[client], timeout, w, &out, &waiting);
    REQUIRE(got == want, "result says %s, not %s", error_name(got), error_name(want));
    if (waits && !got) {
        REQUIRE(waiting, "a result does not wait");
        model_wait_add(w->m,
                       &(struct mwait){.kind = WAITER_RESULT,
                                       .client = client,
                                       .until = timeout == FOREVER ? 0 : w->now.mono + timeout,
                                       .id = id,
                                       .watch = watch,
                                       .forget = forget},
                       waiting);
    } else if (is_outcome(got)) {
        REQUIRE(!waiting, "a result waits");
        check_outcome(j, &out, got);
        storage_tell(w, id, engine_promise(w->e));
        blob_unref(out.result);
        blob_unref(out.error);
        if (forget && (j->state == JOB_DONE || j->state == JOB_CANCELLED))
            model_remove(w->m, j);
    }
}

void op_kick(struct world *w)
{
    uint64_t id = any_id(w);
    struct mjob *j = model_job(w->m, id);
    bool kicked = false;
    say("kick id=%" PRIu64, id);
    enum error got = engine_kick(w->e, w->now, id, &kicked);
    REQUIRE(got == (j ? ERROR_NONE : ERROR_NOT_FOUND), "kick says %s", error_name(got));
    if (!j)
        return;
    bool want = (j->state == JOB_DEAD || j->state == JOB_DELAYED) && !w->m->queues[j->queue].hard;
    REQUIRE(kicked == want, "kicked=%d", kicked);
    if (kicked)
        model_kick(w->m, j);
}

void op_delete(struct world *w)
{
    uint64_t id = any_id(w);
    struct mjob *j = model_job(w->m, id);
    say("delete id=%" PRIu64, id);
    enum error got = engine_delete(w->e, w->now, id);
    REQUIRE(got == (j ? ERROR_NONE : ERROR_NOT_FOUND), "delete says %s", error_name(got));
    if (!j)
        return;
    MODEL_COUNT(w->m, j->queue, deleted);
    model_remove(w->m, j);
}
