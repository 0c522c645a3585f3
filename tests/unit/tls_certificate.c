#include "server/tls/certificate.h"

#include "tests/unit/tls_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void is_named(const struct tls_wish *wish, const char *expected)
{
    struct tls_pair p = tls_pair_new(wish, NULL);
    char *name = certificate_name(p.certificate);
    if (expected)
        ck_assert_str_eq(name, expected);
    else
        ck_assert_ptr_null(name);
    free(name);
    tls_pair_free(&p);
}

START_TEST(the_common_name_comes_first)
{
    is_named(&(struct tls_wish){.name = "worker 1"}, "worker 1");
    is_named(&(struct tls_wish){.name = "worker 1", .names = "DNS:other"}, "worker 1");
    is_named(&(struct tls_wish){.name = "Zo\xc3\xab"}, "Zo\xc3\xab");
}
END_TEST

START_TEST(then_the_alternative_ones_by_kind)
{
    is_named(&(struct tls_wish){.names = "email:a@b,URI:urn:x,DNS:one,DNS:two"}, "one");
    is_named(&(struct tls_wish){.names = "email:a@b,URI:urn:x"}, "urn:x");
    is_named(&(struct tls_wish){.names = "IP:127.0.0.1,email:a@b"}, "a@b");
    is_named(&(struct tls_wish){.names = "IP:127.0.0.1"}, NULL);
    is_named(&(struct tls_wish){0}, NULL);
}
END_TEST

static X509 *with_names(const char *first, int first_len, const char *second)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)first, first_len, -1, 0);
    if (second)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)second, -1, -1, 0);
    return x;
}

START_TEST(what_could_be_taken_for_another_is_none)
{
    X509 *cut = with_names("admin\0.example.org", 18, NULL), *two = with_names("admin", -1, "worker");
    ck_assert_ptr_null(certificate_name(cut));
    ck_assert_ptr_null(certificate_name(two));
    X509_free(cut);
    X509_free(two);
}
END_TEST

START_TEST(times_are_read_and_written)
{
    char text[CERTIFICATE_TIME_MAX];
    int64_t seconds;
    ASN1_TIME *t = ASN1_TIME_new();
    ck_assert_int_eq(ASN1_TIME_set_string(t, "20300131120000Z"), 1);
    ck_assert(certificate_time(t, &seconds));
    ck_assert_int_eq(seconds, 1896091200);
    ck_assert_str_eq(certificate_time_print(seconds, text), "2030-01-31 12:00 UTC");
    ck_assert_int_eq(ASN1_TIME_set_string(t, "500101000000Z"), 1); // two digits: from 1950 on
    ck_assert(certificate_time(t, &seconds));
    ck_assert_int_lt(seconds, 0);
    ck_assert(!certificate_time(NULL, &seconds));
    (void)certificate_time_print(INT64_MAX, text); // says something, whatever it is
    ASN1_TIME_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls/certificate");
    TCase *c = tcase_create("certificate");
    tcase_add_test(c, the_common_name_comes_first);
    tcase_add_test(c, then_the_alternative_ones_by_kind);
    tcase_add_test(c, what_could_be_taken_for_another_is_none);
    tcase_add_test(c, times_are_read_and_written);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
