#include "server/metrics/process.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

START_TEST(it_says_what_this_process_has)
{
    struct process_figures p, more;
    size_t size = 64 << 20;
    ck_assert(process_look(&p, true));
    ck_assert_double_ge(p.cpu_seconds, 0);
    ck_assert_uint_ge(p.threads, 1);
    ck_assert_double_ge(p.descriptors, 3);
    ck_assert_double_ge(p.descriptors_max, p.descriptors);
    ck_assert_uint_ge(p.address_space, p.resident);
    char *memory = malloc(size);
    ck_assert_ptr_nonnull(memory);
    for (size_t i = 0; i < size; i += 4096) // through a pointer that no compiler knows better than to use
        ((volatile char *)memory)[i] = 1;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert(process_look(&more, true));
    ck_assert_uint_ge(more.resident, p.resident + size / 2);
    ck_assert_uint_ge(process_resident(), p.resident + size / 2);
    ck_assert_double_eq(more.descriptors, p.descriptors + 1);
    close(fd);
    free(memory);
}
END_TEST

START_TEST(it_began_a_moment_ago)
{
    struct process_figures p;
    ck_assert(process_look(&p, false));
    ck_assert_double_le(p.began, (double)time(NULL) + 2);
    ck_assert_double_ge(p.began, (double)time(NULL) - 100); // the test's own time
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics/process");
    TCase *c = tcase_create("process");
    tcase_add_test(c, it_says_what_this_process_has);
    tcase_add_test(c, it_began_a_moment_ago);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
