// The trail: one line in the log for each thing that an administrator did, or that somebody tried.
#ifndef RPC_TRAIL_H
#define RPC_TRAIL_H

struct request;
struct session;

// After a request of a method with METHOD_TRAIL was carried out: who it was, from where, what, how many.
// Nothing where it failed, only asked, or was about a single job. `s` NULL: its connection has closed
// meanwhile. Not under the lock.
void trail_note(const struct session *s, const struct request *r);

// A client of the session gave a token that is nobody's: counts it, and tells from where it came.
void trail_wrong_token(struct session *s);

#endif
