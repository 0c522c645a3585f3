#include "server/mailbox.h"

#include "server/engine/engine.h"

#include <assert.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *m)
{
    atomic_init(&m->newest, NULL);
    atomic_init(&m->woken, false);
    m->owner = pthread_self();
    m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return m->fd >= 0;
}

void mailbox_release(struct mailbox *m)
{
    assert(atomic_load(&m->newest) == NULL);
    close(m->fd);
    m->fd = -1;
}

void mailbox_own(struct mailbox *m)
{
    m->owner = pthread_self();
}

void mailbox_wake(struct mailbox *m)
{
    // One write wakes for all that is posted until the owner looks.
    if (atomic_exchange(&m->woken, true))
        return;
    uint64_t one = 1;
    ssize_t written = write(m->fd, &one, sizeof one);
    assert(written == sizeof one); // an eventfd takes 2^64 - 2 of them
    (void)written;
}

void mailbox_post(struct mailbox *m, struct waiter *w)
{
    struct waiter *head = atomic_load_explicit(&m->newest, memory_order_relaxed);
    do {
        w->next = head;
    } while (!atomic_compare_exchange_weak(&m->newest, &head, w));
    if (!pthread_equal(m->owner, pthread_self()))
        mailbox_wake(m);
}

void mailbox_quiet(struct mailbox *m)
{
    uint64_t count;
    ssize_t got = read(m->fd, &count, sizeof count);
    (void)got; // EAGAIN: somebody was quicker, which is fine
    atomic_store(&m->woken, false);
}

struct waiter *mailbox_take(struct mailbox *m)
{
    struct waiter *w = atomic_exchange(&m->newest, NULL), *oldest_first = NULL;
    while (w) {
        struct waiter *next = w->next;
        w->next = oldest_first;
        oldest_first = w;
        w = next;
    }
    return oldest_first;
}

bool mailbox_has(struct mailbox *m)
{
    return atomic_load_explicit(&m->newest, memory_order_relaxed) != NULL;
}
