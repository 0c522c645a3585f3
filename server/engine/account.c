#include "server/engine/account.h"

#include "server/engine/core.h"
#include "server/engine/job.h"
#include "server/engine/waiter.h"

#include <stdatomic.h>
#include <stdlib.h>

#define ACCOUNTS_MAX UINT16_MAX // numbers, from 1, that fit into a job's extra part

// Written with the lock held, read without.
struct engine_account {
    struct account_limits limits;
    uint16_t number;
    enum account_refusal why;
    _Atomic uint64_t waits, bytes, refused;
};

static uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void add(_Atomic uint64_t *value, uint64_t change)
{
    atomic_store_explicit(value, get(value) + change, memory_order_relaxed);
}

struct engine_account *engine_account_new(struct engine *e)
{
    if (e->account_count == ACCOUNTS_MAX)
        return NULL;
    struct engine_account *a = calloc(1, sizeof *a);
    struct engine_account **grown =
        a ? realloc(e->accounts, (e->account_count + 1) * sizeof(struct engine_account *)) : NULL;
    if (!grown) {
        free(a);
        return NULL;
    }
    e->accounts = grown;
    e->accounts[e->account_count++] = a;
    a->number = (uint16_t)e->account_count;
    return a;
}

void accounts_free(struct engine *e)
{
    for (unsigned i = 0; i < e->account_count; i++)
        free(e->accounts[i]);
    free(e->accounts);
}

void engine_account_limit(struct engine_account *a, const struct account_limits *limits)
{
    a->limits = *limits;
}

void engine_client_charge(struct engine_client *c, struct engine_account *a)
{
    if (c->account)
        account_count_waits(c->account, -(int64_t)c->wait_count);
    c->account = a;
    if (a)
        account_count_waits(a, c->wait_count);
}

enum account_refusal engine_account_why(struct engine_account *a)
{
    enum account_refusal why = a->why;
    a->why = ACCOUNT_NOT_REFUSED;
    return why;
}

void engine_account_look(const struct engine_account *a, struct account_use *out)
{
    *out =
        (struct account_use){.waits = get(&a->waits), .bytes = get(&a->bytes), .refused = get(&a->refused)};
}

static void refuse(struct engine_account *a, enum account_refusal why)
{
    a->why = why;
    add(&a->refused, 1);
}

// ---- waits

bool account_may_wait(struct engine_account *a)
{
    if (!a->limits.waits || get(&a->waits) < a->limits.waits)
        return true;
    refuse(a, ACCOUNT_WAITS);
    return false;
}

void account_count_waits(struct engine_account *a, int64_t change)
{
    add(&a->waits, (uint64_t)change);
}

// ---- jobs

static uint64_t counted_bytes(const struct job *j)
{
    return j->len + (uint64_t)ACCOUNT_JOB_BYTES;
}

enum error account_prepare(struct engine_account *a, struct job *j)
{
    if (!a)
        return ERROR_NONE;
    if (a->limits.bytes && get(&a->bytes) + counted_bytes(j) > a->limits.bytes) {
        refuse(a, ACCOUNT_BYTES);
        return ERROR_OVERLOADED;
    }
    return job_extra(NULL, j) ? ERROR_NONE : ERROR_OVERLOADED;
}

void account_charge(struct engine_account *a, struct job *j)
{
    if (!a)
        return;
    j->extra->account = a->number;
    add(&a->bytes, counted_bytes(j));
}

static struct engine_account *account_of(const struct engine *e, const struct job *j)
{
    return j->extra && j->extra->account ? e->accounts[j->extra->account - 1] : NULL;
}

void account_discharge(struct engine *e, struct job *j)
{
    struct engine_account *a = account_of(e, j);
    if (!a)
        return;
    j->extra->account = 0;
    add(&a->bytes, -counted_bytes(j));
}

static bool is_unfinished(unsigned place)
{
    return place == JOB_DELAYED || place == JOB_READY || place == JOB_RESERVED || place == JOB_NOWHERE;
}

void account_follow(struct engine *e, const struct job *j, unsigned from, unsigned to)
{
    struct engine_account *a = account_of(e, j);
    if (a && is_unfinished(from) != is_unfinished(to))
        add(&a->bytes, is_unfinished(to) ? counted_bytes(j) : -counted_bytes(j));
}
