// How a job goes on from where it was: admitted, handed out, come back, finished, dead.
#ifndef ENGINE_RETRY_H
#define ENGINE_RETRY_H

#include "server/engine/core.h"
#include "server/engine/queue.h"
#include "server/engine/waiter.h"

// Gives a prepared job its id and place. `level_take` is its level; `asked` is when the put came, from which
// delay and expires count.
void job_admit(struct engine *e, struct job *j, struct level *level_take, int64_t asked);

// Hands the job at the head of q to a client: reserved, with a lease, filled into *out.
void job_hand_out(struct engine *e, struct job *j, uint32_t holder, int64_t lease, struct taken *out);

// Why a reserved job comes back.
enum comeback { BACK_FAILED /* nack */, BACK_LEASE_OVER, BACK_LOST, BACK_RELEASED };

// A reserved job is no longer held: counted, and then delayed, ready or dead. delay -1: the backoff
// (released: 0). `error` is referenced. The state it is in then comes back.
enum job_state job_come_back(struct engine *e, struct job *j, enum comeback why, struct blob *error,
                             int64_t delay);

// Counts for how long its holder has had a reserved job, of which that one is through with it.
void job_count_run(struct engine *e, const struct job *j);

// Notes since when its holder has had a job, before its lease is changed. Without memory that is forgotten.
void job_note_start(struct engine *e, struct job *j);

// Ends a job as done or cancelled: its future is told, its outcome kept or not.
void job_finish(struct engine *e, struct job *j, enum job_state state, struct blob *result);

// Ends a job that was cancelled while it was held; its holder lets go of it. ERROR_CANCELLED.
enum error job_cancel_held(struct engine *e, struct job *j);

// Ends a job as dead, or moves it to the dead-letter queue. `error` is referenced; NULL: keep the last one.
void job_die(struct engine *e, struct job *j, enum dead_reason reason, struct blob *error);

// The oldest of what is kept go until it is within the queue's bytes, at most 1,000 of a kind a call.
void queue_trim(struct engine *e, struct queue *q);

// A dead or delayed job becomes ready, with its attempts and losses forgotten if it was dead.
void job_kick(struct engine *e, struct job *j);

// Removes a job from everything, waiting results end with ERROR_NOT_FOUND.
void job_remove(struct engine *e, struct job *j);

// The outcome as a future sees it, with references for the receiver. ERROR_NONE, ERROR_FAILED,
// ERROR_CANCELLED; ERROR_TIMEOUT: none yet.
enum error job_outcome(const struct job *j, struct outcome *out);

// How long a lease it has or would have now, ms; after how many failed attempts it is dead.
int64_t job_lease(const struct job *j);
uint32_t job_max_attempts(const struct job *j);

// The pause after the n-th failure (1 …): base * 2^(n-1), at most cap, with jitter around it.
int64_t backoff(struct engine *e, const struct queue_settings *s, uint32_t n);

#endif
