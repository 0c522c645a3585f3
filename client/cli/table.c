#include "client/cli/table.h"

#include "client/cli/output.h"
#include "common/utf8.h"

#include <stdlib.h>

#define COLUMNS_MAX 16
#define GAP         2

void table_init(struct table *t, const char *const *titles, const bool *right, size_t columns)
{
    *t = (struct table){.titles = titles, .right = right, .columns = columns};
}

void table_release(struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i].text);
    free(t->cells);
    t->cells = NULL;
    t->count = t->cap = 0;
}

void table_add(struct table *t, struct slice text, enum table_style style)
{
    if (t->count == t->cap) {
        size_t cap = t->cap == 0 ? 64 : t->cap * 2;
        struct table_cell *cells = realloc(t->cells, cap * sizeof(*cells));
        if (cells == NULL) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    char *copy = malloc(text.len + 1);
    if (copy == NULL) {
        t->failed = true;
        return;
    }
    memcpy(copy, text.len > 0 ? text.data : "", text.len);
    t->cells[t->count++] = (struct table_cell){.text = copy, .len = text.len, .style = style};
}

// In characters; that some are two columns wide is let pass.
static size_t width(const char *text, size_t len)
{
    size_t n = 0;
    for (const char *at = text, *end = text + len; at < end; n++) {
        size_t step = utf8_length(at, end);
        at += step == 0 ? 1 : step;
    }
    return n;
}

// Spaces are owed until there is something behind them, so that no line ends in any.
static void print_cell(struct slice text, size_t room, bool right, size_t *owed, const char *colour)
{
    size_t have = width(text.data, text.len);
    size_t pad = room > have ? room - have : 0;
    if (right)
        *owed += pad;
    if (text.len > 0) {
        printf("%*s", (int)*owed, "");
        *owed = 0;
        fputs(colour != NULL ? colour : "", stdout);
        output_text(text);
        fputs(colour != NULL ? "\033[0m" : "", stdout);
    }
    *owed += (right ? 0 : pad) + GAP;
}

static void print_row(const struct table *t, const struct table_cell *cells, const size_t *widths,
                      const char *const *styles)
{
    size_t owed = 0;
    for (size_t c = 0; c < t->columns; c++)
        print_cell((struct slice){cells[c].text, cells[c].len}, widths[c], t->right[c], &owed,
                   styles[cells[c].style]);
    putchar('\n');
}

bool table_print(const struct table *t)
{
    static const char *const plain[] = {NULL, NULL, NULL};
    static const char *const coloured[] = {NULL, "\033[31m", "\033[33m"};
    static const char *const bold[] = {"\033[1m"};
    struct table_cell titles[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    bool colours = output_colours();
    for (size_t c = 0; c < t->columns; c++) {
        titles[c] = (struct table_cell){.text = (char *)t->titles[c], .len = strlen(t->titles[c])};
        widths[c] = titles[c].len;
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t w = width(t->cells[i].text, t->cells[i].len);
        if (w > widths[i % t->columns])
            widths[i % t->columns] = w;
    }
    print_row(t, titles, widths, colours ? bold : plain);
    for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
        print_row(t, t->cells + i, widths, colours ? coloured : plain);
    return !t->failed;
}
