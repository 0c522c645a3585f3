// Where one thread leaves completed waiters for another: a list without a lock and an eventfd to wake its
// owner.
#ifndef SERVER_MAILBOX_H
#define SERVER_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct waiter;

struct mailbox {
    _Atomic(struct waiter *) newest;
    atomic_bool woken; // the eventfd is readable, or about to be
    int fd;            // becomes readable when something was posted or mailbox_wake was called
    pthread_t owner;
};

// Makes the eventfd; the calling thread becomes the owner. False: no descriptor is free (errno).
bool mailbox_init(struct mailbox *m) __attribute__((warn_unused_result));
void mailbox_release(struct mailbox *m); // must be empty

// The thread that takes from it, where it is not the one that made it. Before anything is posted.
void mailbox_own(struct mailbox *m);

// Posts one waiter; wakes the owner, unless the caller is the owner: it looks into its mailbox before it
// sleeps. Any thread.
void mailbox_post(struct mailbox *m, struct waiter *w);

// Makes the owner look: something else than a waiter is there for it. Any thread.
void mailbox_wake(struct mailbox *m);

// Quiets the eventfd: call it when `fd` is readable, before mailbox_take. The owner only.
void mailbox_quiet(struct mailbox *m);

// Takes all that was posted, oldest first, linked by `next`; no system call. The owner only.
struct waiter *mailbox_take(struct mailbox *m);

// Whether something waits to be taken. The owner only.
bool mailbox_has(struct mailbox *m);

#endif
