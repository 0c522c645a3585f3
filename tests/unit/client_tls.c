// TLS as the library's caller sees it: whom it trusts, what it says where it does not, and that nothing is
// said to who is not trusted.
#include "client/handle.h"
#include "common/clock.h"
#include "tests/unit/client_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

static struct tls_pair authority, stranger;
static const char *ca;

static struct tls_pair issue(const struct tls_wish *wish)
{
    return tls_pair_new(wish, &authority);
}

static const char *write_pair(const char *name, const struct tls_pair *p, const char **key)
{
    char file[64];
    snprintf(file, sizeof file, "%s.key", name);
    *key = tls_write_key(file, p->key, NULL);
    return tls_write_certificate(name, p->certificate);
}

static void setup(void)
{
    static const char *const variables[] = {"TASKQ_CA", "TASKQ_CERT", "TASKQ_KEY", "TASKQ_TLS_NAME",
                                            "TASKQ_TOKEN"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    tls_folder_make();
    authority = tls_pair_new(&(struct tls_wish){.name = "test authority", .authority = true}, NULL);
    stranger = tls_pair_new(&(struct tls_wish){.name = "somebody else", .authority = true}, NULL);
    ca = tls_write_certificate("ca.pem", authority.certificate);
}

static void teardown(void)
{
    tls_pair_free(&authority);
    tls_pair_free(&stranger);
    tls_folder_remove();
}

// ---- files

static void refuses(const struct taskq_options *o, const char *words)
{
    struct taskq *q;
    ck_assert_int_eq(taskq_open(&q, "taskqs://127.0.0.1:1", o), TASKQ_USAGE);
    ck_assert_msg(strstr(taskq_error_message(q), words) != NULL, "%s", taskq_error_message(q));
    ck_assert_int_eq(taskq_ping(q), TASKQ_USAGE); // and never tries to connect
    taskq_close(q);
}

START_TEST(files_that_do_not_do_are_refused_before_anything_is_sent)
{
    struct tls_pair own = issue(&(struct tls_wish){.name = "worker"});
    const char *key, *certificate = write_pair("own.pem", &own, &key);
    const char *text = tls_write_text("text", "nothing of the kind\n");
    const char *encrypted = tls_write_key("encrypted.key", own.key, "secret");
    const char *other = tls_write_key("other.key", stranger.key, NULL);
    refuses(&(struct taskq_options){.ca_file = tls_path("nowhere")}, "the CA file /tmp/taskq-tls");
    refuses(&(struct taskq_options){.ca_file = tls_path("nowhere")},
            "nowhere cannot be opened: No such file");
    refuses(&(struct taskq_options){.ca_file = text}, "text has no certificate in PEM that can be read");
    refuses(&(struct taskq_options){.cert_file = tls_path("nowhere")},
            "nowhere cannot be opened: No such file");
    refuses(&(struct taskq_options){.cert_file = text, .key_file = key}, "text has no certificate in PEM");
    refuses(&(struct taskq_options){.key_file = key}, "no certificate that it belongs to (TASKQ_CERT)");
    refuses(&(struct taskq_options){.cert_file = certificate, .key_file = text},
            "text has no private key in PEM");
    refuses(&(struct taskq_options){.cert_file = certificate}, "own.pem has no private key in PEM");
    refuses(&(struct taskq_options){.cert_file = certificate, .key_file = other},
            "is not that of the certificate");
    refuses(&(struct taskq_options){.cert_file = certificate, .key_file = encrypted}, "is encrypted");
    refuses(&(struct taskq_options){.cert_file = certificate, .key_file = tls_path("nowhere")},
            "the key file /tmp/taskq-tls");
    ck_assert_int_eq(chmod(key, 0644), 0);
    refuses(&(struct taskq_options){.cert_file = certificate, .key_file = key},
            "can be read or changed by others: chmod 600 it, and take another key if they may have");
    setenv("TASKQ_CERT", certificate, 1);
    setenv("TASKQ_KEY", key, 1);
    refuses(NULL, "can be read or changed by others");
    tls_pair_free(&own);
}
END_TEST

START_TEST(without_tls_its_options_are_a_mistake_and_its_variables_are_not)
{
    static const char *const plain[] = {"127.0.0.1:1", "taskq://127.0.0.1:1", "unix:/nonexistent"};
    struct taskq *q;
    setenv("TASKQ_CA", "/nonexistent", 1); // for other daemons
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        ck_assert_int_eq(taskq_open(&q, plain[i], NULL), TASKQ_NO_DAEMON);
        taskq_close(q);
        const struct taskq_options each[] = {{.ca_file = ca},
                                             {.cert_file = ca},
                                             {.key_file = ca},
                                             {.tls_name = "q.example"}};
        for (size_t n = 0; n < sizeof each / sizeof *each; n++) {
            ck_assert_int_eq(taskq_open(&q, plain[i], &each[n]), TASKQ_USAGE);
            ck_assert_ptr_nonnull(strstr(taskq_error_message(q), "taskqs://"));
            taskq_close(q);
        }
    }
}
END_TEST

