#include "server/engine/table.h"

#include <assert.h>
#include <stdlib.h>

#define SEGMENT 512
#define SPARSE  2 // buckets an item: with one, every second search would wait for an item that is not meant

bool table_init(struct table *t, table_hash *hash)
{
    *t = (struct table){.hash = hash, .buckets = 1, .low = 1, .segment_count = 1};
    t->segments = malloc(sizeof *t->segments);
    struct table_node **first = calloc(SEGMENT, sizeof *first);
    if (!t->segments || !first) {
        free(t->segments);
        free(first);
        *t = (struct table){0};
        return false;
    }
    t->segments[0] = first;
    return true;
}

void table_release(struct table *t)
{
    for (size_t i = 0; i < t->segment_count; i++)
        free(t->segments[i]);
    free(t->segments);
    *t = (struct table){0};
}

static struct table_node **bucket(const struct table *t, size_t i)
{
    return &t->segments[i / SEGMENT][i % SEGMENT];
}

// Buckets below `buckets - low` have been split already and use one more bit of the hash.
static size_t index_of(const struct table *t, uint64_t hash)
{
    size_t i = hash & (2 * t->low - 1);
    return i < t->buckets ? i : i & (t->low - 1);
}

// Segments come and go one at a time; their directory is 8 bytes for 512 items.
static bool segment_add(struct table *t)
{
    struct table_node **segment = calloc(SEGMENT, sizeof *segment);
    if (!segment)
        return false;
    if ((t->segment_count & (t->segment_count - 1)) == 0) {
        void *bigger = realloc(t->segments, 2 * t->segment_count * sizeof *t->segments);
        if (!bigger) {
            free(segment);
            return false;
        }
        t->segments = bigger;
    }
    t->segments[t->segment_count++] = segment;
    return true;
}

static void grow(struct table *t)
{
    if (t->buckets == t->segment_count * SEGMENT && !segment_add(t))
        return;
    struct table_node **from = bucket(t, t->buckets - t->low), **to = bucket(t, t->buckets);
    if (++t->buckets == 2 * t->low)
        t->low *= 2;
    size_t moved_to = t->buckets - 1;
    *to = NULL;
    while (*from) {
        struct table_node *n = *from;
        if (index_of(t, t->hash(n)) == moved_to) {
            *from = n->next;
            n->next = *to;
            *to = n;
        } else {
            from = &n->next;
        }
    }
}

static void shrink(struct table *t)
{
    size_t last = t->buckets - 1;
    if (t->low == t->buckets)
        t->low /= 2;
    t->buckets = last;
    struct table_node **from = bucket(t, last), **to = bucket(t, last - t->low);
    while (*to)
        to = &(*to)->next;
    *to = *from;
    *from = NULL;
    // One segment is kept in hand, so that a count that swings at the border does not allocate each time.
    if (t->segment_count > 1 && t->buckets + SEGMENT <= (t->segment_count - 1) * SEGMENT)
        free(t->segments[--t->segment_count]);
}

void table_insert(struct table *t, struct table_node *n)
{
    t->count++;
    for (int i = 0; i < SPARSE && t->count > t->buckets / SPARSE; i++)
        grow(t);
    struct table_node **head = bucket(t, index_of(t, t->hash(n)));
    n->next = *head;
    *head = n;
}

void table_remove(struct table *t, struct table_node *n)
{
    struct table_node **link = bucket(t, index_of(t, t->hash(n)));
    while (*link != n) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = n->next;
    n->next = NULL;
    // Shrinking lags behind growing for the same reason, and then goes twice as fast, to be done when all is
    // gone.
    t->count--;
    for (int i = 0; i < 2 * SPARSE && t->count < t->buckets / (2 * SPARSE) && t->buckets > 1; i++)
        shrink(t);
}

void table_remove_first(struct table *t, size_t i)
{
    struct table_node **head = bucket(t, i);
    *head = (*head)->next;
    t->count--;
}

struct table_node *const *table_bucket(const struct table *t, uint64_t hash)
{
    return bucket(t, index_of(t, hash));
}

struct table_node *table_chain(const struct table *t, uint64_t hash)
{
    return *table_bucket(t, hash);
}
