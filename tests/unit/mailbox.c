#include "server/mailbox.h"

#include "server/engine/engine.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>

#define POSTERS 4
#define EACH    20000

static struct mailbox box;

static bool readable(int ms)
{
    struct pollfd p = {.fd = box.fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

static void setup(void)
{
    ck_assert(mailbox_init(&box));
}

static void teardown(void)
{
    mailbox_release(&box);
}

START_TEST(the_owner_finds_its_own_posts_without_being_woken)
{
    struct waiter w[3] = {{0}};
    ck_assert(!mailbox_has(&box));
    for (int i = 0; i < 3; i++)
        mailbox_post(&box, &w[i]);
    ck_assert(!readable(0));
    ck_assert(mailbox_has(&box));
    struct waiter *first = mailbox_take(&box);
    ck_assert(first == &w[0] && first->next == &w[1] && w[1].next == &w[2] && !w[2].next);
    ck_assert(!mailbox_has(&box));
    ck_assert_ptr_null(mailbox_take(&box));
}
END_TEST

START_TEST(many_wakes_are_one_until_it_is_quieted)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            mailbox_wake(&box);
        ck_assert(readable(0));
        mailbox_quiet(&box);
        ck_assert(!readable(0));
    }
    mailbox_quiet(&box); // for nothing: does not block
}
END_TEST

static void *post_one(void *w)
{
    mailbox_post(&box, w);
    return NULL;
}

START_TEST(another_thread_wakes_the_owner)
{
    struct waiter w = {0};
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, post_one, &w), 0);
    ck_assert(readable(10000));
    mailbox_quiet(&box);
    ck_assert_ptr_eq(mailbox_take(&box), &w);
    pthread_join(t, NULL);
    mailbox_quiet(&box);
}
END_TEST

struct poster {
    pthread_t thread;
    struct waiter *waiters;
};

static void *post_all(void *context)
{
    struct poster *p = context;
    for (uint64_t i = 0; i < EACH; i++) {
        p->waiters[i] = (struct waiter){.id = i, .context = p};
        mailbox_post(&box, &p->waiters[i]);
    }
    return NULL;
}

START_TEST(nothing_posted_by_several_is_lost_or_overtakes)
{
    struct poster p[POSTERS];
    uint64_t next[POSTERS] = {0}, total = 0;
    for (int i = 0; i < POSTERS; i++) {
        p[i].waiters = calloc(EACH, sizeof *p[i].waiters);
        ck_assert_ptr_nonnull(p[i].waiters);
        ck_assert_int_eq(pthread_create(&p[i].thread, NULL, post_all, &p[i]), 0);
    }
    while (total < POSTERS * EACH) {
        // As a loop does: it sleeps only when it has looked, and a lost wake would leave it asleep.
        if (!mailbox_has(&box)) {
            ck_assert_msg(readable(10000), "asleep with %d to come", (int)(POSTERS * EACH - total));
            mailbox_quiet(&box);
        }
        for (struct waiter *w = mailbox_take(&box); w; w = w->next, total++)
            ck_assert_uint_eq(w->id, next[(struct poster *)w->context - p]++);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(p[i].thread, NULL);
        free(p[i].waiters);
    }
}
END_TEST

static void *take_it_over(void *context)
{
    mailbox_own(&box);
    mailbox_post(&box, context);
    return NULL;
}

START_TEST(the_owner_may_be_another_than_the_maker)
{
    struct waiter w = {0};
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, take_it_over, &w), 0);
    pthread_join(t, NULL);
    ck_assert(!readable(0));
    ck_assert_ptr_eq(mailbox_take(&box), &w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mailbox");
    TCase *c = tcase_create("mailbox");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, the_owner_finds_its_own_posts_without_being_woken);
    tcase_add_test(c, many_wakes_are_one_until_it_is_quieted);
    tcase_add_test(c, another_thread_wakes_the_owner);
    tcase_add_test(c, nothing_posted_by_several_is_lost_or_overtakes);
    tcase_add_test(c, the_owner_may_be_another_than_the_maker);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
