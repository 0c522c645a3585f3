// An engine behind its hub, and what the committer does with it, for tests without a store.
#ifndef TESTS_UNIT_HUB_FIXTURE_H
#define TESTS_UNIT_HUB_FIXTURE_H

#include "server/hub.h"

// Its start number, first id and seed are 1.
struct hub *hub_made(struct engine_config config);

// From now on changes are marked, and replies bear promises; the ids are marked at once.
void hub_keep(struct hub *h);

// All that is marked is on disk now: the newest mark. *bytes: what it would take there; NULL: whatever it is.
uint64_t hub_commit(struct hub *h, uint64_t *bytes);

#endif
