// Leases renewed while the caller works. A thread of the handle's, started at the first lease, sends `touch`
// as a notification at every third of each lease: there is no reply, so it never reads, and the caller's
// thread never notices. Whether a lease held is what the job's ack says. When the connection is down, the
// detached leases go on over one of the thread's own, since their deliveries are good on any.
#ifndef CLIENT_RENEW_H
#define CLIENT_RENEW_H

#include "client/handle.h"

// From now on this job's lease is renewed. The caller's thread, as all but the next.
enum taskq_error renew_add(struct taskq *q, uint64_t id, uint64_t delivery, int64_t lease_ms, bool detached);

// The connection's leases went with it. Under the lock.
void renew_connection_lost(struct taskq *q);

// The job is given back.
void renew_remove(struct taskq *q, uint64_t id);

// Ends the thread.
void renew_stop(struct taskq *q);

#endif
