// Bulk puts: a window of requests in flight, each item's outcome in the item.
//
// An item says itself where it is: it has an id: put; TASKQ_UNSENT, or TASKQ_LOST with a key: still to be
// sent; TASKQ_OK without an id: in flight; any other error: done with.
#include "client/call.h"
#include "client/link.h"
#include "client/produce.h"
#include "client/receive.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_DEFAULT 256
#define WINDOW_MAX     1000 // below what a connection may have waiting

struct sent {
    uint64_t request;
    size_t item;
};

struct bulk {
    struct taskq *q;
    const char *queue;
    struct taskq_item *items;
    size_t count;
    const struct taskq_put_options *options;
    struct sent *window; // oldest first
    size_t window_cap, begin, in_flight;
    size_t next;          // the items before it are in flight or done with
    size_t settled;       // how many have their outcome
    bool progressed;      // since the connection was made
    bool stopped;         // nothing more is sent
    enum taskq_error why; // … because this came back
    size_t failed;        // the first item that the daemon refused; SIZE_MAX: none
    char *message;        // and its words; NULL: no memory for them
};

static const char *key_of(const struct bulk *b, const struct taskq_item *item)
{
    return item->key != NULL ? item->key : b->options->key;
}

static bool to_send(const struct bulk *b, const struct taskq_item *item)
{
    return item->id == 0 &&
           (item->error == TASKQ_UNSENT || (item->error == TASKQ_LOST && key_of(b, item) != NULL));
}

static enum taskq_error send_one(struct bulk *b, size_t i)
{
    struct taskq_item *item = &b->items[i];
    uint64_t request;
    produce_request(b->q, "put", b->queue, item->body, item->body_len, b->options, key_of(b, item));
    enum taskq_error e = call_send(b->q, 0, false, &request);
    if (e == TASKQ_OK) {
        item->error = TASKQ_OK;
        b->window[(b->begin + b->in_flight++) % b->window_cap] = (struct sent){request, i};
    } else if (e == TASKQ_USAGE && !b->q->unusable) {
        item->error = e; // its body is not JSON: the others may be
        b->settled++;
        e = TASKQ_OK;
    }
    return e;
}

static void fill_window(struct bulk *b)
{
    while (!b->stopped && b->in_flight < b->window_cap && b->next < b->count) {
        if (b->q->channel.fd < 0 && b->in_flight > 0)
            return; // lost: first it is seen what became of those
        if (to_send(b, &b->items[b->next])) {
            if (b->q->channel.fd < 0 && !b->progressed) {
                b->stopped = true;
                return;
            }
            if (b->q->channel.fd < 0)
                b->progressed = false;
            b->why = send_one(b, b->next);
            if (b->why != TASKQ_OK) {
                b->stopped = true;
                return;
            }
        }
        b->next++;
    }
}

// Finds the item of a reply and takes it out of the window. Replies come nearly in order.
static struct taskq_item *take_sent(struct bulk *b, uint64_t request)
{
    for (size_t n = 0; n < b->in_flight; n++) {
        struct sent *s = &b->window[(b->begin + n) % b->window_cap];
        if (s->request != request)
            continue;
        size_t item = s->item;
        for (; n > 0; n--)
            b->window[(b->begin + n) % b->window_cap] = b->window[(b->begin + n - 1) % b->window_cap];
        b->begin = (b->begin + 1) % b->window_cap;
        b->in_flight--;
        return &b->items[item];
    }
    return NULL;
}

static void take_reply(struct bulk *b, const struct taskq_reply *reply)
{
    struct taskq_item *item = take_sent(b, reply->request);
    struct taskq_put_result result;
    if (item == NULL)
        return;
    item->error = taskq_reply_put(b->q, reply, &result);
    if (item->error == TASKQ_OK) {
        item->id = result.id;
        item->existing = result.existing;
    }
    if (to_send(b, item)) {
        size_t i = (size_t)(item - b->items);
        if (i < b->next)
            b->next = i;
        return;
    }
    b->progressed = true;
    b->settled++;
    size_t i = (size_t)(item - b->items);
    if (item->error != TASKQ_OK && i < b->failed) {
        b->failed = i;
        free(b->message);
        b->message = strdup(taskq_error_message(b->q));
    }
}

static void take_back(struct bulk *b)
{
    b->stopped = true;
    for (size_t n = 0; n < b->in_flight; n++)
        call_cancel(b->q, b->window[(b->begin + n) % b->window_cap].request);
}

static void run(struct bulk *b, void (*progress)(size_t done, size_t count, void *arg), void *arg)
{
    size_t told = 0;
    for (;;) {
        fill_window(b);
        if (b->in_flight == 0)
            return;
        struct taskq_reply reply;
        uint64_t oldest = b->window[b->begin].request;
        // While all goes well any reply will be ours; others' are kept by waiting for one that is.
        int64_t deadline = call_deadline(b->q, b->stopped ? 0 : b->options->timeout);
        enum taskq_error e = receive(b->q, oldest, deadline, !b->stopped, &reply);
        if (e == TASKQ_OK)
            take_reply(b, &reply);
        else if (e == TASKQ_REQUEST_CANCELLED)
            take_back(b);
        else if (e == TASKQ_TIMEOUT)
            link_lose(b->q, "no reply came in time");
        else
            return;
        if (progress != NULL && (b->settled - told >= b->window_cap || b->in_flight == 0)) {
            told = b->settled;
            progress(b->settled, b->count, arg);
        }
    }
}

static enum taskq_error outcome(struct bulk *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct taskq_item *item = &b->items[i];
        if (item->id == 0 && item->error == TASKQ_OK)
            item->error = TASKQ_LOST;
    }
    for (size_t i = 0; i < b->count; i++) {
        enum taskq_error e = b->items[i].error;
        if (b->items[i].id != 0)
            continue;
        if (i == b->failed && b->message != NULL)
            return handle_fail(b->q, e, "%s", b->message);
        if (e == TASKQ_UNSENT && b->why != TASKQ_OK)
            return handle_fail(b->q, e, "%s (%s)", taskq_error_text(e), taskq_error_message(b->q));
        return handle_fail(b->q, e, "%s", taskq_error_text(e));
    }
    return TASKQ_OK;
}

enum taskq_error taskq_put_many(struct taskq *q, const char *queue, struct taskq_item *items, size_t count,
                                size_t window, const struct taskq_put_options *options,
                                void (*progress)(size_t done, size_t count, void *arg), void *arg)
{
    struct bulk b = {
        .q = q, .queue = queue, .items = items, .count = count, .progressed = true, .failed = SIZE_MAX};
    b.options = produce_options(options);
    b.window_cap = window == 0 ? WINDOW_DEFAULT : window > WINDOW_MAX ? WINDOW_MAX : window;
    b.window = malloc(b.window_cap * sizeof(*b.window));
    if (b.window == NULL)
        return handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    for (size_t i = 0; i < count; i++) {
        items[i].error = items[i].id != 0 ? TASKQ_OK : TASKQ_UNSENT;
        b.settled += items[i].id != 0;
    }
    run(&b, progress, arg);
    free(b.window);
    enum taskq_error e = outcome(&b);
    free(b.message);
    return e;
}