// ---- who answers

// Whoever is not trusted gets not a byte of what is to be said.
static void hears_nothing(struct server *s)
{
    server_accept(s);
    ck_assert_msg(!server_read(s) && s->in_len == 0, "the client said something");
}

static void answers_one(struct server *s)
{
    server_accept(s);
    server_result(s, server_expect_method(s, "ping"), "{}");
    ck_assert(!server_read(s));
}

static void trusts(SSL_CTX *context, const struct taskq_options *o)
{
    struct server *s = server_start_as(answers_one, NULL, context);
    struct taskq *q;
    enum taskq_error e = taskq_open(&q, s->address, o);
    ck_assert_msg(e == TASKQ_OK, "%s", taskq_error_message(q));
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    taskq_close(q);
    server_end(s);
}

static void distrusts(SSL_CTX *context, const struct taskq_options *o, const char *words)
{
    struct server *s = server_start_as(hears_nothing, NULL, context);
    struct taskq *q;
    enum taskq_error e = taskq_open(&q, s->address, o);
    ck_assert_msg(e == TASKQ_TLS, "%s: %d %s", words, e, taskq_error_message(q));
    ck_assert_msg(strstr(taskq_error_message(q), words) != NULL, "%s", taskq_error_message(q));
    ck_assert_ptr_nonnull(strstr(taskq_error_message(q), s->address));
    ck_assert_int_eq(taskq_fd(q), -1);
    taskq_close(q);
    server_end(s);
}

static SSL_CTX *shows(const struct tls_wish *wish, const struct tls_pair *by)
{
    struct tls_pair p = tls_pair_new(wish, by);
    SSL_CTX *context = server_context(&p);
    tls_pair_free(&p);
    return context;
}

#define AT_HOME .names = "DNS:localhost,IP:127.0.0.1"

START_TEST(a_certificate_of_a_ca_that_is_trusted_and_for_the_host_is_accepted)
{
    struct taskq_options o = {.ca_file = ca};
    trusts(shows(&(struct tls_wish){.name = "d", AT_HOME}, &authority), &o);
    trusts(shows(&(struct tls_wish){.name = "d", AT_HOME, .usage = "serverAuth"}, &authority), &o);
    trusts(shows(&(struct tls_wish){.name = "d", AT_HOME, .rsa_bits = 2048}, &authority), &o);
    setenv("TASKQ_CA", ca, 1);
    trusts(shows(&(struct tls_wish){AT_HOME}, &authority), NULL);

    // The name it must be for can be another than that of the address.
    o.tls_name = "a.q.example";
    trusts(shows(&(struct tls_wish){.names = "DNS:b.example,DNS:a.q.example"}, &authority), &o);
    trusts(shows(&(struct tls_wish){.names = "DNS:*.q.example"}, &authority), &o);
    setenv("TASKQ_TLS_NAME", "10.1.2.3", 1);
    trusts(shows(&(struct tls_wish){.names = "IP:10.1.2.3"}, &authority), NULL);
    o.tls_name = "fe80::1%eth0";
    trusts(shows(&(struct tls_wish){.names = "IP:fe80::1"}, &authority), &o);
}
END_TEST

START_TEST(the_certificate_itself_can_be_what_is_trusted)
{
    struct tls_pair alone = tls_pair_new(&(struct tls_wish){.name = "d", AT_HOME}, NULL);
    struct tls_pair issued = issue(&(struct tls_wish){.name = "d", AT_HOME});
    trusts(server_context(&alone),
           &(struct taskq_options){.ca_file = tls_write_certificate("alone.pem", alone.certificate)});
    trusts(server_context(&issued),
           &(struct taskq_options){.ca_file = tls_write_certificate("issued.pem", issued.certificate)});
    // Its siblings are not.
    distrusts(shows(&(struct tls_wish){.name = "d", AT_HOME}, &authority),
              &(struct taskq_options){.ca_file = tls_path("issued.pem")}, "and not by a CA of");
    tls_pair_free(&alone);
    tls_pair_free(&issued);
}
END_TEST

