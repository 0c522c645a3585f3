// The trail: one line in the log for each thing that an administrator did, or that somebody tried.
#ifndef RPC_TRAIL_H
#define RPC_TRAIL_H

struct request;
struct session;
struct task;

// After a request of a method with METHOD_TRAIL was carried out: who it was, from where, what, how many.
// Nothing where it failed or only asked. Not under the lock.
void trail_note(const struct session *s, const struct request *r);

// The same of one that took several slices. Whoever it was may be gone by then, so that is kept before the
// first pause.
void trail_keep(struct task *t);
void trail_note_task(const struct task *t);

// A client of the session gave a token that is nobody's: counts it, and tells from where it came.
void trail_wrong_token(struct session *s);

#endif
