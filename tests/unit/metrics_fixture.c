#include "tests/unit/metrics_fixture.h"

#include "tests/unit/hub_fixture.h"

#include <check.h>

struct hub *hub;

void hub_setup(void)
{
    hub = hub_made((struct engine_config){.max_bytes = 1 << 28, .max_queues = 100000, .max_waits = 100});
}

void put(const char *queue)
{
    struct put_result out;
    struct job *j = job_prepare(&(struct put_options){0}, SLICE("1"));
    struct moment now = hub_lock(hub);
    if (!j || engine_put(hub_engine(hub), now, slice_of(queue), j, NULL, 0, NULL, &out))
        ck_abort_msg("it was not taken");
    hub_unlock(hub);
}

void hub_teardown(void)
{
    hub_free(hub);
}
