#include "server/engine/tree.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

struct item {
    int key;
    struct tree_node node;
    bool in;
};

static const struct item *item_of(const struct tree_node *n)
{
    return (const struct item *)((const char *)n - offsetof(struct item, node));
}

static int compare(const struct tree_node *a, const struct tree_node *b)
{
    int x = item_of(a)->key, y = item_of(b)->key;
    return x < y ? -1 : x > y;
}

static int key(const struct tree_node *n)
{
    return n ? item_of(n)->key : -1;
}

static unsigned chance;
static unsigned below(unsigned n)
{
    chance = chance * 1103515245u + 12345u;
    return (chance >> 8) % n;
}

#define ITEMS 300
static struct item items[ITEMS]; // by key: the sorted array that the tree is held against

static int next_in(int from, int step)
{
    for (int i = from + step; i >= 0 && i < ITEMS; i += step)
        if (items[i].in)
            return i;
    return -1;
}

static int depth(const struct tree_node *n)
{
    int left = n ? depth(n->left) : 0, right = n ? depth(n->right) : 0;
    return n ? 1 + (left > right ? left : right) : 0;
}

START_TEST(it_does_what_a_sorted_array_does)
{
    struct tree t = {0};
    chance = (unsigned)_i;
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){.key = i};
    ck_assert(tree_empty(&t) && !tree_first(&t) && !tree_last(&t));
    for (int step = 0; step < 5000; step++) {
        struct item *x = &items[below(ITEMS)];
        if (x->in)
            tree_remove(&t, &x->node, compare);
        else
            tree_insert(&t, &x->node, compare);
        x->in = !x->in;
        const struct item *probe = &items[below(ITEMS)];
        bool right = key(tree_first(&t)) == next_in(-1, 1) && key(tree_last(&t)) == next_in(ITEMS, -1);
        right &= key(tree_find(&t, &probe->node, compare)) == (probe->in ? probe->key : -1);
        right &= key(tree_after(&t, &probe->node, compare)) == next_in(probe->key, 1);
        right &= key(tree_before(&t, &probe->node, compare)) == next_in(probe->key, -1);
        ck_assert(right && tree_empty(&t) == (next_in(-1, 1) == -1));
    }
}
END_TEST

START_TEST(it_stays_shallow_whatever_the_order_of_the_keys)
{
    enum { MANY = 100000 };
    struct item *many = calloc(MANY, sizeof *many);
    struct tree t = {0};
    ck_assert_ptr_nonnull(many);
    for (int i = 0; i < MANY; i++) {
        many[i].key = _i == 0 ? i : _i == 1 ? MANY - i : i % 2 ? i : -i;
        tree_insert(&t, &many[i].node, compare);
    }
    ck_assert_int_lt(depth(t.root), 70); // a balanced one has 17, a random one about 40
    for (int i = 0; i < MANY; i++)
        tree_remove(&t, &many[i].node, compare);
    ck_assert(tree_empty(&t));
    free(many);
}
END_TEST

static unsigned shape(const struct tree_node *n, const struct tree_node **into, unsigned at)
{
    into[at++] = n;
    return n ? shape(n->right, into, shape(n->left, into, at)) : at;
}

// What is in it alone makes its shape, not how that came about: so no history can make it deep.
START_TEST(its_shape_does_not_tell_its_history)
{
    static const struct tree_node *before[2 * ITEMS + 1], *after[2 * ITEMS + 1];
    struct tree t = {0};
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.key = i};
        tree_insert(&t, &items[i].node, compare);
    }
    unsigned count = shape(t.root, before, 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < ITEMS; i++)
            if ((i * 7 + round) % 3)
                tree_remove(&t, &items[i].node, compare);
        for (int i = ITEMS; i-- > 0;)
            if ((i * 7 + round) % 3)
                tree_insert(&t, &items[i].node, compare);
        ck_assert_uint_eq(shape(t.root, after, 0), count);
        ck_assert_mem_eq(before, after, sizeof before);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/tree");
    TCase *c = tcase_create("tree");
    tcase_add_loop_test(c, it_does_what_a_sorted_array_does, 0, 10);
    tcase_add_loop_test(c, it_stays_shallow_whatever_the_order_of_the_keys, 0, 3);
    tcase_add_test(c, its_shape_does_not_tell_its_history);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
