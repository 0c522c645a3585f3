#include "server/tls/tls.h"

#include "server/tls/certificate.h"
#include "tests/unit/tls_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct tls_pair authority, server, client, other;
static struct tls_files files;
static char why[TLS_WHY_MAX];

static void setup(void)
{
    tls_folder_make();
    authority = tls_pair_new(&(struct tls_wish){.name = "authority", .authority = true}, NULL);
    server = tls_pair_new(&(struct tls_wish){.name = "server", .usage = "serverAuth"}, &authority);
    client = tls_pair_new(&(struct tls_wish){.name = "client", .usage = "clientAuth"}, &authority);
    other = tls_pair_new(&(struct tls_wish){.name = "other"}, NULL);
    files = (struct tls_files){.certificate = tls_write_certificate("server.pem", server.certificate),
                               .key = tls_write_key("server.key", server.key, NULL)};
}

static void teardown(void)
{
    tls_pair_free(&authority);
    tls_pair_free(&server);
    tls_pair_free(&client);
    tls_pair_free(&other);
    tls_folder_remove();
}

static void refuses(const char *words)
{
    ck_assert_ptr_null(tls_new(&files, why));
    ck_assert_msg(strstr(why, words), "\"%s\" does not say \"%s\"", why, words);
    ck_assert_ptr_null(strchr(why, '\n'));
}

static void ask_clients(enum tls_client how)
{
    files.client = how;
    files.client_ca = tls_write_certificate("ca.pem", authority.certificate);
}

static struct tls *make(void)
{
    struct tls *t = tls_new(&files, why);
    ck_assert_msg(t, "%s", why);
    return t;
}

// ---- files

START_TEST(what_is_wrong_with_the_certificate_is_said)
{
    const char *good = files.certificate;
    files.certificate = NULL;
    refuses("tls_certificate is not set");
    files.certificate = tls_path("none");
    refuses("tls_certificate: /tmp/");
    refuses("none cannot be read: No such file");
    files.certificate = "/tmp";
    refuses("/tmp is no file");
    files.certificate = tls_write_text("text", "no certificate\n");
    refuses("text has no certificate in PEM");
    files.certificate =
        tls_write_text("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    refuses("broken cannot be read as PEM");
    files.certificate = tls_write_key("key", other.key, NULL);
    refuses("key has no certificate in PEM");
    files.certificate = tls_write_certificate("other.pem", other.certificate);
    refuses("server.key is not the key of the certificate in");
    files.certificate = tls_write_certificate("client.pem", client.certificate);
    refuses("client.pem is not for a server");
    files.certificate = good;
    tls_free(make());
}
END_TEST

START_TEST(what_is_wrong_with_the_key_is_said)
{
    files.key = NULL;
    refuses("tls_key is not set");
    files.key = tls_path("none");
    refuses("tls_key: /tmp/");
    refuses("none cannot be read: No such file");
    files.key = files.certificate;
    refuses("has no private key in PEM");
    files.key = tls_write_key("locked", server.key, "password");
    refuses("locked is encrypted");
    files.key = tls_path("server.key");
    static const mode_t bad[] = {0604, 0601, 0602, 0620, 0666, 0777};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        chmod(files.key, bad[i]);
        refuses("server.key; make it its user's alone: chmod 600");
    }
    static const mode_t good[] = {0600, 0400, 0640, 0440};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        chmod(files.key, good[i]);
        tls_free(make());
    }
}
END_TEST

