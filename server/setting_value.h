// One value of a setting, from the text that stands in the configuration.
#ifndef SERVER_SETTING_VALUE_H
#define SERVER_SETTING_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct setting_unit {
    const char *name;
    uint64_t factor;
};

// Each reads all of `text` into *out and checks the range. False: `why` says what is expected.
bool setting_count(const char *text, int64_t low, int64_t high, uint64_t *out, char *why,
                   size_t size); // also 0660, 0x10
bool setting_bytes(const char *text, int64_t low, int64_t high, uint64_t *out, char *why,
                   size_t size); // also 64K, 64M, 1G
bool setting_seconds(const char *text, int64_t low, int64_t high, int64_t *ms, char *why,
                     size_t size); // also 100ms, 5m, 2h, 1d
bool setting_share(const char *text, int64_t low, int64_t high, double *out, char *why, size_t size);
bool setting_flag(const char *text, bool *out, char *why, size_t size);

// The number of the word in a list of words with a space between.
bool setting_choice(const char *text, const char *words, uint64_t *out, char *why, size_t size);

#endif
