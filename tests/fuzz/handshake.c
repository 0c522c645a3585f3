// TLS from its first byte on: whatever comes, nobody without a certificate of the authority is let in, and
// what was received of a connection that somebody tampers with is a beginning of what its client sent. An
// input's first byte says what kind of client there is; the others are taken as they are, or as changes to
// what a real client sends.
#include "tests/fuzz/fuzz.h"

#include "server/net/secure.h"
#include "server/tls/tls.h"
#include "tests/unit/tls_fixture.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLIGHTS 12 // more than any handshake has
#define ROOM    (64 * 1024)

enum { RAW = 1, OLD = 2, STRANGER = 4, NOBODY = 8 }; // bits of the first byte

static const struct slice seeds[] = {
    SLICE("\0"),
    SLICE("\2"),
    SLICE("\4"),
    SLICE("\6"),
    SLICE("\10"),
    SLICE("\12"),
    SLICE("\1\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
    SLICE("\1\x16\x03\x03\x00\x04\x0e\x00\x00\x00\x14\x03\x03\x00\x01\x01"),
    SLICE("\1\x80\x2e\x01\x03\x01"),
    SLICE("\1\x15\x03\x03\x00\x02\x01\x00"),
    SLICE("\1GET / HTTP/1.1\r\n\r\n"),
    SLICE("\0\0\5\1\xff"),
    SLICE("\0\0\x30\2\1\1\0\3\0"),
    SLICE("\2\1\0\3\0"),
};

const struct slice *fuzz_seeds(size_t *count)
{
    *count = sizeof seeds / sizeof *seeds;
    return seeds;
}

const struct slice *fuzz_tokens(size_t *count)
{
    static const struct slice tokens[] = {
        SLICE("\x16\x03\x01"),
        SLICE("\x16\x03\x03"),
        SLICE("\x14\x03\x03\x00\x01\x01"),
        SLICE("\x17\x03\x03"),
        SLICE("\x15\x03\x03\x00\x02\x02\x28"),
        SLICE("\x00\x2b\x00\x03\x02\x03\x04"),
        SLICE("\x00\x33"),
        SLICE("\x00\x00\x00\x0e\x00\x0c\x00\x00\x09localhost"),
        SLICE("\xff\xff"),
        SLICE("\x00\x00"),
    };
    *count = sizeof tokens / sizeof *tokens;
    return tokens;
}

// Made once, before the first input.
static struct tls *tls;
static SSL_CTX *contexts[3]; // with a certificate of the authority, with another's, without

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char why[TLS_WHY_MAX];
    (void)argc, (void)argv;
    struct tls_pair authority =
        tls_pair_new(&(struct tls_wish){.name = "authority", .authority = true}, NULL);
    struct tls_pair server = tls_pair_new(&(struct tls_wish){.name = "server"}, &authority);
    struct tls_pair client = tls_pair_new(&(struct tls_wish){.name = "client"}, &authority);
    struct tls_pair other = tls_pair_new(&(struct tls_wish){.name = "client"}, NULL);
    tls_folder_make();
    struct tls_files files = {.certificate = tls_write_certificate("server.pem", server.certificate),
                              .key = tls_write_key("server.key", server.key, NULL),
                              .client_ca = tls_write_certificate("ca.pem", authority.certificate),
                              .client = TLS_CLIENT_REQUIRED};
    tls = tls_new(&files, why);
    FUZZ_CHECK(tls);
    tls_folder_remove();
    contexts[0] = tls_client_context(NULL, &client);
    contexts[1] = tls_client_context(NULL, &other);
    contexts[2] = tls_client_context(NULL, NULL);
    tls_pair_free(&authority);
    tls_pair_free(&server);
    tls_pair_free(&client);
    tls_pair_free(&other);
    return 0;
}

struct scene {
    const uint8_t *edits; // each: where in a flight (two bytes), what, and with what
    size_t edit_count;
    struct secure *us;
    int fd; // the client's end
    SSL *them;
    enum secure_state state;
    char sent[ROOM]; // by the client, as it wrote it
    size_t sent_len, got_len;
};

