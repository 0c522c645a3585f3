#include "common/error.h"

#include <assert.h>
#include <string.h>

static const struct {
    int code;
    const char *name;
    const char *text;
} table[ERROR_COUNT] = {[ERROR_NONE] = {0, "ok", "ok"},
#define X(constant, code_, name_, text_) [ERROR_##constant] = {code_, name_, text_},
                        TASKQ_ERRORS(X)
#undef X
};

int error_code(enum error e)
{
    assert((unsigned)e < ERROR_COUNT);
    return table[e].code;
}

const char *error_name(enum error e)
{
    assert((unsigned)e < ERROR_COUNT);
    return table[e].name;
}

const char *error_text(enum error e)
{
    assert((unsigned)e < ERROR_COUNT);
    return table[e].text;
}

enum error error_of_code(int code)
{
    for (int e = 1; e < ERROR_COUNT; e++)
        if (table[e].code == code)
            return (enum error)e;
    return ERROR_NONE;
}

enum error error_of_name(const char *name)
{
    for (int e = 1; e < ERROR_COUNT; e++)
        if (strcmp(table[e].name, name) == 0)
            return (enum error)e;
    return ERROR_NONE;
}