START_TEST(any_other_is_not_and_it_is_said_why)
{
    static const struct {
        struct tls_wish wish;
        const char *words;
        bool strange; // issued by somebody else
    } rows[] = {
        {{.name = "d", AT_HOME}, "issued by /CN=somebody else, and not by a CA of /tmp/", true},
        {{.name = "d", AT_HOME, .begins = -9, .ends = -2}, "its certificate expired on 20", false},
        {{.name = "d", AT_HOME, .begins = 2, .ends = 9}, "is not valid before 20", false},
        {{.name = "d", .names = "DNS:a.example,IP:10.0.0.1"},
         "its certificate is for a.example, 10.0.0.1 and not for 127.0.0.1",
         false},
        {{.name = "d", .names = "DNS:127.0.0.1"}, "is for 127.0.0.1 and not for 127.0.0.1", false},
        {{.name = "127.0.0.1"}, "names no host", false}, // the common name is not looked at
        {{.name = "d", AT_HOME, .usage = "clientAuth"}, "unsuitable certificate purpose", false},
        {{.name = "d", AT_HOME, .rsa_bits = 1024}, "key too weak", false},
        {{.name = "\x1b[31m\n", AT_HOME}, "issued by", true},
        {{.names = "DNS:\x1b[31m"}, "is for ?[31m and not for", false},
    };
    struct taskq_options o = {.ca_file = ca};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_pair p = tls_pair_new(&rows[i].wish, rows[i].strange ? &stranger : &authority);
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_security_level(context, 0); // for the weak key
        ck_assert_int_eq(SSL_CTX_use_certificate(context, p.certificate), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, p.key), 1);
        distrusts(context, &o, rows[i].words);
        tls_pair_free(&p);
    }
    distrusts(shows(&(struct tls_wish){.name = "alone", AT_HOME}, NULL), &o,
              "issued by /CN=alone, and not by");
    distrusts(shows(&(struct tls_wish){.name = "d", AT_HOME}, &authority), NULL,
              "issued by /CN=test authority, which this system does not trust");
    o.tls_name = "q.example"; // nor is it looked at for a name
    distrusts(shows(&(struct tls_wish){.name = "q.example"}, &authority), &o, "names no host");
    o.tls_name = "a.b.q.example";
    distrusts(shows(&(struct tls_wish){.names = "DNS:*.q.example"}, &authority), &o,
              "and not for a.b.q.example");
    o.tls_name = "ab.q.example";
    distrusts(shows(&(struct tls_wish){.names = "DNS:a*.q.example"}, &authority), &o,
              "and not for ab.q.example");
}
END_TEST

START_TEST(a_ca_that_has_expired_is_named)
{
    struct tls_wish old = {.name = "old authority", .authority = true, .begins = -9, .ends = -2};
    struct tls_pair by = tls_pair_new(&old, NULL);
    distrusts(shows(&(struct tls_wish){.name = "d", AT_HOME}, &by),
              &(struct taskq_options){.ca_file = tls_write_certificate("old.pem", by.certificate)},
              "its certificate's CA expired on 20");
    tls_pair_free(&by);
}
END_TEST

START_TEST(old_versions_are_refused)
{
    SSL_CTX *context = shows(&(struct tls_wish){.name = "d", AT_HOME}, &authority);
    SSL_CTX_set_security_level(context, 0);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION), 1);
    distrusts(context, &(struct taskq_options){.ca_file = ca}, "it speaks no");
    context = shows(&(struct tls_wish){.name = "d", AT_HOME}, &authority);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    trusts(context, &(struct taskq_options){.ca_file = ca});
}
END_TEST

// ---- what is not TLS

static void speaks_plainly(struct server *s)
{
    server_accept(s);
    ck_assert_int_gt(recv(s->fd, s->in, sizeof s->in, 0), 0);
    ck_assert_int_eq(s->in[0], 0x16); // a handshake, and not a request
    server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"what?\"}}\n");
    while (recv(s->fd, s->in, sizeof s->in, 0) > 0)
        ck_assert_int_ne(s->in[0], '{');
}

static void hangs_up_at_once(struct server *s)
{
    server_accept(s);
    ck_assert_int_gt(recv(s->fd, s->in, sizeof s->in, 0), 0);
    server_hang_up(s);
}

static void says_nothing(struct server *s)
{
    server_accept(s);
    while (recv(s->fd, s->in, sizeof s->in, 0) > 0)
        ;
}

