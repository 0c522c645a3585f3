#include "server/setting_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit byte_units[] = {{"", 1},          {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20},
                                         {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}, {NULL, 0}};
static const struct unit time_units[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

// strtod and strtoull would also take white space, signs, "nan" and "inf".
static bool begins_like_a_number(const char *text)
{
    return isdigit((unsigned char)text[0]) || text[0] == '.';
}

static bool number_of(const char *text, const struct unit *units, double *out)
{
    char *end;
    if (!begins_like_a_number(text))
        return false;
    double n = strtod(text, &end);
    if (end == text || !isfinite(n))
        return false;
    while (*end == ' ')
        end++;
    for (; units->name; units++)
        if (strcmp(end, units->name) == 0) {
            *out = n * units->factor;
            return true;
        }
    return false;
}

bool setting_count(const char *text, int64_t low, int64_t high, uint64_t *out, char *why, size_t size)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 0);
    bool ok = begins_like_a_number(text) && end != text && !*end && !errno && n <= (unsigned long long)high &&
              n >= (unsigned long long)low;
    if (ok)
        *out = n;
    else
        snprintf(why, size, "a whole number from %" PRId64 " to %" PRId64 " is expected", low, high);
    return ok;
}

bool setting_bytes(const char *text, int64_t low, int64_t high, uint64_t *out, char *why, size_t size)
{
    double n;
    bool ok = number_of(text, byte_units, &n) && n == floor(n) && n >= (double)low && n <= (double)high;
    if (ok)
        *out = (uint64_t)n;
    else
        snprintf(why, size, "bytes from %" PRId64 " to %" PRId64 " are expected, such as 65536, 64K or 1G",
                 low, high);
    return ok;
}

bool setting_seconds(const char *text, int64_t low, int64_t high, int64_t *ms, char *why, size_t size)
{
    double n;
    // Rounded up, so that what is not 0 stays so; but 2.007 is a hair over 2007 ms once it is multiplied.
    bool ok =
        number_of(text, time_units, &n) && (n = ceil(n * (1 - 4e-16))) >= (double)low && n <= (double)high;
    if (ok)
        *ms = (int64_t)n;
    else
        snprintf(why, size, "seconds from %g to %g are expected, such as 1.5, 100ms, 5m or 2h",
                 (double)low / 1000, (double)high / 1000);
    return ok;
}

bool setting_share(const char *text, int64_t low, int64_t high, double *out, char *why, size_t size)
{
    static const struct unit none[] = {{"", 1}, {NULL, 0}};
    double n;
    bool ok = number_of(text, none, &n) && n >= (double)low && n <= (double)high;
    if (ok)
        *out = n;
    else
        snprintf(why, size, "a number from %" PRId64 " to %" PRId64 " is expected", low, high);
    return ok;
}

bool setting_flag(const char *text, bool *out, char *why, size_t size)
{
    static const char *const words[2][3] = {{"false", "no", "off"}, {"true", "yes", "on"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 3; i++)
            if (strcasecmp(text, words[value][i]) == 0) {
                *out = value;
                return true;
            }
    snprintf(why, size, "true or false is expected");
    return false;
}

bool setting_choice(const char *text, const char *words, uint64_t *out, char *why, size_t size)
{
    size_t len = strlen(text);
    uint64_t index = 0;
    for (const char *at = words; *at; index++) {
        size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, text, len) == 0) {
            *out = index;
            return true;
        }
        at += word;
        at += *at == ' ';
    }
    snprintf(why, size, "one of these is expected: %s", words);
    return false;
}
