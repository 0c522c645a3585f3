#include "server/rpc/session.h"

#include "server/engine/blob.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Only the session's own thread writes it.
static void count_waits(struct session *s, int change)
{
    unsigned now = atomic_load_explicit(&s->waiting, memory_order_relaxed);
    atomic_store_explicit(&s->waiting, now + (unsigned)change, memory_order_relaxed);
}

struct wait *pending_new(struct session *s, struct batch *batch, struct waiter *waiter, struct slice id,
                         const struct slice *names, unsigned name_count)
{
    size_t size = sizeof(struct wait) + id.len;
    for (unsigned i = 0; i < name_count; i++)
        size += 1 + names[i].len;
    struct wait *w = malloc(size);
    if (!w)
        return NULL;
    *w = (struct wait){.next = s->waits,
                       .session = s,
                       .waiter = waiter,
                       .batch = batch,
                       .name_count = (uint16_t)name_count,
                       .id_len = (uint32_t)id.len};
    if (id.len > 0)
        memcpy(w->text, id.data, id.len);
    char *p = w->text + id.len;
    for (unsigned i = 0; i < name_count; i++) {
        assert(names[i].len <= UINT8_MAX);
        *p++ = (char)names[i].len;
        memcpy(p, names[i].data, names[i].len);
        p += names[i].len;
    }
    if (s->waits)
        s->waits->prev = w;
    s->waits = w;
    count_waits(s, +1);
    if (batch)
        batch->waiting++;
    waiter->context = w;
    return w;
}

void wait_unlink(struct wait *w)
{
    if (!w->session)
        return;
    if (w->prev)
        w->prev->next = w->next;
    else
        w->session->waits = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->prev = w->next = NULL;
    count_waits(w->session, -1);
}

struct wait *wait_find(const struct session *s, struct slice id)
{
    for (struct wait *w = s->waits; w; w = w->next)
        if (id.len > 0 && slice_same(wait_id(w), id))
            return w;
    return NULL;
}

struct session *waiter_session(const struct waiter *w)
{
    if (w->orphan && w->kind >= WAITER_NOTIFY)
        return NULL;
    if (w->kind == WAITER_PROGRESS || w->kind == WAITER_EVENTS)
        w = w->of;
    return w->kind == WAITER_NOTIFY ? w->orphan ? NULL : w->context : ((struct wait *)w->context)->session;
}

struct wait *waiter_wait(const struct waiter *w)
{
    return w->kind >= WAITER_NOTIFY ? NULL : w->context;
}

static uint64_t outcome_bytes(const struct waiter *w)
{
    if (w->kind != WAITER_NOTIFY)
        return 0;
    return sizeof(struct waiter) + blob_slice(w->outcome.result).len + blob_slice(w->outcome.error).len;
}

void session_keep(struct session *s, struct waiter *w)
{
    s->kept_bytes += outcome_bytes(w);
    if (s->kept) {
        w->next = s->kept->next;
        s->kept->next = w;
    } else {
        w->next = w;
    }
    s->kept = w;
}

struct waiter *session_unkeep(struct session *s)
{
    if (!s->kept)
        return NULL;
    struct waiter *first = s->kept->next;
    if (first == s->kept)
        s->kept = NULL;
    else
        s->kept->next = first->next;
    s->kept_bytes -= outcome_bytes(first);
    return first;
}

struct slice wait_id(const struct wait *w)
{
    return (struct slice){w->text, w->id_len};
}

struct slice wait_name(const struct wait *w, unsigned index)
{
    const char *p = w->text + w->id_len;
    while (index-- > 0)
        p += 1 + (unsigned char)*p;
    return (struct slice){p + 1, (unsigned char)*p};
}

struct batch *batch_new(struct session *s)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b)
        b->session = s;
    return b;
}

uint32_t batch_tag(struct batch *b, uint32_t next)
{
    struct session *s = b->session;
    if (b->tag)
        return b->tag;
    b->tag = next ? next : UINT32_MAX;
    b->next_tagged = s->tagged;
    s->tagged = b;
    return b->tag;
}

struct batch *batch_of_tag(const struct session *s, uint32_t tag)
{
    struct batch *b = tag ? s->tagged : NULL;
    while (b && b->tag != tag)
        b = b->next_tagged;
    return b;
}

void batch_hold(struct batch *b, struct waiter *w)
{
    w->next = NULL;
    if (b->held_last)
        b->held_last->next = w;
    else
        b->held = w;
    b->held_last = w;
}

struct waiter *batch_untag(struct batch *b)
{
    struct waiter *held = b->held;
    if (!b->tag)
        return NULL;
    struct batch **at = &b->session->tagged;
    while (*at != b)
        at = &(*at)->next_tagged;
    *at = b->next_tagged;
    b->tag = 0;
    b->held = b->held_last = NULL;
    return held;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    buffer_release(&b->out);
    free(b);
}
