// What is in flight: the requests that have no reply yet, in the order in which they were made. One thread.
#ifndef CLIENT_FLIGHT_H
#define CLIENT_FLIGHT_H

#include "client/taskq.h"

struct flight_entry {
    uint64_t request;
    uint64_t end;                // where its last byte is in the connection's stream
    size_t line_len;             // of the request
    int64_t lease_ms;            // a get's jobs are renewed by this; 0: they are not
    enum taskq_error fate;       // TASKQ_OK: the reply may come; another: it will not, and this is why
    bool detached;               // a get's
    bool done;                   // the entry is free
    bool owned;                  // its reply is a future's: nobody else is given it
    struct taskq_future *future; // NULL where owned: nobody wants the reply any more
};

struct flight {
    struct flight_entry *entries; // ascending by request
    size_t begin, end, cap;
    size_t live;  // entries that are not done
    size_t fated; // of these, with a fate
    size_t owned; // of the live ones; fated ones are taken by futures, so they are few
    size_t owned_fated;
};

void flight_release(struct flight *f);

// Makes room for one more, so that flight_add() cannot fail.
enum taskq_error flight_reserve(struct flight *f);
struct flight_entry *flight_add(struct flight *f, uint64_t request);

// Its reply is a future's.
void flight_own(struct flight *f, struct flight_entry *e, struct taskq_future *future);

// NULL: there is none.
struct flight_entry *flight_find(struct flight *f, uint64_t request);
struct flight_entry *flight_first_fated(struct flight *f, bool owned);
struct flight_entry *flight_largest(struct flight *f); // by line_len, without a fate

// Sets an entry's fate, that it did not have.
void flight_doom(struct flight *f, struct flight_entry *e, enum taskq_error fate);

// The connection is gone: everything without a fate gets one, by whether its line was sent whole.
void flight_doom_all(struct flight *f, uint64_t sent);

void flight_remove(struct flight *f, struct flight_entry *e);

#endif