static struct taskq *open_without_tls(struct server *s, double timeout, enum taskq_error expected)
{
    char address[64];
    struct taskq *q;
    snprintf(address, sizeof address, "taskqs://%s", s->address);
    ck_assert_int_eq(taskq_open(&q, address, &(struct taskq_options){.connect_timeout = timeout}), expected);
    return q;
}

START_TEST(where_tls_is_not_spoken_it_is_not_done_without)
{
    struct server *s = server_start(speaks_plainly, NULL);
    struct taskq *q = open_without_tls(s, 0, TASKQ_TLS);
    ck_assert_msg(strstr(taskq_error_message(q), "it is not TLS that is spoken there"), "%s",
                  taskq_error_message(q));
    taskq_close(q);
    server_end(s);
    s = server_start(hangs_up_at_once, NULL);
    q = open_without_tls(s, 0, TASKQ_NO_DAEMON); // as a daemon that just ends would
    ck_assert_msg(strstr(taskq_error_message(q), "then ended in the TLS handshake"), "%s",
                  taskq_error_message(q));
    taskq_close(q);
    server_end(s);
}
END_TEST

START_TEST(a_handshake_ends_in_time_and_when_interrupted)
{
    struct server *s = server_start(says_nothing, NULL);
    int64_t start = clock_ns();
    struct taskq *q = open_without_tls(s, 0.05, TASKQ_NO_DAEMON);
    ck_assert_int_ge(clock_ns() - start, 50000000);
    ck_assert_msg(strstr(taskq_error_message(q), "not greeted in time"), "%s", taskq_error_message(q));
    taskq_close(q);
    server_end(s);

    s = server_start(says_nothing, NULL);
    q = open_without_tls(s, 0.05, TASKQ_NO_DAEMON);
    server_end(s);
    s = server_start(says_nothing, NULL);
    struct address a = q->address;
    const char *why;
    char fault[TLS_WHY];
    ck_assert(address_parse(&q->address, s->address, &why));
    int fd = address_connect(&q->address, -1, -1, &why);
    int wake = eventfd(1, EFD_CLOEXEC);
    struct tls *t;
    ck_assert_int_eq(tls_connect(&t, q->tls, fd, -1, wake, fault), TASKQ_REQUEST_CANCELLED);
    close(wake);
    close(fd);
    q->address = a;
    taskq_close(q);
    server_end(s);
}
END_TEST

// A client without TLS at a port with it.
static void answers_with_an_alert(struct server *s)
{
    server_accept(s);
    ck_assert(server_read(s));
    server_send(s, "\x15\x03\x01\x00\x02\x02\x46", 7);
    ck_assert(!server_read(s));
}

static void says_not_a_word(struct server *s)
{
    server_accept(s);
    ck_assert(server_read(s));
    server_hang_up(s);
    server_accept(s);
    ck_assert(server_read(s));
}

START_TEST(a_plain_client_is_told_that_tls_is_spoken)
{
    struct server *s = server_start(answers_with_an_alert, NULL);
    struct taskq *q;
    ck_assert_int_eq(taskq_open(&q, s->address, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_TLS);
    ck_assert_msg(strstr(taskq_error_message(q), "the address begins with taskqs://"), "%s",
                  taskq_error_message(q));
    taskq_close(q);
    server_end(s);
    s = server_start(says_not_a_word, NULL); // as taskqd does
    ck_assert_int_eq(taskq_open(&q, s->address, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_ping(q), TASKQ_LOST);
    ck_assert_msg(strstr(taskq_error_message(q), "if it speaks TLS"), "%s", taskq_error_message(q));
    taskq_close(q);
    server_end(s);
}
END_TEST

// ---- who the client is

static SSL_CTX *asks(int version, bool must)
{
    SSL_CTX *context = shows(&(struct tls_wish){.name = "d", AT_HOME}, &authority);
    ck_assert_int_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.certificate), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (must ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, version), 1);
    return context;
}

// With TLS 1.3 the client only hears of it when it has sent its request.
static void is_refused(int version, const struct taskq_options *o, const char *words)
{
    struct server *s = server_start_as(hears_nothing, NULL, asks(version, true));
    struct taskq *q;
    enum taskq_error e = taskq_open(&q, s->address, o);
    if (e == TASKQ_OK)
        e = taskq_put(q, "q", "1", 1, NULL, NULL);
    ck_assert_msg(e == TASKQ_TLS, "%s: %d %s", words, e, taskq_error_message(q));
    ck_assert_msg(strstr(taskq_error_message(q), words) != NULL, "%s", taskq_error_message(q));
    taskq_close(q);
    server_end(s);
}