// Hands bytes to the daemon's end, as far as the socket takes them, and has it look.
static void hand_over(struct scene *s, const char *data, size_t len)
{
    static char got[SECURE_READ];
    (void)!send(s->fd, data, len, MSG_NOSIGNAL);
    if (s->state == SECURE_WANTS_READ || s->state == SECURE_WANTS_WRITE)
        s->state = secure_handshake(s->us);
    FUZZ_CHECK(s->state != SECURE_FAILED || secure_trouble(s->us));
    while (s->state == SECURE_DONE) {
        ssize_t n = secure_recv(s->us, got, sizeof got);
        if (n <= 0)
            break;
        FUZZ_CHECK(s->got_len + (size_t)n <= s->sent_len);
        FUZZ_CHECK(memcmp(got, s->sent + s->got_len, (size_t)n) == 0);
        s->got_len += (size_t)n;
    }
    FUZZ_CHECK(ERR_peek_error() == 0); // it would be taken for another connection's
}

static size_t edit(const struct scene *s, char *data, size_t len, size_t room)
{
    for (size_t i = 0; i < s->edit_count && len > 0; i++) {
        const uint8_t *e = s->edits + 4 * i;
        size_t at = (size_t)(e[0] << 8 | e[1]) % len;
        switch (e[2] & 3) {
        case 0:
            data[at] = (char)e[3];
            break;
        case 1:
            data[at] ^= (char)e[3];
            break;
        case 2: // some more
            if (len + e[3] <= room) {
                memmove(data + at + e[3], data + at, len - at);
                len += e[3];
            }
            break;
        case 3: // the rest is not there
            len = at;
            break;
        }
    }
    return len;
}

// What the client has to send goes through the changes; what the daemon answered goes back as it is.
static void exchange(struct scene *s, BIO *in, BIO *out)
{
    static char room[ROOM];
    int len = BIO_read(out, room, sizeof room / 2);
    hand_over(s, room, edit(s, room, len > 0 ? (size_t)len : 0, sizeof room));
    ssize_t n = recv(s->fd, room, sizeof room, MSG_DONTWAIT);
    if (n > 0)
        BIO_write(in, room, (int)n);
}

static void play(struct scene *s, uint8_t kind)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    s->them = SSL_new(contexts[kind & STRANGER ? 1 : kind & NOBODY ? 2 : 0]);
    if (kind & OLD)
        SSL_set_max_proto_version(s->them, TLS1_2_VERSION);
    SSL_set_bio(s->them, in, out);
    SSL_set_connect_state(s->them);
    for (int i = 0; i < FLIGHTS; i++) {
        static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
        if (SSL_do_handshake(s->them) == 1 && SSL_write(s->them, line, sizeof line - 1) > 0) {
            memcpy(s->sent + s->sent_len, line, sizeof line - 1);
            s->sent_len += sizeof line - 1;
        }
        ERR_clear_error(); // the client's
        exchange(s, in, out);
    }
    if (s->edit_count == 0)
        FUZZ_CHECK((s->state == SECURE_DONE) == !(kind & (STRANGER | NOBODY)));
    if (s->edit_count == 0 && s->state == SECURE_DONE)
        FUZZ_CHECK(s->got_len == s->sent_len);
    SSL_free(s->them);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene s;
    int ends[2];
    if (size == 0)
        return 0;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    s.us = secure_new(tls, ends[0]);
    s.fd = ends[1];
    s.state = SECURE_WANTS_READ;
    s.sent_len = s.got_len = 0;
    s.edits = data + 1;
    s.edit_count = data[0] & RAW ? 0 : (size - 1) / 4;
    FUZZ_CHECK(s.us);
    if (data[0] & RAW)
        for (size_t i = 1; i < size; i += 97) // in pieces
            hand_over(&s, (const char *)data + i, size - i < 97 ? size - i : 97);
    else
        play(&s, data[0]);
    if (s.state == SECURE_DONE) {
        FUZZ_CHECK(!(data[0] & (RAW | STRANGER | NOBODY)));
        FUZZ_CHECK(secure_name(s.us) && strcmp(secure_name(s.us), "client") == 0);
    }
    secure_close(s.us);
    close(s.fd);
    ERR_clear_error();
    return 0;
}
