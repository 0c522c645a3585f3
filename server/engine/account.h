// Accounts: what the waits and the unfinished jobs of several clients take together, and how much they may.
//
// A job is charged to the account of the client that puts it, until it is finished, whoever takes it; one
// that was dead and is kicked is charged again. It counts its body and ACCOUNT_JOB_BYTES. Jobs of clients
// without an account are nobody's, and so is what was loaded. Being over the limit (which may be lowered)
// takes nothing away: it only refuses.
//
// All with the engine's lock held but for what is said to be anybody's.
#ifndef ENGINE_ACCOUNT_H
#define ENGINE_ACCOUNT_H

#include "server/engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

#define ACCOUNT_JOB_BYTES 256 // what a job takes beside its body, about

struct engine_account;

enum account_refusal { ACCOUNT_NOT_REFUSED, ACCOUNT_WAITS, ACCOUNT_BYTES };

struct account_limits {
    uint64_t waits; // requests that wait, subscriptions not counted; 0: no bound, as below
    uint64_t bytes; // of unfinished jobs
};

struct account_use {
    uint64_t waits, bytes;
    uint64_t refused; // calls, since it was made
};

// Lives as long as the engine. NULL: no memory, or there are 65,535.
struct engine_account *engine_account_new(struct engine *e);

void engine_account_limit(struct engine_account *a, const struct account_limits *limits);

// From now on the client's waits, also those that it has, count there. NULL: nowhere.
void engine_client_charge(struct engine_client *c, struct engine_account *a);

// Why the last call of a client of this account was ERROR_OVERLOADED, if it was the account's; asked once.
enum account_refusal engine_account_why(struct engine_account *a);

// Anybody, without the lock.
void engine_account_look(const struct engine_account *a, struct account_use *out);

// ---- for the engine's own files

// One more wait, if there may be; and so many more or fewer.
bool account_may_wait(struct engine_account *a);
void account_count_waits(struct engine_account *a, int64_t change);

// Whether a job, of this body's length, may be put, and gets what it needs to be charged. ERROR_OVERLOADED:
// it may not, or no memory. `a` may be NULL.
enum error account_prepare(struct engine_account *a, struct job *j) MUST_CHECK;

// Charges a prepared job to the account; takes one off its account for good, if it has one.
void account_charge(struct engine_account *a, struct job *j);
void account_discharge(struct engine *e, struct job *j);

// A job that has an account goes from one place to another (engine/job.h).
void account_follow(struct engine *e, const struct job *j, unsigned from, unsigned to);

void accounts_free(struct engine *e);

#endif
