// An intrusive hash table that grows and shrinks by one bucket at a time, so that no insert ever pays for
// rehashing millions (linear hashing: Litwin 1980). Chains through the items; about two buckets an item: 16
// bytes an item.
#ifndef ENGINE_TABLE_H
#define ENGINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
};

typedef uint64_t table_hash(const struct table_node *n);

struct table {
    struct table_node ***segments; // each of SEGMENT buckets
    size_t segment_count;          // allocated
    size_t buckets;                // in use
    size_t low;                    // the power of two at or below `buckets`
    size_t count;
    table_hash *hash;
};

bool table_init(struct table *t, table_hash *hash)
    __attribute__((warn_unused_result)); // false: no memory, and it is empty
void table_release(struct table *t);     // its items are the owner's

// Never fails: where there is no memory for another bucket the chains grow a little.
void table_insert(struct table *t, struct table_node *n);

// n must be in the table.
void table_remove(struct table *t, struct table_node *n);

// Takes the first item out of bucket i (below `buckets`) without shrinking: for emptying a table.
void table_remove_first(struct table *t, size_t i);

// The head of the chain in which items of this hash are.
struct table_node *table_chain(const struct table *t, uint64_t hash);

// Where that head stands: to have it brought nearer before it is asked for.
struct table_node *const *table_bucket(const struct table *t, uint64_t hash);

#endif