START_TEST(a_client_that_is_not_accepted_is_told_so_and_nothing_was_done)
{
    static const struct {
        struct tls_wish wish;
        const char *words;
    } rows[] = {{{.name = "late", .begins = -9, .ends = -2}, "this client's certificate has expired"},
                {{.name = "daemon", .usage = "serverAuth"}, "does not accept this client's certificate"}};
    struct taskq_options o = {.ca_file = ca};
    is_refused(TLS1_3_VERSION, &o, "it wants a certificate of this client");
    is_refused(TLS1_2_VERSION, &o, "it may want a certificate of this client");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_pair p = issue(&rows[i].wish);
        char name[16];
        snprintf(name, sizeof name, "%zu", i);
        o.cert_file = write_pair(name, &p, &o.key_file);
        is_refused(TLS1_3_VERSION, &o, rows[i].words);
        is_refused(TLS1_2_VERSION, &o, rows[i].words);
        tls_pair_free(&p);
    }
    struct tls_pair p = tls_pair_new(&(struct tls_wish){.name = "other"}, &stranger);
    o.cert_file = write_pair("other", &p, &o.key_file);
    is_refused(TLS1_3_VERSION, &o, "does not trust who issued this client's certificate");
    is_refused(TLS1_2_VERSION, &o, "does not trust who issued this client's certificate");
    tls_pair_free(&p);
}
END_TEST

static void expect_client(struct server *s, const char *name)
{
    char found[64] = "";
    server_accept(s);
    X509 *x = SSL_get1_peer_certificate(s->ssl);
    ck_assert_ptr_nonnull(x);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, found, sizeof found);
    X509_free(x);
    ck_assert_str_eq(found, name);
    server_result(s, server_expect_method(s, "ping"), "{}");
}

static void knows_the_client(struct server *s)
{
    expect_client(s, s->arg);
}

