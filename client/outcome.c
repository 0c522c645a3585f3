#include "client/outcome.h"

#include "common/json_reader.h"
#include "common/plural.h"

#include <stdio.h>
#include <stdlib.h>

#define SENTENCE 192 // room for outcome_parse()'s own words

struct parts {
    uint64_t id, attempts;
    struct json_value state, result, reason, error;
};

static bool take_apart(struct slice object, struct parts *p)
{
    struct json_reader r;
    struct json_value key, value;
    bool ok = true;
    json_reader_init(&r, object.data, object.len);
    r.depth_max = JSON_DEPTH_LIMIT;
    if (!json_reader_object_begin(&r))
        return false;
    while (ok && json_reader_member(&r, &key, &value)) {
        if (json_string_is(&key, "id"))
            ok = json_value_uint53(&value, &p->id);
        else if (json_string_is(&key, "state"))
            p->state = value;
        else if (json_string_is(&key, "result"))
            p->result = value;
        else if (json_string_is(&key, "reason"))
            p->reason = value;
        else if (json_string_is(&key, "error"))
            p->error = value;
        else if (json_string_is(&key, "attempts"))
            ok = json_value_uint53(&value, &p->attempts) && p->attempts <= UINT32_MAX;
    }
    return ok && json_reader_end(&r) && p->id != 0;
}

static const struct {
    const char *state;
    enum taskq_error error;
} states[] = {
    {"done", TASKQ_OK},
    {"dead", TASKQ_FAILED},
    {"cancelled", TASKQ_CANCELLED},
    {"deleted", TASKQ_NOT_FOUND},
};

static bool known_state(const struct json_value *state, enum taskq_error *error)
{
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (json_string_is(state, states[i].state)) {
            *error = states[i].error;
            return true;
        }
    return false;
}

// Copies to `*at`, with a NUL behind it.
static const char *place(char **at, struct slice s)
{
    char *start = *at;
    if (s.len > 0)
        memcpy(start, s.data, s.len);
    start[s.len] = '\0';
    *at = start + s.len + 1;
    return start;
}

static void write_sentence(char *to, const struct taskq_outcome *o)
{
    unsigned long long id = o->id;
    switch (o->error) {
    case TASKQ_FAILED:
        snprintf(to, SENTENCE, "job %llu is dead (%.64s) after %u %s", id, o->reason, o->attempts,
                 plural(o->attempts, "attempt", "attempts"));
        break;
    case TASKQ_CANCELLED:
        snprintf(to, SENTENCE, "job %llu was cancelled", id);
        break;
    case TASKQ_NOT_FOUND:
        snprintf(to, SENTENCE, "job %llu was deleted, or its outcome is no longer kept", id);
        break;
    default:
        snprintf(to, SENTENCE, "job %llu is done", id);
    }
}

enum taskq_error outcome_parse(struct slice object, struct taskq_outcome *out, char **memory)
{
    struct parts p = {0};
    struct taskq_outcome o = {0};
    if (!take_apart(object, &p) || !known_state(&p.state, &o.error) ||
        (o.error == TASKQ_OK && p.result.raw.data == NULL))
        return TASKQ_PROTOCOL;
    char *at = malloc(SENTENCE + p.result.raw.len + p.reason.raw.len + p.error.raw.len + 3);
    if (at == NULL)
        return TASKQ_NO_MEMORY;
    *memory = at;
    at += SENTENCE;
    o.id = p.id;
    o.attempts = (unsigned)p.attempts;
    if (o.error == TASKQ_OK) {
        o.result = place(&at, p.result.raw);
        o.result_len = p.result.raw.len;
    } else if (o.error == TASKQ_FAILED) {
        o.reason = place(&at, json_value_inner(&p.reason)); // a plain word
        if (p.error.raw.data != NULL && p.error.type != JSONR_NULL) {
            o.job_error = place(&at, p.error.raw);
            o.job_error_len = p.error.raw.len;
        }
    }
    write_sentence(*memory, &o);
    o.message = *memory;
    *out = o;
    return TASKQ_OK;
}

enum taskq_error outcome_of_error(uint64_t id, enum taskq_error error, const char *message,
                                  struct taskq_outcome *out, char **memory)
{
    *memory = strdup(message);
    *out = (struct taskq_outcome){.id = id, .error = error, .message = *memory};
    if (*memory != NULL)
        return TASKQ_OK;
    out->message = taskq_error_text(error);
    return TASKQ_NO_MEMORY;
}
