// What a fuzz target and its driver know of each other. A target is one file, tests/fuzz/NAME.c, with the
// entry that libFuzzer calls; standalone.c calls the same entry where there is no libFuzzer. A target may
// also offer what inputs are made of.
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "common/slice.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Handles one input, whatever it is, and returns 0. What must not happen ends the process: FUZZ_CHECK(), a
// sanitizer, a hang. `data` is a block of exactly `size` bytes.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Optional: once, before the first input.
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

// Optional: inputs to start from, besides the files that are named, and pieces that make sense to insert.
// Both stay the target's.
__attribute__((weak)) const struct slice *fuzz_seeds(size_t *count);
__attribute__((weak)) const struct slice *fuzz_tokens(size_t *count);

// Unlike assert(), in every build.
#define FUZZ_CHECK(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
