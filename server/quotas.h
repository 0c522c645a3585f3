// What the identities that have quotas have used of them, from reload to reload.
#ifndef SERVER_QUOTAS_H
#define SERVER_QUOTAS_H

#include "server/access/identity.h"

#include <stdbool.h>

struct hub;
struct quota_slot;

// Gives each identity with quotas what counts for it: what was there already for one of its kind and name,
// else something new in *all. Its limits hold from now on. False: no memory, and nothing has changed but that
// there may be more in *all. One thread.
bool quotas_attach(struct quota_slot **all, struct access *a, struct hub *h)
    __attribute__((warn_unused_result));

// When nothing is counted any more.
void quotas_free(struct quota_slot *all);

#endif
