// beanstalkd: put, reserve, delete, each queue a tube. A connection that changes its tube says so first;
// those commands cost what they cost, their answers are skipped.
#include "tests/bench/protocol.h"

#define TTR "600"

static void text(struct buffer *out, const char *s)
{
    buffer_append(out, s, strlen(s));
}

static void command(struct buffer *out, const char *name, uint32_t queue)
{
    text(out, name);
    queue_write(out, queue);
    text(out, "\r\n");
}

static void ask_get(struct buffer *out, struct session *s, const struct request *r)
{
    if (s->watched != r->queue) {
        command(out, "watch ", r->queue);
        if (s->watched == NOT_A_QUEUE)
            text(out, "ignore default\r\n");
        else
            command(out, "ignore ", s->watched);
        s->watched = r->queue;
    }
    text(out, r->wait ? "reserve\r\n" : "reserve-with-timeout 0\r\n");
}

static void ask(struct buffer *out, struct session *s, const struct request *r, const struct held *jobs)
{
    switch (r->step) {
    case STEP_PUT:
        if (s->used != r->queue)
            command(out, "use ", r->queue);
        s->used = r->queue;
        for (uint32_t i = 0; i < r->count; i++) {
            text(out, "put 0 0 " TTR " ");
            number_write(out, r->body);
            text(out, "\r\n");
            body_write(out, r->body, jobs[i].number);
            text(out, "\r\n");
        }
        break;
    case STEP_GET:
        ask_get(out, s, r);
        break;
    case STEP_ACK:
    case STEP_DELETE:
        text(out, "delete ");
        number_write(out, jobs[0].id);
        text(out, "\r\n");
        break;
    case STEP_PING:
        text(out, "list-tubes-watched\r\n");
    }
}

static bool begins(struct slice line, const char *with)
{
    size_t n = strlen(with);
    return line.len >= n && memcmp(line.data, with, n) == 0;
}

// "RESERVED id bytes\r\n", the body, "\r\n"
static enum answer read_job(struct slice in, struct slice line, const struct request *r, struct held *jobs,
                            uint32_t *count, size_t *used)
{
    if (slice_equal(line, "TIMED_OUT"))
        return ANSWER_EMPTY;
    if (!begins(line, "RESERVED "))
        return ANSWER_WRONG;
    struct slice numbers = {line.data + 9, line.len - 9};
    if (!number_read(&numbers, &jobs[0].id) || numbers.len < 2)
        return ANSWER_WRONG;
    numbers.data++;
    numbers.len--;
    return counted_body_read(in, numbers, r->body, &jobs[0].number, count, used);
}

// "OK bytes\r\n" and as many bytes and an end of line.
static enum answer read_list(struct slice in, struct slice line, size_t *used)
{
    uint64_t len;
    if (!begins(line, "OK "))
        return ANSWER_WRONG;
    struct slice number = {line.data + 3, line.len - 3};
    if (!number_read(&number, &len))
        return ANSWER_WRONG;
    if (in.len - *used < len + 2)
        return ANSWER_PARTIAL;
    *used += len + 2;
    return ANSWER_DONE;
}

static enum answer read_one(struct slice in, const struct request *r, struct held *jobs, uint32_t *count,
                            size_t *used)
{
    struct slice line;
    size_t before = 0;
    do {
        if (!line_read((struct slice){in.data + before, in.len - before}, 2, &line, used))
            return ANSWER_PARTIAL;
        before += *used;
    } while (begins(line, "USING ") || begins(line, "WATCHING "));
    *used = before;
    switch (r->step) {
    case STEP_PUT:
        return begins(line, "INSERTED ") ? ANSWER_DONE : ANSWER_WRONG;
    case STEP_GET:
        return read_job(in, line, r, jobs, count, used);
    case STEP_ACK:
        return slice_equal(line, "DELETED") ? ANSWER_DONE : ANSWER_WRONG;
    case STEP_DELETE:
        return ANSWER_WRONG;
    case STEP_PING:
        return read_list(in, line, used);
    }
    return ANSWER_WRONG;
}

static enum answer read_answer(struct slice in, const struct request *r, struct held *jobs, uint32_t *count,
                               size_t *used)
{
    uint32_t answers = r->step == STEP_PUT ? r->count : 1;
    size_t sum = 0;
    for (uint32_t i = 0; i < answers; i++) {
        size_t one = 0;
        enum answer a = read_one((struct slice){in.data + sum, in.len - sum}, r, jobs, count, &one);
        if (a != ANSWER_DONE) {
            *used = sum + one;
            return a;
        }
        sum += one;
    }
    *used = sum;
    return ANSWER_DONE;
}

const struct protocol protocol_beanstalkd = {.name = "beanstalkd", .ask = ask, .read = read_answer};