START_TEST(a_client_shows_its_certificate)
{
    struct tls_pair p = issue(&(struct tls_wish){.name = "worker", .usage = "clientAuth"});
    struct taskq_options o = {.ca_file = ca};
    o.cert_file = write_pair("worker.pem", &p, &o.key_file);
    const struct taskq_options all[] = {
        o, {.ca_file = ca, .cert_file = tls_write_certificate("both.pem", p.certificate)}, {0}};
    // The key may stand in the certificate's file; and all of it in the environment.
    FILE *both = fopen(all[1].cert_file, "ae");
    ck_assert_int_eq(PEM_write_PrivateKey(both, p.key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(both);
    for (size_t i = 0; i < 3; i++) {
        if (i == 2) {
            setenv("TASKQ_CA", ca, 1);
            setenv("TASKQ_CERT", o.cert_file, 1);
            setenv("TASKQ_KEY", o.key_file, 1);
        }
        struct server *s = server_start_as(knows_the_client, "worker", asks(TLS1_3_VERSION, true));
        struct taskq *q;
        ck_assert_int_eq(taskq_open(&q, s->address, &all[i]), TASKQ_OK);
        ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
        taskq_close(q);
        server_end(s);
    }
    tls_pair_free(&p);
}
END_TEST

static void knows_the_client_anew(struct server *s)
{
    const char *const names[] = {"first", "second", "second"};
    for (int i = 0; i < 3; i++) {
        expect_client(s, names[i]);
        server_hang_up(s);
    }
}

START_TEST(a_certificate_that_was_renewed_is_shown_from_the_next_connection_on)
{
    struct tls_pair p[] = {issue(&(struct tls_wish){.name = "first"}),
                           issue(&(struct tls_wish){.name = "second"})};
    struct taskq_options o = {.ca_file = ca, .cert_file = tls_path("own"), .key_file = tls_path("own.key")};
    struct server *s = server_start_as(knows_the_client_anew, NULL, asks(TLS1_3_VERSION, true));
    struct taskq *q = NULL;
    const char *key;
    for (int i = 0; i < 3; i++) {
        unlink(o.cert_file);
        if (i < 2)
            write_pair("own", &p[i], &key);
        else
            tls_write_text("own", "half of it"); // what was read before goes on
        if (i == 0)
            ck_assert_int_eq(taskq_open(&q, s->address, &o), TASKQ_OK);
        ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
        if (i < 2)
            ck_assert_int_eq(poll(&(struct pollfd){.fd = taskq_fd(q), .events = POLLRDHUP}, 1, -1), 1);
    }
    taskq_close(q);
    server_end(s);
    for (int i = 0; i < 2; i++)
        tls_pair_free(&p[i]);
}
END_TEST

// ---- bytes

static void sends_much_at_once(struct server *s)
{
    static char line[3 << 20];
    server_accept(s);
    unsigned long id = server_expect_method(s, "stats");
    int head = snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":\"", id);
    memset(line + head, 'x', sizeof line - (size_t)head);
    memcpy(line + sizeof line - 3, "\"}\n", 3);
    server_send(s, line, sizeof line);
    ck_assert(!server_read(s));
}

// Short records: what TLS reads ahead of the one that is asked for is many of them.
#define RECORDS    665
#define RECORD_LEN 100

static void sends_short_records(struct server *s)
{
    static char spaces[RECORD_LEN];
    server_accept(s);
    unsigned long id = server_expect_method(s, "stats");
    memset(spaces, ' ', sizeof spaces);
    for (int i = 0; i < RECORDS; i++)
        server_send(s, spaces, sizeof spaces);
    server_result(s, id, "{}");
    ck_assert_int_eq(write(*(int *)s->arg, "x", 1), 1);
    ck_assert(!server_read(s));
}

START_TEST(what_was_read_ahead_is_not_waited_for)
{
    int told[2];
    char byte;
    ck_assert_int_eq(pipe(told), 0);
    struct server *s =
        server_start_as(sends_short_records, &told[1], shows(&(struct tls_wish){AT_HOME}, &authority));
    struct taskq *q;
    struct taskq_reply reply;
    ck_assert_int_eq(taskq_open(&q, s->address, &(struct taskq_options){.ca_file = ca}), TASKQ_OK);
    ck_assert_int_eq(taskq_send(q, "stats", NULL, 0, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_flush(q), TASKQ_OK);
    ck_assert_int_eq(read(told[0], &byte, 1), 1);
    ck_assert_int_eq(taskq_receive(q, 20, &reply), TASKQ_OK);
    taskq_close(q);
    server_end(s);
    close(told[0]);
    close(told[1]);
}
END_TEST

// More than is read at once lies decrypted in the handle, where poll() does not see it.
START_TEST(what_lies_in_tls_is_found_without_poll)
{
    struct server *s =
        server_start_as(sends_much_at_once, NULL, shows(&(struct tls_wish){AT_HOME}, &authority));
    struct taskq *q;
    struct taskq_reply reply;
    ck_assert_int_eq(taskq_open(&q, s->address, &(struct taskq_options){.ca_file = ca}), TASKQ_OK);
    ck_assert_int_eq(taskq_send(q, "stats", NULL, 0, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_flush(q), TASKQ_OK);
    enum taskq_error e;
    do {
        struct pollfd p = {.fd = taskq_fd(q), .events = POLLIN};
        ck_assert_int_eq(poll(&p, 1, 20000), 1); // as a caller's own event loop
        e = taskq_receive(q, 0, &reply);
    } while (e == TASKQ_TIMEOUT);
    ck_assert_int_eq(e, TASKQ_OK);
    ck_assert_uint_gt(reply.result_len, 3000000);
    taskq_close(q);
    server_end(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/tls");
    TCase *c = tcase_create("tls");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, files_that_do_not_do_are_refused_before_anything_is_sent);
    tcase_add_test(c, without_tls_its_options_are_a_mistake_and_its_variables_are_not);
    tcase_add_test(c, a_certificate_of_a_ca_that_is_trusted_and_for_the_host_is_accepted);
    tcase_add_test(c, the_certificate_itself_can_be_what_is_trusted);
    tcase_add_test(c, any_other_is_not_and_it_is_said_why);
    tcase_add_test(c, a_ca_that_has_expired_is_named);
    tcase_add_test(c, old_versions_are_refused);
    tcase_add_test(c, where_tls_is_not_spoken_it_is_not_done_without);
    tcase_add_test(c, a_handshake_ends_in_time_and_when_interrupted);
    tcase_add_test(c, a_plain_client_is_told_that_tls_is_spoken);
    tcase_add_test(c, a_client_that_is_not_accepted_is_told_so_and_nothing_was_done);
    tcase_add_test(c, a_client_shows_its_certificate);
    tcase_add_test(c, a_certificate_that_was_renewed_is_shown_from_the_next_connection_on);
    tcase_add_test(c, what_was_read_ahead_is_not_waited_for);
    tcase_add_test(c, what_lies_in_tls_is_found_without_poll);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
