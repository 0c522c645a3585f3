#include "server/pool/talk.h"

#include "common/json_writer.h"

#include <errno.h>
#include <unistd.h>

#define KEEP_MAX (256 * 1024) // a larger buffer is not kept from job to job

void talk_release(struct talk *t)
{
    buffer_release(&t->out);
    line_reader_release(&t->in);
}

bool talk_begin(struct talk *t, const struct worker *w)
{
    const struct task *task = &w->task;
    struct buffer *b = &t->out;
    t->written = 0;
    buffer_clear(b);
    if (b->cap > KEEP_MAX)
        buffer_release(b);
    json_write_raw(b, "{");
    json_write_key(b, "id");
    json_write_uint(b, task->id);
    json_write_key(b, "queue");
    json_write_string(b, slice_of(w->handler->settings.queues.items[task->queue]));
    json_write_key(b, "attempt");
    json_write_uint(b, task->attempt);
    json_write_key(b, "delivery");
    json_write_uint(b, task->delivery);
    json_write_key(b, "body");
    json_write_slice(b, task->body);
    json_write_raw(b, "}\n");
    return !b->failed;
}

bool talk_write(struct talk *t, int fd)
{
    while (!talk_written(t)) {
        ssize_t n = write(fd, t->out.data + t->written, t->out.len - t->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        t->written += (size_t)n;
    }
    return true;
}

static struct verdict verdict_of(const struct answer *a)
{
    struct blob *text = blob_new(a->value);
    if (!text)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    if (a->kind == ANSWER_RESULT)
        return (struct verdict){.kind = VERDICT_DONE, .text = text};
    return (struct verdict){.kind = a->bury ? VERDICT_BURIED : VERDICT_FAILED,
                            .text = text,
                            .has_delay = a->delay >= 0,
                            .delay = a->delay};
}

// Looks at the lines that are there. Of several reports only the last is passed on.
static enum talk_read look(struct talk *t, struct worker *w, struct verdict *verdict, const char **why)
{
    size_t max = w->handler->settings.max_output;
    bool progressed = false;
    enum talk_read state = TALK_AGAIN;
    while (state == TALK_AGAIN) {
        struct slice text;
        struct answer a;
        enum line line = line_reader_next(&t->in, max + TALK_ENVELOPE_MAX, &text);
        if (line == LINE_MORE)
            break;
        if (line == LINE_TOO_LONG) {
            state = TALK_TOO_LONG;
        } else if (!answer_parse(text, w->task.id, &a, &t->progress, why)) {
            state = TALK_RUBBISH;
        } else if (a.kind == ANSWER_PROGRESS) {
            progressed = true;
        } else if (a.value.len > max) {
            state = TALK_TOO_LONG;
        } else {
            *verdict = verdict_of(&a);
            return TALK_ANSWER;
        }
    }
    if (progressed && state == TALK_AGAIN)
        worker_progress(w, &t->progress.text);
    return state;
}

enum talk_read talk_read(struct talk *t, struct worker *w, int fd, struct verdict *verdict, const char **why)
{
    switch (line_reader_fill(&t->in, fd)) {
    case FILL_SOME:
        return look(t, w, verdict, why);
    case FILL_AGAIN:
        return TALK_AGAIN;
    case FILL_END:
        return TALK_END;
    case FILL_NO_MEMORY:
        break;
    }
    return TALK_NO_MEMORY;
}
