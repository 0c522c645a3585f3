// Aligned columns for people.
#ifndef CLIENT_CLI_TABLE_H
#define CLIENT_CLI_TABLE_H

#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum table_style { TABLE_PLAIN, TABLE_BAD, TABLE_NOTE };

struct table_cell {
    char *text;
    size_t len;
    enum table_style style;
};

struct table {
    const char *const *titles;
    size_t columns;
    const bool *right; // a column's numbers stand at its right
    struct table_cell *cells;
    size_t count, cap;
    bool failed; // no memory: cells are missing
};

// The titles and `right` have `columns` elements and stay the caller's.
void table_init(struct table *t, const char *const *titles, const bool *right, size_t columns);
void table_release(struct table *t);

// The next cell, from the left; copied.
void table_add(struct table *t, struct slice text, enum table_style style);

// Prints and says whether all of it was there.
bool table_print(const struct table *t);

#endif
