// An engine behind its hub, and jobs put there, for the tests of server/metrics.
#ifndef TESTS_UNIT_METRICS_FIXTURE_H
#define TESTS_UNIT_METRICS_FIXTURE_H

#include "server/hub.h"

// Of the test that runs.
extern struct hub *hub;

void hub_setup(void);
void hub_teardown(void);

// Puts a job that must be let in at once. Any thread.
void put(const char *queue);

#endif
