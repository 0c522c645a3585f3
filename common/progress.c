#include "common/progress.h"

#include "common/json_reader.h"
#include "common/json_writer.h"

#include <math.h>

static bool number_fits(bool there, double n)
{
    return !there || (isfinite(n) && n >= 0);
}

const char *progress_check(const struct progress_report *p, const char **member)
{
    *member = "done";
    if (!p->has_done && !p->has_message)
        return "a progress has done or a message";
    if (!number_fits(p->has_done, p->done))
        return "done must be a number of 0 or more";
    *member = "total";
    if (!number_fits(p->has_total, p->total))
        return "total must be a number of 0 or more";
    *member = "message";
    if (p->has_message && p->message.len > PROGRESS_MESSAGE_MAX)
        return "message must be a string of at most 1024 bytes";
    return NULL;
}

void progress_write(struct buffer *b, const struct progress_report *p)
{
    if (p->has_done) {
        json_write_key(b, "done");
        json_write_double(b, p->done);
    }
    if (p->has_total) {
        json_write_key(b, "total");
        json_write_double(b, p->total);
    }
    if (p->has_message) {
        json_write_key(b, "message");
        json_write_bytes(b, p->message);
    }
}

// One member. `text` has room for a message whose escapes are undone.
static bool read_member(struct progress_report *p, const struct json_value *key, const struct json_value *v,
                        char *text)
{
    bool *has = json_string_is(key, "done")      ? &p->has_done
                : json_string_is(key, "total")   ? &p->has_total
                : json_string_is(key, "message") ? &p->has_message
                                                 : NULL;
    if (!has || *has)
        return false;
    *has = true;
    if (has == &p->has_message)
        return json_value_string(v, text, PROGRESS_MESSAGE_MAX, &p->message, NULL);
    return json_value_double(v, has == &p->has_done ? &p->done : &p->total);
}

bool progress_read(struct slice json, struct buffer *b, const char **why)
{
    char text[PROGRESS_MESSAGE_MAX];
    struct progress_report p = {0};
    struct json_reader r;
    struct json_value key, value;
    const char *member;
    json_reader_init(&r, json.data, json.len);
    *why = "a progress is an object of done, total and message: two numbers and a string";
    if (!json_reader_object_begin(&r))
        return false;
    while (json_reader_member(&r, &key, &value))
        if (!read_member(&p, &key, &value, text))
            return false;
    if (!json_reader_end(&r) || (*why = progress_check(&p, &member)))
        return false;
    progress_write(b, &p);
    return true;
}
