#include "server/settings_access.h"

#include "server/settings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of abc
#define OTHER "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define GRANT "  grant \"*\" { roles = {\"put\"} }\n"

static struct settings s;
static char path[] = "/tmp/taskqXXXXXX", why[SETTINGS_WHY_MAX];

static void setup(void)
{
    strcpy(path, "/tmp/taskqXXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    settings_init(&s);
}

static void teardown(void)
{
    settings_release(&s);
    unlink(path);
}

static bool read_text(const char *text)
{
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    return settings_read(&s, path, why);
}

static void refuses(const char *text, const char *words)
{
    ck_assert_msg(!read_text(text), "%s", text);
    ck_assert_msg(strstr(why, words), "%s does not say %s", why, words);
    settings_release(&s);
    settings_init(&s);
}

START_TEST(sections_become_identities)
{
    ck_assert_msg(read_text("token \"web\" {\n  sha256 = \"" HASH "\"\n"
                            "  grant \"mail.*\" { roles = {\"put\", \"take\"} }\n"
                            "  grant \"log\" { roles = {read, admin} }\n}\n"
                            "token \"other\" {\n  sha256 = \"" OTHER "\"\n" GRANT "}\n"
                            "user \"root\" {\n" GRANT "}\nuser \"4711\" {\n" GRANT "}\n"
                            "group \"root\" {\n" GRANT "}\n"
                            "certificate \"root\" {\n" GRANT "}\ncertificate \"worker 1\" {\n" GRANT "}\n"),
                  "%s", why);
    ck_assert_uint_eq(s.access.count, 7);
    ck_assert_str_eq(access_of_certificate(&s.access, "worker 1")->name, "worker 1");
    const struct identity *web = access_of_token(&s.access, slice_of("abc"));
    ck_assert_str_eq(web->name, "web");
    ck_assert_uint_eq(identity_roles(web, slice_of("mail.x")), ROLE_PUT | ROLE_TAKE);
    ck_assert_uint_eq(identity_roles(web, slice_of("log")), ROLE_READ | ROLE_ADMIN);
    ck_assert_uint_eq(identity_roles(web, slice_of("logs")), 0);
    ck_assert_str_eq(access_of_peer(&s.access, 0, NULL, 0)->name, "root");
    ck_assert_str_eq(access_of_peer(&s.access, 4711, NULL, 0)->name, "4711");
    ck_assert_int_eq(access_of_peer(&s.access, 1, &(uint32_t){0}, 1)->kind, IDENTITY_GROUP);
}
END_TEST

START_TEST(without_sections_there_are_none)
{
    ck_assert(read_text("user \"root\" {\n" GRANT "}\n"));
    ck_assert(read_text("threads = 1\n"));
    ck_assert_uint_eq(s.access.count, 0);
}
END_TEST

START_TEST(what_is_wrong_is_told_with_its_line)
{
    refuses("token \"a\" {\n" GRANT "}\n", ":3: token \"a\": it has no sha256");
    refuses("token \"a\" {\n  sha256 = \"" HASH "\"\n}\n", ":3: token \"a\": it has no grant");
    refuses("token \"a\" {\n  sha256 = \"12\"\n" GRANT "}\n", ":2: sha256: a SHA-256 as 64 hexadecimal");
    refuses("token \"a\" {\n  sha256 = \"" HASH "\"\n" GRANT "}\ntoken \"b\" {\n  sha256 = \"" HASH
            "\"\n" GRANT "}\n",
            ":8: token \"b\" is the same as token \"a\"");
    refuses("token \"a\" {}\ntoken \"a\" {}\n", "duplicate title 'a'");
    refuses("token \"\" {\n  sha256 = \"" HASH "\"\n" GRANT "}\n", "a name has 1 to 255 bytes");
    refuses("token \"\xff\" {\n  sha256 = \"" HASH "\"\n" GRANT "}\n", "a name has 1 to 255 bytes of UTF-8");
    refuses("user \"root\" {\n  grant \"\xff\" { roles = {put} }\n}\n", "of UTF-8");
    refuses("user \"root\" {\n  sha256 = \"" HASH "\"\n" GRANT "}\n", ":2: no such option 'sha256'");
    refuses("user \"no such user\" {\n" GRANT "}\n", ":3: user \"no such user\": this machine has none");
    refuses("group \"no such group\" {\n" GRANT "}\n", ":3: group \"no such group\": this machine has none");
    refuses("user \"4294967295\" {\n" GRANT "}\n", "this machine has none"); // means nobody to the system
    refuses("user \"root\" {\n" GRANT "}\nuser \"0\" {\n" GRANT "}\n",
            "user \"0\" is the same as user \"root\"");
    refuses("user \"root\" {\n  grant \"*\" {\n    roles = {\"put\",\n \"get\"}\n  }\n}\n",
            ":4: roles = \"get\": one of these is expected: put take read admin");
    refuses("user \"root\" {\n  grant \"*\" {\n  }\n}\n", ":3: grant \"*\": it has no roles");
    refuses("user \"root\" {\n  grant \"\" { roles = {put} }\n}\n", "grant \"\": a queue's name or pattern");
    refuses("user \"root\" {\n" GRANT GRANT "}\n", "duplicate title '*'");
    refuses("user \"root\" {\n  grant \"*\" { role = {put} }\n}\n", ":2: no such option 'role'");
    refuses("grant \"*\" { roles = {put} }\n", ":1: no such option 'grant'");
}
END_TEST

START_TEST(a_token_in_the_wrong_place_is_not_repeated)
{
    refuses("token \"a\" {\n  sha256 = \"taskq_5ec1e7\"\n" GRANT "}\n", ":2: sha256: this is a token");
    ck_assert_ptr_null(strstr(why, "5ec1e7"));
    refuses("token \"a\" {\n  sha256 = \"5ec1e7\"\n" GRANT "}\n", ":2: sha256: ");
    ck_assert_ptr_null(strstr(why, "5ec1e7"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings_access");
    TCase *c = tcase_create("sections");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, sections_become_identities);
    tcase_add_test(c, without_sections_there_are_none);
    tcase_add_test(c, what_is_wrong_is_told_with_its_line);
    tcase_add_test(c, a_token_in_the_wrong_place_is_not_repeated);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
