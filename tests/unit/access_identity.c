#include "server/access/identity.h"

#include <check.h>
#include <stdlib.h>

static struct access a;

static struct identity *add(enum identity_kind kind, const char *name, const char *pattern, unsigned roles)
{
    struct identity *i = access_add(&a, kind, name);
    ck_assert_ptr_nonnull(i);
    ck_assert(identity_grant(i, pattern, roles));
    return i;
}

START_TEST(grants_add_up)
{
    struct identity *i = add(IDENTITY_TOKEN, "web", "mail.*", ROLE_PUT);
    ck_assert(identity_grant(i, "*", ROLE_READ));
    ck_assert(identity_grant(i, "mail.in", ROLE_TAKE));
    ck_assert_uint_eq(identity_roles(i, slice_of("mail.in")), ROLE_PUT | ROLE_READ | ROLE_TAKE);
    ck_assert_uint_eq(identity_roles(i, slice_of("mail.out")), ROLE_PUT | ROLE_READ);
    ck_assert_uint_eq(identity_roles(i, slice_of("other")), ROLE_READ);
    ck_assert_uint_eq(identity_roles_everywhere(i), ROLE_READ);
    access_release(&a);
}
END_TEST

START_TEST(grants_are_written_as_they_were_given)
{
    struct buffer b = {0};
    struct identity *i = add(IDENTITY_TOKEN, "web", "mail.*", ROLE_PUT | ROLE_ADMIN);
    ck_assert(identity_grant(i, "a\"b", 0));
    identity_write_grants(&b, i);
    identity_write_grants(&b, NULL);
    buffer_append_byte(&b, '\0');
    ck_assert_str_eq(b.data, "[{\"pattern\":\"mail.*\",\"roles\":[\"put\",\"admin\"]},"
                             "{\"pattern\":\"a\\\"b\",\"roles\":[]}][]");
    buffer_release(&b);
    access_release(&a);
}
END_TEST

START_TEST(who_has_no_grant_has_no_role)
{
    struct identity *i = access_add(&a, IDENTITY_TOKEN, "web");
    ck_assert_uint_eq(identity_roles(i, slice_of("q")), 0);
    ck_assert_uint_eq(identity_roles_everywhere(i), 0);
    access_release(&a);
}
END_TEST

START_TEST(a_token_tells_who_it_is)
{
    static const char *const tokens[] = {"one", "two", "three"};
    for (int n = 0; n < 3; n++)
        ck_assert(token_hash(slice_of(tokens[n]), &add(IDENTITY_TOKEN, tokens[n], "*", ROLE_PUT)->sha256));
    add(IDENTITY_USER, "u", "*", ROLE_PUT); // whose hash is all zeros
    for (int n = 0; n < 3; n++)
        ck_assert_str_eq(access_of_token(&a, slice_of(tokens[n]))->name, tokens[n]);
    ck_assert_ptr_null(access_of_token(&a, slice_of("four")));
    ck_assert_ptr_null(access_of_token(&a, slice_of("")));
    ck_assert_ptr_null(access_of_token(&a, slice_of("on")));
    access_release(&a);
}
END_TEST

START_TEST(a_peer_is_its_user_first_then_one_of_its_groups)
{
    static const uint32_t groups[] = {7, 100, 5};
    add(IDENTITY_TOKEN, "t", "*", ROLE_PUT); // whose number is 0, as root's
    add(IDENTITY_GROUP, "g5", "*", ROLE_PUT)->number = 5;
    add(IDENTITY_GROUP, "g7", "*", ROLE_PUT)->number = 7;
    add(IDENTITY_USER, "u3", "*", ROLE_PUT)->number = 3;
    ck_assert_str_eq(access_of_peer(&a, 3, groups, 3)->name, "u3");
    ck_assert_str_eq(access_of_peer(&a, 4, groups, 3)->name, "g5");
    ck_assert_str_eq(access_of_peer(&a, 4, groups, 2)->name, "g7");
    ck_assert_ptr_null(access_of_peer(&a, 4, groups + 1, 1));
    ck_assert_ptr_null(access_of_peer(&a, 0, groups, 0));
    ck_assert_ptr_null(access_of_peer(&a, 5, NULL, 0)); // a user of a group's number
    access_release(&a);
}
END_TEST

START_TEST(a_certificate_is_known_by_its_name)
{
    add(IDENTITY_TOKEN, "worker", "*", ROLE_PUT);
    add(IDENTITY_CERTIFICATE, "work", "*", ROLE_PUT);
    struct identity *i = add(IDENTITY_CERTIFICATE, "worker", "*", ROLE_PUT);
    ck_assert_ptr_eq(access_of_certificate(&a, "worker"), i);
    ck_assert_ptr_null(access_of_certificate(&a, "worker "));
    ck_assert_ptr_null(access_of_certificate(&a, ""));
    access_release(&a);
}
END_TEST

START_TEST(who_stays_the_same_is_found_again)
{
    struct access b = {0};
    add(IDENTITY_USER, "u", "*", ROLE_PUT)->number = 3;
    struct identity *i = access_add(&b, IDENTITY_USER, "u");
    i->number = 3; // its grants are others
    ck_assert_ptr_eq(access_same(&b, &a.items[0]), i);
    i->number = 4;
    ck_assert_ptr_null(access_same(&b, &a.items[0]));
    i->number = 3;
    i->sha256.bytes[0] = 1;
    ck_assert_ptr_null(access_same(&b, &a.items[0]));
    access_release(&a);
    access_release(&b);
}
END_TEST

START_TEST(differences_are_seen)
{
    struct access b = {0};
    ck_assert(access_equal(&a, &b));
    add(IDENTITY_USER, "u", "*", ROLE_PUT)->number = 3;
    ck_assert(!access_equal(&a, &b));
    struct identity *i = access_add(&b, IDENTITY_USER, "u");
    i->number = 3;
    ck_assert(!access_equal(&a, &b));
    ck_assert(identity_grant(i, "*", ROLE_PUT));
    ck_assert(access_equal(&a, &b));
    i->grants[0].roles = ROLE_READ;
    ck_assert(!access_equal(&a, &b));
    i->grants[0].roles = ROLE_PUT;
    i->grants[0].pattern[0] = 'x';
    ck_assert(!access_equal(&a, &b));
    i->grants[0].pattern[0] = '*';
    i->sha256.bytes[31] = 1;
    ck_assert(!access_equal(&a, &b));
    i->sha256.bytes[31] = 0;
    i->number = 4;
    ck_assert(!access_equal(&a, &b));
    i->number = 3;
    i->kind = IDENTITY_GROUP;
    ck_assert(!access_equal(&a, &b));
    access_release(&a);
    access_release(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access/identity");
    TCase *c = tcase_create("identity");
    tcase_add_test(c, grants_add_up);
    tcase_add_test(c, grants_are_written_as_they_were_given);
    tcase_add_test(c, who_has_no_grant_has_no_role);
    tcase_add_test(c, a_token_tells_who_it_is);
    tcase_add_test(c, a_peer_is_its_user_first_then_one_of_its_groups);
    tcase_add_test(c, a_certificate_is_known_by_its_name);
    tcase_add_test(c, who_stays_the_same_is_found_again);
    tcase_add_test(c, differences_are_seen);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
