#include "server/pool/answer.h"

#include "common/json_reader.h"

#include <math.h>

// What an answer's members were, before it is known whether they go together.
struct members {
    struct json_value id, result, error, delay, bury, progress;
    bool has_id, has_result, has_error, has_delay, has_bury, has_progress;
};

static bool fail(const char **why, const char *text)
{
    *why = text;
    return false;
}

static bool set_once(bool *has, struct json_value *to, const struct json_value *value)
{
    bool first = !*has;
    *has = true;
    *to = *value;
    return first;
}

// False: it is none of ours, or stands there twice.
static bool member(struct members *m, const struct json_value *key, const struct json_value *value)
{
#define MEMBER(name)                                                                                         \
    if (json_string_is(key, #name))                                                                          \
    return set_once(&m->has_##name, &m->name, value)
    MEMBER(id);
    MEMBER(result);
    MEMBER(error);
    MEMBER(delay);
    MEMBER(bury);
    MEMBER(progress);
#undef MEMBER
    return false;
}

static bool read_members(struct members *m, struct slice line, const char **why)
{
    struct json_reader r;
    struct json_value key, value;
    bool known = true;
    json_reader_init(&r, line.data, line.len);
    if (json_reader_object_begin(&r))
        while (json_reader_member(&r, &key, &value))
            known = member(m, &key, &value) && known;
    if (!json_reader_end(&r))
        return fail(why, "is not a JSON object in one line");
    return known || fail(why, "has a member that is unknown or stands there twice");
}

static bool read_amount(const struct json_value *v, bool *there, double *out)
{
    *there = true;
    return json_value_double(v, out) && *out >= 0;
}

static bool read_message(const struct json_value *v, struct progress_report *p)
{
    struct slice *message = &p->text.message;
    p->text.has_message = json_value_string(v, p->message, sizeof p->message, message, NULL);
    if (p->text.has_message && message->data != p->message) {
        memcpy(p->message, message->data, message->len); // the line goes before it
        message->data = p->message;
    }
    return p->text.has_message;
}

static bool read_progress(const struct json_value *v, struct progress_report *p, const char **why)
{
    struct progress_text *t = &p->text;
    struct json_reader r;
    struct json_value key, value;
    const char *member;
    bool fine = true;
    *t = (struct progress_text){0};
    json_reader_init(&r, v->raw.data, v->raw.len);
    if (!json_reader_object_begin(&r))
        return fail(why, "has a progress that is not an object");
    while (json_reader_member(&r, &key, &value)) {
        if (json_string_is(&key, "done"))
            fine = read_amount(&value, &t->has_done, &t->done) && fine;
        else if (json_string_is(&key, "total"))
            fine = read_amount(&value, &t->has_total, &t->total) && fine;
        else if (json_string_is(&key, "message"))
            fine = read_message(&value, p) && fine;
        else
            fine = false;
    }
    if (!fine || progress_check(t, &member))
        return fail(why, "has a progress that is not made of done, total (numbers from 0 on) and message (a "
                         "string of at most 1,024 bytes)");
    return true;
}

static bool read_delay(const struct json_value *v, int64_t *ms)
{
    double seconds;
    if (!json_value_double(v, &seconds) || seconds < 0 || seconds * 1000 > (double)ANSWER_DELAY_MAX)
        return false;
    *ms = (int64_t)ceil(seconds * 1000);
    return true;
}

bool answer_parse(struct slice line, uint64_t id, struct answer *a, struct progress_report *progress,
                  const char **why)
{
    struct members m = {0};
    uint64_t said;
    if (!read_members(&m, line, why))
        return false;
    if (!m.has_id || !json_value_uint53(&m.id, &said))
        return fail(why, "has no id");
    if (said != id)
        return fail(why, "has the id of another job");
    if (m.has_result + m.has_error + m.has_progress != 1)
        return fail(why, "has not just one of result, error and progress");
    if (!m.has_error && (m.has_delay || m.has_bury))
        return fail(why, "has a delay or bury without an error");

    *a = (struct answer){.kind = m.has_result  ? ANSWER_RESULT
                                 : m.has_error ? ANSWER_ERROR
                                               : ANSWER_PROGRESS,
                         .value = m.has_result ? m.result.raw : m.error.raw,
                         .delay = -1};
    if (m.has_delay && !read_delay(&m.delay, &a->delay))
        return fail(why, "has a delay that is no number of seconds from 0 to 1e9");
    if (m.has_bury && !json_value_bool(&m.bury, &a->bury))
        return fail(why, "has a bury that is neither true nor false");
    return !m.has_progress || read_progress(&m.progress, progress, why);
}
