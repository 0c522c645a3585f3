#include "common/progress.h"

#include "common/json_writer.h"

#include <math.h>

static bool number_fits(bool there, double n)
{
    return !there || (isfinite(n) && n >= 0);
}

const char *progress_check(const struct progress_text *p, const char **member)
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

void progress_write(struct buffer *b, const struct progress_text *p)
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
