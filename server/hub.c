#include "server/hub.h"

#include "server/mailbox.h"

#include <pthread.h>
#include <stdlib.h>

struct hub {
    pthread_mutex_t lock;
    struct engine *engine;
    struct mailbox *ticker;
    struct moment now;  // of the last lock: readings of several threads must not go back
    int64_t ticker_due; // when the ticker will call of its own accord
};

struct hub *hub_new(struct engine *engine_take)
{
    struct hub *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    pthread_mutex_init(&h->lock, NULL);
    h->engine = engine_take;
    h->ticker_due = INT64_MAX;
    return h;
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    engine_free(h->engine);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

struct engine *hub_engine(struct hub *h)
{
    return h->engine;
}

void hub_set_ticker(struct hub *h, struct mailbox *mailbox)
{
    h->ticker = mailbox;
}

struct moment hub_lock(struct hub *h)
{
    pthread_mutex_lock(&h->lock);
    struct moment now = clock_now();
    if (now.mono < h->now.mono)
        now.mono = h->now.mono;
    h->now = now;
    return now;
}

static void post_all(struct waiter *w)
{
    while (w) {
        struct waiter *next = w->next;
        mailbox_post(w->mailbox, w);
        w = next;
    }
}

void hub_unlock(struct hub *h)
{
    struct waiter *completed = engine_take_completed(h->engine);
    struct job *removed = engine_take_removed(h->engine);
    int64_t due = engine_next_due(h->engine, h->now);
    bool earlier = due < h->ticker_due;
    if (earlier)
        h->ticker_due = due;
    struct mailbox *ticker = h->ticker;
    pthread_mutex_unlock(&h->lock);

    post_all(completed);
    jobs_free(removed);
    if (earlier && ticker)
        mailbox_wake(ticker);
}

int64_t hub_tick(struct hub *h)
{
    struct moment now = hub_lock(h);
    h->ticker_due = engine_tick(h->engine, now);
    int64_t due = h->ticker_due;
    hub_unlock(h);
    if (due == INT64_MAX)
        return -1;
    return due > now.mono ? due - now.mono : 0;
}

uint64_t hub_durable(struct hub *h)
{
    (void)h;
    return UINT64_MAX;
}
