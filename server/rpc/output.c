#include "server/rpc/output.h"

#include "common/json_writer.h"
#include "server/engine/blob.h"
#include "server/hub.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/reply.h"
#include "server/rpc/task.h"

#include <assert.h>
#include <stdlib.h>

#define OUT_KEEP ((size_t)1024 * 1024) // a larger buffer is given back after use
#define OUT_FULL ((size_t)256 * 1024)  // so much is not gathered any longer

void output_begin(struct dispatch *d)
{
    d->piece = d->out.len;
    d->piece_marks = d->mark_count;
}

static void add_piece(struct dispatch *d, struct dispatch_piece piece)
{
    if (piece.start == piece.end)
        return;
    d->pieces[d->piece_count++] = piece;
    d->any_first |= piece.first;
    piece.session->pieces++;
}

void output_end(struct dispatch *d, struct session *s)
{
    if (d->out.failed) {
        s->broken = true;
        d->out.failed = false; // the others' replies are whole
    }
    if (s->broken) {
        d->out.len = d->piece;
        d->mark_count = d->piece_marks;
    }
    add_piece(d, (struct dispatch_piece){s, d->piece, d->out.len, d->piece_marks, d->mark_count, false});
    output_begin(d);
    output_relieve(d);
}

void output_add(struct dispatch *d, struct session *s, size_t start, size_t end, unsigned mark_start,
                unsigned mark_end)
{
    bool first = s->pieces == 0; // or it would overtake what stands before it on its own connection
    add_piece(d, (struct dispatch_piece){s, start, end, mark_start, mark_end, first});
}

void output_relieve(struct dispatch *d)
{
    if (d->piece_count == DISPATCH_PIECES || d->out.len >= OUT_FULL)
        dispatch_flush(d);
}

static void send_pieces(struct dispatch *d, bool first)
{
    for (unsigned i = 0; i < d->piece_count; i++) {
        struct dispatch_piece *p = &d->pieces[i];
        if (p->first != first)
            continue;
        for (unsigned m = p->mark_start; m < p->mark_end; m++)
            d->marks[m].at -= p->start;
        p->session->pieces--;
        d->ops->send(p->session, d->out.data + p->start, p->end - p->start, d->marks + p->mark_start,
                     p->mark_end - p->mark_start);
    }
}

void dispatch_flush(struct dispatch *d)
{
    if (d->any_first)
        send_pieces(d, true);
    d->any_first = false;
    send_pieces(d, false);
    d->piece_count = d->mark_count = 0;
    if (d->out.cap > OUT_KEEP)
        buffer_release(&d->out);
    buffer_clear(&d->out);
    output_begin(d);
    timing_end(&d->timing);
}

void output_promise(struct dispatch *d, uint64_t at, uint64_t promise)
{
    if (promise == 0 || promise <= hub_durable(d->rpc->hub))
        return;
    // What is behind a mark waits for it anyway.
    if (d->mark_count > d->piece_marks && d->marks[d->mark_count - 1].promise >= promise)
        return;
    if (d->mark_count == d->mark_cap) {
        unsigned cap = d->mark_cap ? 2 * d->mark_cap : 16;
        struct mark *grown = realloc(d->marks, cap * sizeof *grown);
        if (!grown) {
            d->out.failed = true;
            return;
        }
        d->marks = grown;
        d->mark_cap = cap;
    }
    d->marks[d->mark_count++] = (struct mark){at, promise};
}

// Where a reply is to be written, with what must stand before it.
static struct buffer *open_reply(struct dispatch *d, struct session *s, struct batch *batch, uint64_t promise)
{
    if (!batch) {
        output_promise(d, d->out.len, promise);
        return &d->out;
    }
    if (promise > batch->promise)
        batch->promise = promise;
    s->batched -= batch->out.len;
    if (batch->out.len > 0)
        buffer_append_byte(&batch->out, ',');
    return &batch->out;
}

static void close_reply(struct dispatch *d, struct session *s, struct batch *batch)
{
    if (!batch) {
        buffer_append_byte(&d->out, '\n');
        return;
    }
    s->batched += batch->out.len;
    if (batch->out.failed)
        s->broken = true;
}

static void answer_taken_back(struct dispatch *d, struct session *s, struct wait *w)
{
    struct batch *batch = w->batch;
    if (w->id_len > 0) {
        reply_plain_error(open_reply(d, s, batch, 0), wait_id(w), ERROR_REQUEST_CANCELLED);
        close_reply(d, s, batch);
    }
    free(w);
    if (batch) {
        batch->waiting--;
        output_batch(d, s, batch);
    }
}

static void write_error(struct buffer *b, const struct request *r)
{
    struct reply_error e = {
        .error = r->error, .text = r->text, .param = r->param, .offset = r->offset, .job = r->job};
    reply_error(b, r->id, &e);
}

