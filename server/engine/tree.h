// An intrusive ordered set of two pointers a node: a treap whose weights are a hash of the node's address, so
// that none is stored. Insert, remove and look-ups take O(log n) expected time whatever the order of the
// keys, and never allocate. (Seidel and Aragon, "Randomized Search Trees", 1996.)
#ifndef ENGINE_TREE_H
#define ENGINE_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct tree_node {
    struct tree_node *left, *right;
};

// Below 0, 0, above 0 as a stands before, is, or stands after b. A total order: two nodes of one tree are
// never equal.
typedef int tree_compare(const struct tree_node *a, const struct tree_node *b);

struct tree {
    struct tree_node *root;
};

void tree_insert(struct tree *t, struct tree_node *n, tree_compare *compare);

// n must be in the tree.
void tree_remove(struct tree *t, struct tree_node *n, tree_compare *compare);

struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_last(const struct tree *t);

// The node that equals `probe`, which need not be in the tree; NULL if there is none.
struct tree_node *tree_find(const struct tree *t, const struct tree_node *probe, tree_compare *compare);

// The first node after `probe`, the last one before it; `probe` need not be in the tree. NULL at the end.
struct tree_node *tree_after(const struct tree *t, const struct tree_node *probe, tree_compare *compare);
struct tree_node *tree_before(const struct tree *t, const struct tree_node *probe, tree_compare *compare);

static inline bool tree_empty(const struct tree *t)
{
    return t->root == NULL;
}

#endif