START_TEST(dates_and_strength_are_looked_at)
{
    struct {
        struct tls_wish wish;
        const char *says;
    } rows[] = {
        {{.name = "s", .begins = -3, .ends = -1}, "expired on 20"},
        {{.name = "s", .begins = 1, .ends = 2}, "is not valid before 20"},
        {{.name = "s", .rsa_bits = 1024}, "ee key too small"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_pair p = tls_pair_new(&rows[i].wish, &authority);
        unlink(files.certificate);
        tls_write_certificate("server.pem", p.certificate);
        tls_write_key("server.key", p.key, NULL);
        refuses(rows[i].says);
        tls_pair_free(&p);
    }
}
END_TEST

START_TEST(when_it_ends_is_known)
{
    struct tls *t = make();
    ck_assert_int_ge(tls_expires(t), time(NULL) + 86400 - 100);
    ck_assert_int_le(tls_expires(t), time(NULL) + 86400);
    ck_assert_int_eq(tls_crl_expires(t), INT64_MAX);
    tls_free(t);
    tls_free(NULL);
}
END_TEST

START_TEST(what_is_wrong_with_clients_files_is_said)
{
    files.client_ca = tls_path("none");
    refuses("tls_client_ca is set, but clients are not asked");
    files.client_ca = NULL;
    files.client_crl = tls_path("none");
    refuses("tls_client_crl is set, but clients are not asked");
    files.client_crl = NULL;
    files.client = TLS_CLIENT_OPTIONAL;
    refuses("tls_client_ca does not say who");
    files.client_ca = tls_path("none");
    refuses("tls_client_ca: /tmp/");
    ask_clients(TLS_CLIENT_REQUIRED);
    files.client_crl = files.client_ca;
    refuses("ca.pem has no revocation list in PEM");
    X509_CRL *old = tls_crl_new(&authority, NULL, 0, -1);
    files.client_crl = tls_write_crl("old", old);
    refuses("old is out of date since 20");
    X509_CRL_free(old);
}
END_TEST

// ---- clients

static SSL *a_client(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    ck_assert_ptr_nonnull(ssl);
    SSL_set_connect_state(ssl);
    return ssl;
}

// The handshake through memory. Whether the server's side of it came to its end; where it did, so did the
// client's.
static bool shake(SSL *us, SSL *them)
{
    BIO *a, *b;
    ck_assert_int_eq(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(us, a, a);
    SSL_set_bio(them, b, b);
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(them);
        (void)SSL_do_handshake(us);
    }
    return SSL_is_init_finished(us);
}

// What the server makes of a client with this certificate: its name, "" without one, NULL where it is
// refused.
static const char *who(struct tls *t, const struct tls_pair *own, bool *still)
{
    static char name[300];
    SSL_CTX *context = tls_client_context(&authority, own);
    SSL *us = tls_accepting(t), *them = a_client(context);
    bool done = shake(us, them);
    char *got = done ? certificate_peer_name(us) : NULL;
    snprintf(name, sizeof name, "%s", got ? got : "");
    if (still)
        *still = tls_still_trusted(t, us);
    free(got);
    SSL_free(us);
    SSL_free(them);
    SSL_CTX_free(context);
    return done ? name : NULL;
}

START_TEST(clients_are_not_asked_unless_it_is_wanted)
{
    struct tls *t = make();
    ck_assert_str_eq(who(t, NULL, NULL), "");
    ck_assert_str_eq(who(t, &client, NULL), "");
    tls_free(t);
}
END_TEST

START_TEST(optional_takes_those_without_but_none_that_is_false)
{
    struct tls_pair expired =
        tls_pair_new(&(struct tls_wish){.name = "client", .begins = -3, .ends = -1}, &authority);
    ask_clients(TLS_CLIENT_OPTIONAL);
    struct tls *t = make();
    ck_assert_str_eq(who(t, NULL, NULL), "");
    ck_assert_str_eq(who(t, &client, NULL), "client");
    ck_assert_ptr_null(who(t, &other, NULL));
    ck_assert_ptr_null(who(t, &server, NULL)); // is for servers
    ck_assert_ptr_null(who(t, &expired, NULL));
    tls_free(t);
    tls_pair_free(&expired);
}
END_TEST

START_TEST(required_is_required)
{
    ask_clients(TLS_CLIENT_REQUIRED);
    struct tls *t = make();
    ck_assert_ptr_null(who(t, NULL, NULL));
    ck_assert_str_eq(who(t, &client, NULL), "client");
    tls_free(t);
}
END_TEST

START_TEST(an_authority_that_is_named_need_not_be_its_own)
{
    struct tls_pair between =
        tls_pair_new(&(struct tls_wish){.name = "between", .authority = true}, &authority);
    struct tls_pair under = tls_pair_new(&(struct tls_wish){.name = "under"}, &between);
    files.client = TLS_CLIENT_REQUIRED;
    files.client_ca = tls_write_certificate("between.pem", between.certificate);
    struct tls *t = make();
    ck_assert_str_eq(who(t, &under, NULL), "under");
    ck_assert_ptr_null(who(t, &client, NULL)); // of the authority above it
    tls_free(t);
    tls_pair_free(&between);
    tls_pair_free(&under);
}
END_TEST

START_TEST(revoked_ones_are_refused)
{
    struct tls_pair second = tls_pair_new(&(struct tls_wish){.name = "second"}, &authority);
    X509_CRL *none = tls_crl_new(&authority, NULL, 0, 9),
             *one = tls_crl_new(&authority, &client.certificate, 1, 5);
    ask_clients(TLS_CLIENT_REQUIRED);
    files.client_crl = tls_write_crl("none", none);
    struct tls *t = make();
    bool still;
    ck_assert_str_eq(who(t, &client, &still), "client");
    ck_assert(still);
    files.client_crl = tls_write_crl("one", one);
    ck_assert_msg(tls_reload(t, &files, why), "%s", why);
    ck_assert_int_lt(tls_crl_expires(t), time(NULL) + 6 * 86400);
    ck_assert_ptr_null(who(t, &client, NULL));
    ck_assert_str_eq(who(t, &second, NULL), "second");
    tls_free(t);
    X509_CRL_free(none);
    X509_CRL_free(one);
    tls_pair_free(&second);
}
END_TEST

START_TEST(who_was_let_in_is_looked_at_again)
{
    X509_CRL *one = tls_crl_new(&authority, &client.certificate, 1, 5);
    ask_clients(TLS_CLIENT_OPTIONAL);
    struct tls *t = make();
    SSL_CTX *with = tls_client_context(&authority, &client), *without = tls_client_context(&authority, NULL);
    SSL *us[2] = {tls_accepting(t), tls_accepting(t)}, *them[2] = {a_client(with), a_client(without)};
    for (int i = 0; i < 2; i++) {
        ck_assert(shake(us[i], them[i]));
        ck_assert(tls_still_trusted(t, us[i]));
    }
    files.client_crl = tls_write_crl("one", one);
    ck_assert_msg(tls_reload(t, &files, why), "%s", why);
    ck_assert(!tls_still_trusted(t, us[0]));
    ck_assert(tls_still_trusted(t, us[1]));
    files.client_crl = NULL;
    files.client = TLS_CLIENT_REQUIRED;
    ck_assert_msg(tls_reload(t, &files, why), "%s", why);
    ck_assert(tls_still_trusted(t, us[0]));
    ck_assert(!tls_still_trusted(t, us[1]));
    files.client_ca = tls_write_certificate("other", other.certificate);
    ck_assert_msg(tls_reload(t, &files, why), "%s", why);
    ck_assert(!tls_still_trusted(t, us[0]));
    for (int i = 0; i < 2; i++) {
        SSL_free(us[i]);
        SSL_free(them[i]);
    }
    SSL_CTX_free(with);
    SSL_CTX_free(without);
    tls_free(t);
    X509_CRL_free(one);
}
END_TEST

START_TEST(a_reload_changes_all_or_nothing)
{
    struct tls *t = make();
    SSL *before = tls_accepting(t);
    struct tls_pair later =
        tls_pair_new(&(struct tls_wish){.name = "later", .begins = -1, .ends = 50}, &authority);
    unlink(files.certificate);
    tls_write_certificate("server.pem", later.certificate);
    int64_t expires = tls_expires(t);
    ck_assert(!tls_reload(t, &files, why));
    ck_assert_msg(strstr(why, "is not the key"), "%s", why);
    ck_assert_int_eq(tls_expires(t), expires);
    tls_write_key("server.key", later.key, NULL);
    ck_assert_msg(tls_reload(t, &files, why), "%s", why);
    ck_assert_int_gt(tls_expires(t), expires);
    SSL *after = tls_accepting(t);
    ck_assert_int_eq(X509_cmp(SSL_get_certificate(before), server.certificate), 0);
    ck_assert_int_eq(X509_cmp(SSL_get_certificate(after), later.certificate), 0);
    tls_free(t); // what it made lives on
    SSL_CTX *context = tls_client_context(&authority, NULL);
    SSL *them = a_client(context);
    ck_assert(shake(before, them));
    SSL_free(them);
    SSL_CTX_free(context);
    SSL_free(before);
    SSL_free(after);
    tls_pair_free(&later);
}
END_TEST

START_TEST(what_is_weak_is_not_spoken)
{
    static const struct {
        int version;
        const char *ciphers;
        bool good;
    } rows[] = {{TLS1_VERSION, "ALL:@SECLEVEL=0", false},
                {TLS1_1_VERSION, "ALL:@SECLEVEL=0", false},
                {TLS1_2_VERSION, "AES128-SHA", false},
                {TLS1_2_VERSION, "AES256-GCM-SHA384", false},
                {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},
                {TLS1_2_VERSION, "ALL:COMPLEMENTOFALL", true},
                {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
                {TLS1_3_VERSION, "ALL", true}};
    struct tls *t = make();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SSL_CTX *context = tls_client_context(&authority, NULL);
        SSL_CTX_set_security_level(context, 0);
        ck_assert_int_eq(SSL_CTX_set_min_proto_version(context, rows[i].version), 1);
        ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, rows[i].version), 1);
        ck_assert_int_eq(SSL_CTX_set_cipher_list(context, rows[i].ciphers), 1);
        SSL *us = tls_accepting(t), *them = a_client(context);
        ck_assert_msg(shake(us, them) == rows[i].good, "%x %s", (unsigned)rows[i].version, rows[i].ciphers);
        if (rows[i].good) {
            ck_assert_int_eq(SSL_session_reused(us), 0);
            ck_assert_int_eq(SSL_SESSION_has_ticket(SSL_get0_session(them)), 0);
        }
        SSL_free(us);
        SSL_free(them);
        SSL_CTX_free(context);
    }
    tls_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls/tls");
    TCase *c = tcase_create("tls");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, what_is_wrong_with_the_certificate_is_said);
    tcase_add_test(c, what_is_wrong_with_the_key_is_said);
    tcase_add_test(c, dates_and_strength_are_looked_at);
    tcase_add_test(c, when_it_ends_is_known);
    tcase_add_test(c, what_is_wrong_with_clients_files_is_said);
    tcase_add_test(c, clients_are_not_asked_unless_it_is_wanted);
    tcase_add_test(c, optional_takes_those_without_but_none_that_is_false);
    tcase_add_test(c, required_is_required);
    tcase_add_test(c, an_authority_that_is_named_need_not_be_its_own);
    tcase_add_test(c, revoked_ones_are_refused);
    tcase_add_test(c, who_was_let_in_is_looked_at_again);
    tcase_add_test(c, a_reload_changes_all_or_nothing);
    tcase_add_test(c, what_is_weak_is_not_spoken);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
