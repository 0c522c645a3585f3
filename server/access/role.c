#include "server/access/role.h"

#include <stdio.h>

#define X(constant, name, text) " " name
static const char spaced[] = ROLES(X);
#undef X
static const char *const names[] = {
#define X(constant, name, text) name,
    ROLES(X)
#undef X
};

const char *role_words(void)
{
    return spaced + 1;
}

const char *role_name(enum role_index role)
{
    return names[role];
}

const char *role_print(unsigned roles, char text[ROLE_TEXT_MAX])
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        if (!(roles & (1u << i)))
            continue;
        unsigned later = roles >> (i + 1);
        const char *between = used == 0 ? "" : later ? ", " : " or ";
        int n = snprintf(text + used, ROLE_TEXT_MAX - used, "%s%s", between, names[i]);
        if (n < 0 || (used += (size_t)n) >= ROLE_TEXT_MAX)
            break;
    }
    return text;
}