void output_request(struct dispatch *d, struct session *s, struct batch *batch, struct request *r)
{
    if (!r->error && (r->method->flags & METHOD_TAKES_BACK) && r->out.taken_back)
        answer_taken_back(d, s, r->out.taken_back);
    if (r->waits || r->id.len == 0)
        return;
    struct buffer *b = open_reply(d, s, batch, r->promise);
    bool outcome = r->method && (r->method->flags & METHOD_OUTCOME);
    if (outcome && is_outcome(r->error)) {
        reply_outcome(b, r->id, r->job, &r->out.outcome);
    } else if (r->error) {
        write_error(b, r);
    } else {
        reply_begin(b, r->id);
        r->method->reply(b, r);
        reply_end(b);
    }
    close_reply(d, s, batch);
}

void output_task(struct dispatch *d, struct session *s, struct task *t)
{
    struct request *r = &t->request;
    if (r->id.len == 0)
        return;
    struct buffer *b = open_reply(d, s, t->batch, r->promise);
    if (t->out.failed) {
        reply_plain_error(b, r->id, ERROR_OVERLOADED);
    } else if (r->error) {
        write_error(b, r);
    } else {
        reply_begin(b, r->id);
        buffer_append(b, t->out.data, t->out.len);
        reply_end(b);
    }
    close_reply(d, s, t->batch);
}

static void write_completion(struct buffer *b, const struct wait *w, const struct waiter *done)
{
    struct slice id = wait_id(w);
    if (done->kind == WAITER_RESULT && is_outcome(done->error)) {
        reply_outcome(b, id, done->id, &done->outcome);
        return;
    }
    if (done->error) {
        struct reply_error e = {.error = done->error,
                                .offset = REQUEST_NO_OFFSET,
                                .job = w->call ? done->id : 0};
        reply_error(b, id, &e);
        return;
    }
    reply_begin(b, id);
    switch (done->kind) {
    case WAITER_GET:
        if (w->listed)
            json_write_raw(b, "{\"jobs\":[");
        write_taken(b, wait_name(w, done->taken.queue_index), &done->taken);
        if (w->listed)
            json_write_raw(b, "]}");
        break;
    case WAITER_PUT:
        write_put(b, done->id, done->existing);
        break;
    default: // a join; the others are no replies or were written above
        json_write_raw(b, "{}");
    }
    reply_end(b);
}

// The bytes of a batch that is complete.
static void write_batch(struct dispatch *d, struct session *s, struct batch *batch)
{
    assert(s->batch != batch);
    if (batch->out.len > 0) {
        buffer_append_byte(&d->out, '[');
        buffer_append(&d->out, batch->out.data, batch->out.len);
        buffer_append(&d->out, "]\n", 2);
    }
    s->batched -= batch->out.len;
    dispatch_late(d, batch_untag(batch));
}

static void write_news(struct buffer *b, struct waiter *news)
{
    struct blob *text = news->of->answered ? NULL : waiter_take_progress(news);
    if (text)
        write_progress(b, news->id, blob_slice(text));
    blob_unref(text);
}

static void write_events(struct buffer *b, struct waiter *news)
{
    struct slice request = wait_id(news->of->context);
    struct job_event event;
    if (news->of->answered)
        return;
    while (waiter_next_event(news, &event))
        write_event(b, request, &event);
    if (waiter_missed(news))
        write_missed(b, request, waiter_missed(news));
}

void output_waiter(struct dispatch *d, struct session *s, struct waiter *done)
{
    struct wait *w = waiter_wait(done);
    struct batch *batch = w ? w->batch : NULL;
    done->at = d->out.len;
    if (done->kind == WAITER_NOTIFY) {
        write_finished(&d->out, done->id, done->error, &done->outcome);
    } else if (done->kind == WAITER_PROGRESS) {
        write_news(&d->out, done);
    } else if (done->kind == WAITER_EVENTS) {
        write_events(&d->out, done);
    } else if (w->id_len > 0) {
        write_completion(open_reply(d, s, batch, 0), w, done);
        close_reply(d, s, batch);
    }
    done->answered = true;
    if (!batch)
        return;
    batch->waiting--;
    w->ends_batch = batch->read && batch->waiting == 0;
    if (w->ends_batch)
        write_batch(d, s, batch);
}

void output_waiter_promise(struct dispatch *d, const struct wait *w, uint64_t at, uint64_t promise)
{
    struct batch *batch = w ? w->batch : NULL;
    if (!batch) {
        output_promise(d, at, promise);
        return;
    }
    if (promise > batch->promise)
        batch->promise = promise;
    if (w->ends_batch) {
        output_promise(d, at, batch->promise);
        batch_free(batch);
    }
}

void output_batch(struct dispatch *d, struct session *s, struct batch *batch)
{
    if (!batch->read || batch->waiting > 0)
        return;
    output_promise(d, d->out.len, batch->promise);
    write_batch(d, s, batch);
    batch_free(batch);
}
