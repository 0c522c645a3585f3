#include "server/access/pattern.h"

#include <stddef.h>
#include <stdint.h>

bool pattern_matches(struct slice pattern, struct slice name)
{
    size_t p = 0, n = 0;
    size_t star = SIZE_MAX, resume = 0; // the last star, and where in the name its run ends so far
    while (n < name.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.len && pattern.data[p] == name.data[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

bool pattern_is_all(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.data[i] != '*')
            return false;
    return pattern.len > 0;
}
