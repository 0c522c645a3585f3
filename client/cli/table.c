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

static void print_cell(struct slice text, size_t room, bool right, bool last, const char *colour)
{
    size_t have = width(text.data, text.len);
    int pad = room > have ? (int)(room - have) : 0;
    if (right)
        printf("%*s", pad, "");
    if (colour != NULL)
        fputs(colour, stdout);
    output_text(text);
    if (colour != NULL)
        fputs("\033[0m", stdout);
    if (!last)
        printf("%*s", (right ? 0 : pad) + GAP, "");
}

bool table_print(const struct table *t)
{
    static const char *const styles[] = {NULL, "\033[31m", "\033[33m"};
    size_t widths[COLUMNS_MAX];
    bool colours = output_colours();
    for (size_t c = 0; c < t->columns; c++)
        widths[c] = strlen(t->titles[c]);
    for (size_t i = 0; i < t->count; i++) {
        size_t w = width(t->cells[i].text, t->cells[i].len);
        if (w > widths[i % t->columns])
            widths[i % t->columns] = w;
    }
    for (size_t c = 0; c < t->columns; c++)
        print_cell(slice_of(t->titles[c]), widths[c], t->right[c], c + 1 == t->columns,
                   colours ? "\033[1m" : NULL);
    putchar('\n');
    for (size_t i = 0; i < t->count; i++) {
        bool last = (i + 1) % t->columns == 0;
        print_cell((struct slice){t->cells[i].text, t->cells[i].len}, widths[i % t->columns],
                   t->right[i % t->columns], last, colours ? styles[t->cells[i].style] : NULL);
        if (last)
            putchar('\n');
    }
    return !t->failed;
}
