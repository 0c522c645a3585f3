#include "server/engine/tree.h"

#include <assert.h>
#include <stdint.h>

// Any fixed mixing of the address does; this is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t weight(const struct tree_node *n)
{
    uint64_t x = (uint64_t)(uintptr_t)n;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void tree_insert(struct tree *t, struct tree_node *n, tree_compare *compare)
{
    struct tree_node **link = &t->root;
    uint64_t w = weight(n);
    while (*link && weight(*link) >= w)
        link = compare(n, *link) < 0 ? &(*link)->left : &(*link)->right;

    // What stood here becomes the children of n: split by n's place.
    struct tree_node *rest = *link, **left = &n->left, **right = &n->right;
    *link = n;
    while (rest) {
        if (compare(rest, n) < 0) {
            *left = rest;
            left = &rest->right;
            rest = rest->right;
        } else {
            *right = rest;
            right = &rest->left;
            rest = rest->left;
        }
    }
    *left = *right = NULL;
}

void tree_remove(struct tree *t, struct tree_node *n, tree_compare *compare)
{
    struct tree_node **link = &t->root;
    while (*link != n) {
        assert(*link);
        link = compare(n, *link) < 0 ? &(*link)->left : &(*link)->right;
    }
    // Its children merge, the heavier on top.
    struct tree_node *left = n->left, *right = n->right;
    while (left && right) {
        if (weight(left) >= weight(right)) {
            *link = left;
            link = &left->right;
            left = left->right;
        } else {
            *link = right;
            link = &right->left;
            right = right->left;
        }
    }
    *link = left ? left : right;
    n->left = n->right = NULL;
}

struct tree_node *tree_first(const struct tree *t)
{
    struct tree_node *n = t->root;
    while (n && n->left)
        n = n->left;
    return n;
}

struct tree_node *tree_last(const struct tree *t)
{
    struct tree_node *n = t->root;
    while (n && n->right)
        n = n->right;
    return n;
}

struct tree_node *tree_find(const struct tree *t, const struct tree_node *probe, tree_compare *compare)
{
    struct tree_node *n = t->root;
    while (n) {
        int side = compare(probe, n);
        if (side == 0)
            break;
        n = side < 0 ? n->left : n->right;
    }
    return n;
}

struct tree_node *tree_after(const struct tree *t, const struct tree_node *probe, tree_compare *compare)
{
    struct tree_node *n = t->root, *best = NULL;
    while (n) {
        if (compare(n, probe) > 0) {
            best = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best;
}

struct tree_node *tree_before(const struct tree *t, const struct tree_node *probe, tree_compare *compare)
{
    struct tree_node *n = t->root, *best = NULL;
    while (n) {
        if (compare(n, probe) < 0) {
            best = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return best;
}
