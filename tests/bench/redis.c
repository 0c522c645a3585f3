// Redis as a reliable queue: LPUSH; RPOPLPUSH to a list of what is being worked on; LREM from that list's
// tail, where the oldest is and so the one that is most likely looked for.
#include "tests/bench/protocol.h"

static void bulk_text(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

static void key_write(struct buffer *out, char kind, uint32_t queue)
{
    char digits[24];
    struct buffer name = {.data = digits, .cap = sizeof digits};
    buffer_append_byte(&name, kind);
    queue_write(&name, queue);
    buffer_append_byte(out, '$');
    number_write(out, name.len);
    bulk_text(out, "\r\n");
    buffer_append(out, name.data, name.len);
    bulk_text(out, "\r\n");
}

static void bulk_body(struct buffer *out, size_t len, uint64_t number)
{
    buffer_append_byte(out, '$');
    number_write(out, len);
    bulk_text(out, "\r\n");
    body_write(out, len, number);
    bulk_text(out, "\r\n");
}

static void ask(struct buffer *out, struct session *session, const struct request *r, const struct held *jobs)
{
    (void)session;
    switch (r->step) {
    case STEP_PUT:
        buffer_append_byte(out, '*');
        number_write(out, 2 + r->count);
        bulk_text(out, "\r\n$5\r\nLPUSH\r\n");
        key_write(out, 'r', r->queue);
        for (uint32_t i = 0; i < r->count; i++)
            bulk_body(out, r->body, jobs[i].number);
        break;
    case STEP_GET:
        bulk_text(out, r->wait ? "*4\r\n$10\r\nBRPOPLPUSH\r\n" : "*3\r\n$9\r\nRPOPLPUSH\r\n");
        key_write(out, 'r', r->queue);
        key_write(out, 'w', r->queue);
        if (r->wait)
            bulk_text(out, "$1\r\n0\r\n");
        break;
    case STEP_ACK:
        bulk_text(out, "*4\r\n$4\r\nLREM\r\n");
        key_write(out, 'w', r->queue);
        bulk_text(out, "$2\r\n-1\r\n");
        bulk_body(out, r->body, jobs[0].number);
        break;
    case STEP_DELETE: // a list has no ids
        break;
    case STEP_PING:
        bulk_text(out, "*1\r\n$4\r\nPING\r\n");
    }
}

// "$100\r\n…\r\n", or "$-1\r\n" where there is none.
static enum answer read_job(struct slice in, struct slice line, const struct request *r, struct held *jobs,
                            uint32_t *count, size_t *used)
{
    if (slice_equal(line, "$-1"))
        return ANSWER_EMPTY;
    if (line.data[0] != '$')
        return ANSWER_WRONG;
    return counted_body_read(in, (struct slice){line.data + 1, line.len - 1}, r->body, &jobs[0].number, count,
                             used);
}

static enum answer read_answer(struct slice in, const struct request *r, struct held *jobs, uint32_t *count,
                               size_t *used)
{
    struct slice line;
    if (!line_read(in, 2, &line, used))
        return ANSWER_PARTIAL;
    if (line.len < 2)
        return ANSWER_WRONG;
    switch (r->step) {
    case STEP_PUT:
        return line.data[0] == ':' ? ANSWER_DONE : ANSWER_WRONG;
    case STEP_GET:
        return read_job(in, line, r, jobs, count, used);
    case STEP_ACK:
        return slice_equal(line, ":1") ? ANSWER_DONE : ANSWER_WRONG;
    case STEP_DELETE:
        return ANSWER_WRONG;
    case STEP_PING:
        return slice_equal(line, "+PONG") ? ANSWER_DONE : ANSWER_WRONG;
    }
    return ANSWER_WRONG;
}

const struct protocol protocol_redis = {.name = "redis", .ask = ask, .read = read_answer};
