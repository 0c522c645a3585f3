// The engine against the model: random operations by seed.
//   -steps=N   how many steps in all (default 400000), in runs of 2,000, with a store of 6,000
//   -seed=N    the first run's seed; each run takes the next
//   -store=S   none (the engine alone), memory, log or folder (default none)
//   -v         says every step
#include "tests/model/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN        2000 // steps; a run with a store has more, so that its log fills
#define RUN_STORED 6000

int main(int argc, char **argv)
{
    unsigned long long seed = 1, steps = 400000;
    bool verbose = false;
    enum storage_kind kind = STORAGE_NONE;
    for (int i = 1; i < argc; i++) {
        if (sscanf(argv[i], "-steps=%llu", &steps) == 1 || sscanf(argv[i], "-seed=%llu", &seed) == 1)
            continue;
        if (strncmp(argv[i], "-store=", 7) == 0 && storage_of_name(argv[i] + 7, &kind))
            continue;
        if (strcmp(argv[i], "-v") != 0) {
            fprintf(stderr, "usage: model [-steps=N] [-seed=N] [-store=S] [-v]\n");
            return 2;
        }
        verbose = true;
    }
    struct storage_totals totals = {0};
    unsigned long long done = 0, runs = 0;
    const unsigned run = kind == STORAGE_NONE ? RUN : RUN_STORED;
    for (; done < steps; done += run, runs++)
        world_run(kind, seed + runs, steps - done < run ? (unsigned)(steps - done) : run, verbose, &totals);
    printf("%llu steps in %llu runs from seed %llu, store %s: the engine does as the model\n", steps, runs,
           seed, storage_name(kind));
    if (kind != STORAGE_NONE)
        printf("%" PRIu64 " restarts, %" PRIu64 " of them clean stops, found %" PRIu64 " jobs, %" PRIu64
               " leases and %" PRIu64 " keys again; %" PRIu64 " commits, %" PRIu64
               " segments cleaned of %" PRIu64 " records\n",
               totals.restarts, totals.stops, totals.jobs, totals.leases, totals.keys, totals.commits,
               totals.cleaned, totals.rewritten);
    return EXIT_SUCCESS;
}
