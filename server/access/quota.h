// Quotas: how much all the connections of one identity may have and ask for together.
//
// The limits stand in the identity, as the configuration has them now; what is used is counted in an object
// of its own that outlives a reload, made only for identities that have a quota. So one without is never
// counted.
#ifndef ACCESS_QUOTA_H
#define ACCESS_QUOTA_H

#include "common/pace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Settings of all identities; types are those of server/settings.h.
#define QUOTAS(X)                                                                                            \
    /* field, type, lowest, highest, default, text */                                                        \
    X(connections, COUNT, 0, 1000000, 0,                                                                     \
      "connections that it may have at a time; here and below 0 means: no bound")                            \
    X(requests_per_second, COUNT, 0, 1000000000, 0,                                                          \
      "requests that are taken from it, a second's worth of them at once; more are left unread meanwhile")   \
    X(waiting, COUNT, 0, 1000000000, 0, "requests of it that may wait at a time")                            \
    X(bytes_queued, BYTES, 0, (int64_t)1 << 50, 0,                                                           \
      "that its unfinished jobs may take, a job its body and 256 bytes; those of before the start do not "   \
      "count")

struct quotas {
#define X(field, type, low, high, value, text) uint64_t field;
    QUOTAS(X)
#undef X
};

bool quotas_any(const struct quotas *q);
bool quotas_equal(const struct quotas *a, const struct quotas *b);

struct engine_account; // the engine's count of waits and bytes

// Any thread.
struct quota_use {
    atomic_uint connections;
    struct pace pace; // of requests
    struct engine_account *account;
    _Atomic uint64_t refused; // connections
    _Atomic uint64_t slowed;  // times that a connection was not read from for a while
};

// One more connection; false: there are as many as may be, and it is counted as refused. `always`: also then.
bool quota_connect(struct quota_use *u, const struct quotas *q, bool always);
void quota_disconnect(struct quota_use *u);

// Of `most` requests so many may be taken now. 0: one is taken at *until (clock_ns()), in turn with those
// that came before, and counted already.
unsigned quota_allow(struct quota_use *u, const struct quotas *q, unsigned most, int64_t now, int64_t *until);

// So many were taken; fewer than 0: what was counted already is given back.
void quota_take(struct quota_use *u, const struct quotas *q, int64_t count, int64_t now);

// How many of those that may come at once are used up.
uint64_t quota_rate_used(const struct quota_use *u, const struct quotas *q, int64_t now);

#endif
