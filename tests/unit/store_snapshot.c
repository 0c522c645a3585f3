#include "tests/crash/owner.h"

#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS 500

static char base[64], folder[128], copy[128], message[STORE_MESSAGE_MAX];
static struct store *store;
static struct owner owner;
static uint64_t copied_segments;

static enum store_error open_at(const char *path, enum store_mode mode, struct store **out)
{
    struct store_options o = {.path = path, .mode = mode, .segment_size = STORE_SEGMENT_MIN};
    return store_open_log(&o, out, message);
}

static void setup(void)
{
    snprintf(base, sizeof base, "/tmp/store_snapshot.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(folder, sizeof folder, "%s/data", base);
    snprintf(copy, sizeof copy, "%s/copy", base);
    owner_init(&owner, RECORDS);
    ck_assert_int_eq(open_at(folder, STORE_WRITE, &store), STORE_OK);
    ck_assert_int_eq(owner_load(&owner, store), STORE_OK);
}

static void teardown(void)
{
    store_close(store);
    owner_release(&owner);
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    ck_assert_int_eq(system(command), 0);
}

static void churn(uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        for (uint32_t k = 0; k < 10; k++)
            owner_put(&owner, (i * 10 + k) % RECORDS, 100);
        owner_delete(&owner, i * 7 % RECORDS);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
    }
}

// The state that a copy made now must have.
static struct owner remember(void)
{
    struct owner o;
    owner_init(&o, RECORDS);
    memcpy(o.entries, owner.entries, RECORDS * sizeof *o.entries);
    return o;
}

static void check_copy(struct owner *expected, enum store_mode mode)
{
    struct store *s;
    struct owner loaded;
    owner_init(&loaded, RECORDS);
    ck_assert_msg(open_at(copy, mode, &s) == STORE_OK, "%s", message);
    ck_assert_msg(owner_load(&loaded, s) == STORE_OK, "%s", store_message(s));
    ck_assert(owner_matches(expected, &loaded));
    ck_assert_str_eq(loaded.remarks, "");
    if (mode == STORE_READ) {
        copied_segments = store_stats(s).segments;
    } else { // it is a store to go on with, in a segment that is all there
        ck_assert_uint_eq(store_stats(s).segments, copied_segments + 1);
        for (uint32_t i = 0; i < 3000; i++) {
            owner_put(&loaded, i % RECORDS, 100);
            ck_assert_int_eq(owner_commit(&loaded, false), STORE_OK);
            ck_assert_int_eq(owner_clean(&loaded), STORE_OK);
        }
        store_close(s);
        struct owner again;
        owner_init(&again, RECORDS);
        ck_assert_int_eq(open_at(copy, mode, &s), STORE_OK);
        ck_assert_int_eq(owner_load(&again, s), STORE_OK);
        ck_assert(owner_matches(&loaded, &again));
        owner_release(&again);
    }
    store_close(s);
    owner_release(&loaded);
}

START_TEST(a_copy_is_the_store_as_of_the_snapshot)
{
    churn(200);
    struct store_snapshot *snapshot;
    struct owner expected = remember();
    ck_assert_int_eq(store_snapshot_begin(store, &snapshot), STORE_OK);
    uint64_t segments = store_stats(store).segments;
    churn(2000); // as much as would recycle all of it, were it not held
    ck_assert_uint_gt(store_stats(store).segments, segments + 10);
    ck_assert_msg(store_snapshot_copy(snapshot, copy, NULL, NULL, message) == STORE_OK, "%s", message);
    store_snapshot_end(store, snapshot);
    check_copy(&expected, STORE_READ);
    check_copy(&expected, STORE_WRITE);
    owner_release(&expected);
    // Once it is let go of, the log comes back to its size.
    while (store_clean_wanted(store) || owner.dirty_count > 0) {
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    }
    ck_assert_uint_le(store_stats(store).disk_bytes,
                      2 * store_stats(store).live_bytes + 5 * STORE_SEGMENT_MIN);
}
END_TEST

struct copying {
    struct store_snapshot *snapshot;
    enum store_error result;
    uint64_t done, total;
};

static bool note(void *arg, uint64_t done, uint64_t total)
{
    struct copying *c = arg;
    ck_assert_uint_ge(done, c->done);
    c->done = done;
    c->total = total;
    return true;
}

static void *copy_aside(void *arg)
{
    struct copying *c = arg;
    char line[STORE_MESSAGE_MAX];
    c->result = store_snapshot_copy(c->snapshot, copy, note, c, line);
    return NULL;
}

START_TEST(a_copy_is_made_on_another_thread_while_commits_go_on)
{
    churn(300);
    struct copying c = {0};
    struct owner expected = remember();
    pthread_t thread;
    ck_assert_int_eq(store_snapshot_begin(store, &c.snapshot), STORE_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, copy_aside, &c), 0);
    churn(300);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    store_snapshot_end(store, c.snapshot);
    ck_assert_int_eq(c.result, STORE_OK);
    ck_assert_uint_gt(c.done, 0);
    ck_assert_uint_eq(c.done, c.total);
    check_copy(&expected, STORE_READ);
    owner_release(&expected);
}
END_TEST

static bool not_twice(void *arg, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    return ++*(int *)arg < 2;
}

START_TEST(a_copy_that_is_stopped_leaves_nothing)
{
    int steps = 0;
    churn(300);
    struct store_snapshot *snapshot;
    ck_assert_int_eq(store_snapshot_begin(store, &snapshot), STORE_OK);
    uint64_t segments, bytes;
    store_snapshot_size(snapshot, &segments, &bytes);
    ck_assert_uint_gt(segments, 1);
    ck_assert_uint_gt(bytes, 0);
    ck_assert_int_eq(store_snapshot_copy(snapshot, copy, not_twice, &steps, message), STORE_STOPPED);
    ck_assert_int_eq(steps, 2);
    store_snapshot_end(store, snapshot);
    ck_assert_int_ne(access(copy, F_OK), 0);
}
END_TEST

static unsigned files_in(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

START_TEST(a_folder_that_is_not_empty_is_left_alone)
{
    churn(10);
    struct store_snapshot *snapshot;
    ck_assert_int_eq(store_snapshot_begin(store, &snapshot), STORE_OK);
    ck_assert_int_eq(store_snapshot_copy(snapshot, folder, NULL, NULL, message), STORE_OPTION);
    ck_assert_ptr_nonnull(strstr(message, "is not empty"));
    char nowhere[160];
    snprintf(nowhere, sizeof nowhere, "%s/no/where", base);
    ck_assert_int_ne(store_snapshot_copy(snapshot, nowhere, NULL, NULL, message), STORE_OK);
    ck_assert_ptr_nonnull(strstr(message, nowhere));
    // One that fails half-way leaves nothing behind.
    char missing[160];
    snprintf(missing, sizeof missing, "%s/0000000001.log", folder);
    ck_assert_int_eq(unlink(missing), 0);
    ck_assert_int_eq(store_snapshot_copy(snapshot, copy, NULL, NULL, message), STORE_IO);
    ck_assert_int_ne(access(copy, F_OK), 0);
    store_snapshot_end(store, snapshot);
    ck_assert_uint_gt(files_in(folder), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store/snapshot");
    TCase *c = tcase_create("snapshot");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_copy_is_the_store_as_of_the_snapshot);
    tcase_add_test(c, a_copy_is_made_on_another_thread_while_commits_go_on);
    tcase_add_test(c, a_copy_that_is_stopped_leaves_nothing);
    tcase_add_test(c, a_folder_that_is_not_empty_is_left_alone);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
