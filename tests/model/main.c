// The engine against the model: random operations by seed.
//   -steps=N   how many steps in all (default 400000), in runs of 2,000
//   -seed=N    the first run's seed; each run takes the next
//   -v         says every step
#include "tests/model/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN 2000

int main(int argc, char **argv)
{
    unsigned long long seed = 1, steps = 400000;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (sscanf(argv[i], "-steps=%llu", &steps) == 1 || sscanf(argv[i], "-seed=%llu", &seed) == 1)
            continue;
        if (strcmp(argv[i], "-v") != 0) {
            fprintf(stderr, "usage: model [-steps=N] [-seed=N] [-v]\n");
            return 2;
        }
        verbose = true;
    }
    unsigned long long done = 0, runs = 0;
    for (; done < steps; done += RUN, runs++)
        world_run(seed + runs, steps - done < RUN ? (unsigned)(steps - done) : RUN, verbose);
    printf("%llu steps in %llu runs from seed %llu: the engine does as the model\n", steps, runs, seed);
    return EXIT_SUCCESS;
}
