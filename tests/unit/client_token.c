#include "client/token.h"

#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/taskqXXXXXX", why[TOKEN_WHY], *token;

static void setup(void)
{
    strcpy(path, "/tmp/taskqXXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    unsetenv("TASKQ_TOKEN");
    unsetenv("TASKQ_TOKEN_FILE");
    token = NULL;
}

static void teardown(void)
{
    token_drop(token);
    unlink(path);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void finds(const char *file, const char *expected)
{
    ck_assert_msg(token_find(file, &token, why) == TASKQ_OK, "%s", why);
    if (expected)
        ck_assert_str_eq(token, expected);
    else
        ck_assert_ptr_null(token);
    token_drop(token);
    token = NULL;
}

static void refuses(const char *file, const char *words)
{
    ck_assert_int_eq(token_find(file, &token, why), TASKQ_USAGE);
    ck_assert_ptr_null(token);
    ck_assert_msg(strstr(why, words), "%s", why);
    ck_assert_ptr_null(strstr(why, "5ec1e7"));
}

START_TEST(the_file_is_first_then_the_environment)
{
    finds(NULL, NULL);
    write_file("from-a-file\n", 0600);
    setenv("TASKQ_TOKEN_FILE", path, 1);
    finds(NULL, "from-a-file");
    setenv("TASKQ_TOKEN", "from-the-environment", 1);
    finds(NULL, "from-the-environment");
    finds(path, "from-a-file");
    setenv("TASKQ_TOKEN", "", 1);
    setenv("TASKQ_TOKEN_FILE", "", 1);
    finds(NULL, NULL);
}
END_TEST

START_TEST(the_first_line_counts)
{
    static const char *const texts[] = {"5ec1e7", "5ec1e7\n", "5ec1e7\r\n",
                                        "5ec1e7\n\n# and more\ntoken {}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(texts[i], 0400);
        finds(path, "5ec1e7");
    }
    char longest[600];
    memset(longest, 'x', sizeof longest);
    longest[TOKEN_MAX] = '\n';
    longest[599] = '\0';
    write_file(longest, 0600);
    longest[TOKEN_MAX] = '\0';
    finds(path, longest);
}
END_TEST

START_TEST(what_is_no_token_is_refused_and_not_repeated)
{
    char longer[TOKEN_MAX + 8] = {0};
    memset(longer, 'x', TOKEN_MAX + 1);
    const char *const texts[] = {"", "\n5ec1e7\n", "5ec1e7 2\n", "5ec1e7\x01\n", "\xc3\xa4 5ec1e7", longer};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(texts[i], 0600);
        refuses(path, "has no token on its first line");
    }
    setenv("TASKQ_TOKEN", "5ec1e7\n", 1);
    refuses(NULL, "what TASKQ_TOKEN has is no token");
    unlink(path);
    refuses(path, "cannot be opened: No such file");
    refuses("/tmp", "Is a directory");
}
END_TEST

START_TEST(a_file_that_others_can_read_or_change_is_refused)
{
    static const mode_t fine[] = {0400, 0600, 0640, 0440}, not [] = {0604, 0602, 0601, 0620, 0644, 0666};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        write_file("5ec1e7\n", 0600);
        ck_assert_int_eq(chmod(path, fine[i]), 0);
        finds(path, "5ec1e7");
        ck_assert_int_eq(chmod(path, 0600), 0);
    }
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++) {
        write_file("5ec1e7\n", not [i]);
        refuses(path, "can be read or changed by others");
        ck_assert_int_eq(chmod(path, 0600), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/token");
    TCase *c = tcase_create("token");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, the_file_is_first_then_the_environment);
    tcase_add_test(c, the_first_line_counts);
    tcase_add_test(c, what_is_no_token_is_refused_and_not_repeated);
    tcase_add_test(c, a_file_that_others_can_read_or_change_is_refused);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
