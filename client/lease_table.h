// The leases that a handle renews: a hash table by the job's id. The handle's lock.
#ifndef CLIENT_LEASE_TABLE_H
#define CLIENT_LEASE_TABLE_H

#include "client/taskq.h"

struct lease {
    uint64_t id; // 0: the slot is free
    uint64_t delivery;
    int64_t lease_ms;
    int64_t due; // clock_ns()
    bool detached;
};

struct lease_table {
    struct lease *slots;
    size_t cap; // a power of two, or 0
    size_t count;
};

void lease_table_release(struct lease_table *t);

// Puts a lease in, in place of an older one of the same job.
enum taskq_error lease_table_put(struct lease_table *t, struct lease lease);

// False: there was none.
bool lease_table_remove(struct lease_table *t, uint64_t id);

// Those whose connection is gone.
void lease_table_remove_bound(struct lease_table *t);

#endif
