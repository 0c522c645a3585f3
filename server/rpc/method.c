#include "server/rpc/method.h"

#include <string.h>

// The busiest first: that is how they are looked up.
static const struct method *const groups[] = {
    methods_produce, methods_consume, methods_queue, methods_sweep,  methods_look,
    methods_list,    methods_events,  methods_admin, methods_access, methods_history,
};

const struct method *method_find_numbered(struct slice name, uint8_t *number)
{
    unsigned n = 0;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (const struct method *m = groups[g]; m->name; m++, n++)
            if (m->name_len == name.len && m->name[0] == name.data[0] &&
                memcmp(m->name, name.data, name.len) == 0) {
                *number = (uint8_t)n;
                return m;
            }
    return NULL;
}

const struct method *method_find(struct slice name)
{
    uint8_t number;
    return method_find_numbered(name, &number);
}

const struct method *method_at(unsigned n)
{
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (const struct method *m = groups[g]; m->name; m++)
            if (n-- == 0)
                return m;
    return NULL;
}
