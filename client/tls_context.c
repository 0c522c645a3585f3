#include "client/tls_context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The options about TLS: each with the variable that stands in where it is NULL.
#define TLS_OPTIONS(X)                                                                                       \
    X(TLS_CA, ca_file, "TASKQ_CA")                                                                           \
    X(TLS_CERT, cert_file, "TASKQ_CERT")                                                                     \
    X(TLS_KEY, key_file, "TASKQ_KEY")                                                                        \
    X(TLS_NAME, tls_name, "TASKQ_TLS_NAME")

enum tls_option {
#define X(id, member, variable) id,
    TLS_OPTIONS(X)
#undef X
        TLS_OPTION_COUNT
};
#define TLS_FILE_COUNT TLS_NAME // those before it are files

// When a file was read: another one in its place has another.
struct stamp {
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

struct tls_context {
    char *options[TLS_OPTION_COUNT]; // NULL: not given
    bool by_ip;                      // the name is an address
    pthread_mutex_t lock;            // of the rest
    SSL_CTX *ssl;
    struct stamp stamps[TLS_FILE_COUNT];
};

bool tls_options_given(const struct taskq_options *o)
{
#define X(id, member, variable) || o->member != NULL
    return false TLS_OPTIONS(X);
#undef X
}

const char *tls_context_name(const struct tls_context *c)
{
    return c->options[TLS_NAME];
}

const char *tls_context_ca(const struct tls_context *c)
{
    return c->options[TLS_CA];
}

// ---- the files

static enum taskq_error blame(const char *what, const char *file, const char *wrong, char why[TLS_WHY])
{
    secret_file_blame(what, file, wrong, why);
    return TASKQ_USAGE;
}

static enum taskq_error unreadable(const char *what, const char *file, char why[TLS_WHY])
{
    char wrong[160];
    snprintf(wrong, sizeof wrong, "cannot be opened: %s", strerror(errno));
    return blame(what, file, wrong, why);
}

static enum taskq_error load_ca(SSL_CTX *ssl, const char *file, char why[TLS_WHY])
{
    if (file == NULL) {
        (void)SSL_CTX_set_default_verify_paths(ssl); // without any, no certificate is trusted
        return TASKQ_OK;
    }
    if (access(file, R_OK) < 0)
        return unreadable("CA", file, why);
    if (SSL_CTX_load_verify_locations(ssl, file, NULL) != 1)
        return blame("CA", file, "has no certificate in PEM that can be read", why);
    // What is named is trusted, also where it is not a CA but the daemon's own certificate.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
    return TASKQ_OK;
}

// Called where a key is encrypted: nobody is there to ask.
static int no_password(char *buffer, int size, int writing, void *encrypted)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)encrypted = true;
    return -1;
}

static enum taskq_error load_key(SSL_CTX *ssl, const char *certificate, const char *file, char why[TLS_WHY])
{
    bool encrypted = false;
    int fd = secret_file_open("key", file, why);
    if (fd < 0)
        return TASKQ_USAGE;
    BIO *in = BIO_new_fd(fd, BIO_CLOSE);
    EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_password, &encrypted) : NULL;
    if (in == NULL)
        close(fd);
    BIO_free(in);
    enum taskq_error e = TASKQ_OK;
    if (key == NULL)
        e = blame(
            "key", file,
            encrypted
                ? "is encrypted, and nobody can be asked for its password: decrypt it with `openssl pkey`"
                : "has no private key in PEM that can be read",
            why);
    else if (SSL_CTX_use_PrivateKey(ssl, key) != 1) {
        snprintf(why, TLS_WHY, "the key in %.150s is not that of the certificate in %.150s", file,
                 certificate);
        e = TASKQ_USAGE;
    }
    EVP_PKEY_free(key);
    return e;
}

static enum taskq_error load_certificate(SSL_CTX *ssl, const char *file, const char *key, char why[TLS_WHY])
{
    if (file == NULL && key == NULL)
        return TASKQ_OK;
    if (file == NULL) {
        snprintf(why, TLS_WHY, "there is a key, but no certificate that it belongs to (TASKQ_CERT)");
        return TASKQ_USAGE;
    }
    if (access(file, R_OK) < 0)
        return unreadable("certificate", file, why);
    if (SSL_CTX_use_certificate_chain_file(ssl, file) != 1)
        return blame("certificate", file, "has no certificate in PEM that can be used", why);
    return load_key(ssl, file, key != NULL ? key : file, why);
}

// ---- the context

// What taskqd demands of its clients, they demand of it.
static void configure(SSL_CTX *ssl)
{
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    if (SSL_CTX_get_security_level(ssl) < 2)
        SSL_CTX_set_security_level(ssl, 2);
    SSL_CTX_set_options(ssl,
                        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                            SSL_OP_IGNORE_UNEXPECTED_EOF); // a line that was cut off is not taken anyway
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
}

static enum taskq_error load(const struct tls_context *c, SSL_CTX **out, char why[TLS_WHY])
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
    if (ssl == NULL) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(why, TLS_WHY, "TLS cannot be used: %s",
                 reason != NULL ? reason : "OpenSSL does not say why");
        return TASKQ_SYSTEM;
    }
    configure(ssl);
    enum taskq_error e = load_ca(ssl, c->options[TLS_CA], why);
    if (e == TASKQ_OK)
        e = load_certificate(ssl, c->options[TLS_CERT], c->options[TLS_KEY], why);
    ERR_clear_error();
    if (e != TASKQ_OK)
        SSL_CTX_free(ssl);
    else
        *out = ssl;
    return e;
}

static void stamp(const struct tls_context *c, struct stamp stamps[TLS_FILE_COUNT])
{
    memset(stamps, 0, TLS_FILE_COUNT * sizeof *stamps);
    for (size_t i = 0; i < TLS_FILE_COUNT; i++) {
        struct stat st;
        if (c->options[i] == NULL || stat(c->options[i], &st) < 0)
            continue;
        stamps[i].device = st.st_dev;
        stamps[i].inode = st.st_ino;
        stamps[i].changed = st.st_mtim;
    }
}

// Under the lock.
static void load_again(struct tls_context *c)
{
    struct stamp now[TLS_FILE_COUNT];
    char why[TLS_WHY];
    SSL_CTX *ssl;
    stamp(c, now);
    if (memcmp(now, c->stamps, sizeof now) == 0 || load(c, &ssl, why) != TASKQ_OK)
        return;
    SSL_CTX_free(c->ssl);
    c->ssl = ssl;
    memcpy(c->stamps, now, sizeof now);
}

static bool is_ip(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static const char *option_or_environment(const char *given, const char *variable)
{
    const char *value = given != NULL ? given : getenv(variable);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool copy_options(struct tls_context *c, const struct taskq_options *o, const char *host)
{
    const char *values[] = {
#define X(id, member, variable) option_or_environment(o->member, variable),
        TLS_OPTIONS(X)
#undef X
    };
    if (values[TLS_NAME] == NULL)
        values[TLS_NAME] = host;
    for (size_t i = 0; i < TLS_OPTION_COUNT; i++)
        if (values[i] != NULL && (c->options[i] = strdup(values[i])) == NULL)
            return false;
    // An interface (fe80::1%eth0) and the root's dot are part of where to go, not of the name.
    char *name = c->options[TLS_NAME];
    name[strcspn(name, "%")] = '\0';
    size_t len = strlen(name);
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    c->by_ip = is_ip(name);
    return true;
}

enum taskq_error tls_context_new(struct tls_context **out, const struct taskq_options *options,
                                 const char *host, char why[TLS_WHY])
{
    // Not cleaned up by OpenSSL at exit(): the renewing thread may still be at work then.
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
        snprintf(why, TLS_WHY, "TLS cannot be used: OpenSSL does not start");
        return TASKQ_SYSTEM;
    }
    struct tls_context *c = calloc(1, sizeof *c);
    if (c == NULL || !copy_options(c, options, host)) {
        tls_context_free(c);
        snprintf(why, TLS_WHY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
        return TASKQ_NO_MEMORY;
    }
    pthread_mutex_init(&c->lock, NULL);
    stamp(c, c->stamps); // before it is read: what is replaced meanwhile is read again
    enum taskq_error e = load(c, &c->ssl, why);
    if (e != TASKQ_OK)
        tls_context_free(c);
    else
        *out = c;
    return e;
}

void tls_context_free(struct tls_context *c)
{
    if (c == NULL)
        return;
    SSL_CTX_free(c->ssl);
    for (size_t i = 0; i < TLS_OPTION_COUNT; i++)
        free(c->options[i]);
    free(c);
}

static bool expect(SSL *ssl, const struct tls_context *c)
{
    const char *name = c->options[TLS_NAME];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (c->by_ip)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_context_ssl(struct tls_context *c)
{
    pthread_mutex_lock(&c->lock);
    load_again(c);
    SSL *ssl = SSL_new(c->ssl); // which counts its context
    pthread_mutex_unlock(&c->lock);
    if (ssl != NULL && !expect(ssl, c)) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}
