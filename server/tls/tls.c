#include "server/tls/tls.h"

#include "server/tls/certificate.h"
#include "server/tls/files.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// What one reading of the files came to.
struct loaded {
    SSL_CTX *context;
    int64_t expires, crl_expires;
    unsigned client;
};

struct tls {
    pthread_mutex_t lock;
    struct loaded now; // under the lock; the context itself is counted and constant
};

// All ciphers are authenticated and forward secret. AES-128 comes first: nobody breaks it, and of those that
// processors help with it is the quickest; clients without such help prefer ChaCha20, and have it.
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS      "X25519:P-256:P-384"

__attribute__((format(printf, 2, 3))) static bool wrong(char why[TLS_WHY_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, TLS_WHY_MAX, format, args);
    va_end(args);
    return false;
}

// ---- the daemon's certificate

static bool check_dates(const X509 *certificate, const char *path, int64_t *expires, char *why)
{
    int64_t begins, now = time(NULL);
    char text[CERTIFICATE_TIME_MAX];
    if (!certificate_time(X509_get0_notBefore(certificate), &begins) ||
        !certificate_time(X509_get0_notAfter(certificate), expires))
        return wrong(why, "tls_certificate: %s has dates that cannot be read", path);
    if (now > *expires)
        return wrong(why, "tls_certificate: %s expired on %s; get a new one", path,
                     certificate_time_print(*expires, text));
    if (now < begins)
        return wrong(why, "tls_certificate: %s is not valid before %s; check this machine's clock", path,
                     certificate_time_print(begins, text));
    return true;
}

static bool use_certificate(struct loaded *l, const struct tls_files *f, STACK_OF(X509) * chain,
                            EVP_PKEY *key, char *why)
{
    X509 *own = sk_X509_value(chain, 0);
    if (!check_dates(own, f->certificate, &l->expires, why))
        return false;
    if (X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0) != 1)
        return wrong(why, "tls_certificate: %s is not for a server (its key usage says so); get one that is",
                     f->certificate);
    if (X509_check_private_key(own, key) != 1)
        return wrong(why,
                     "tls_key: %s is not the key of the certificate in %s; give the one it was made with",
                     f->key, f->certificate);
    if (SSL_CTX_use_certificate(l->context, own) != 1 || SSL_CTX_use_PrivateKey(l->context, key) != 1)
        return wrong(why, "tls_certificate: %s cannot be used: %s", f->certificate, files_reason());
    for (int i = 1; i < sk_X509_num(chain); i++)
        if (SSL_CTX_add1_chain_cert(l->context, sk_X509_value(chain, i)) != 1)
            return wrong(why, "tls_certificate: %s: certificate %d of it cannot be used: %s", f->certificate,
                         i + 1, files_reason());
    return true;
}

static bool load_certificate(struct loaded *l, const struct tls_files *f, char *why)
{
    if (!f->certificate || !f->key)
        return wrong(why, "tls_%s is not set: TLS takes a certificate and its key",
                     f->certificate ? "key" : "certificate");
    STACK_OF(X509) *chain = files_certificates("tls_certificate", f->certificate, why, TLS_WHY_MAX);
    EVP_PKEY *key = chain ? files_key("tls_key", f->key, why, TLS_WHY_MAX) : NULL;
    bool ok = key && use_certificate(l, f, chain, key, why);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    return ok;
}

// ---- clients' certificates

static bool load_client_ca(struct loaded *l, const char *path, char *why)
{
    STACK_OF(X509) *all = files_certificates("tls_client_ca", path, why, TLS_WHY_MAX);
    X509_STORE *store = SSL_CTX_get_cert_store(l->context);
    bool ok = all;
    for (int i = 0; ok && i < sk_X509_num(all); i++)
        ok = X509_STORE_add_cert(store, sk_X509_value(all, i)) == 1 &&
             SSL_CTX_add_client_CA(l->context, sk_X509_value(all, i)) == 1;
    if (all && !ok)
        wrong(why, "tls_client_ca: %s cannot be used: %s", path, files_reason());
    sk_X509_pop_free(all, X509_free);
    return ok;
}

static bool use_crl(struct loaded *l, X509_CRL *crl, const char *path, char *why)
{
    int64_t next;
    char text[CERTIFICATE_TIME_MAX];
    const ASN1_TIME *time_of_next = X509_CRL_get0_nextUpdate(crl);
    if (X509_STORE_add_crl(SSL_CTX_get_cert_store(l->context), crl) != 1)
        return wrong(why, "tls_client_crl: %s cannot be used: %s", path, files_reason());
    if (!time_of_next)
        return true;
    if (!certificate_time(time_of_next, &next))
        return wrong(why, "tls_client_crl: %s has dates that cannot be read", path);
    if (next < time(NULL))
        return wrong(
            why,
            "tls_client_crl: %s is out of date since %s, and no certificate can be trusted by it; get "
            "the present one from the CA",
            path, certificate_time_print(next, text));
    if (next < l->crl_expires)
        l->crl_expires = next;
    return true;
}

static bool load_crls(struct loaded *l, const char *path, char *why)
{
    STACK_OF(X509_CRL) *all = files_crls("tls_client_crl", path, why, TLS_WHY_MAX);
    bool ok = all;
    for (int i = 0; ok && i < sk_X509_CRL_num(all); i++)
        ok = use_crl(l, sk_X509_CRL_value(all, i), path, why);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(l->context), X509_V_FLAG_CRL_CHECK);
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return ok;
}

static bool load_clients(struct loaded *l, const struct tls_files *f, char *why)
{
    l->client = f->client;
    l->crl_expires = INT64_MAX;
    if (f->client == TLS_CLIENT_NONE && (f->client_ca || f->client_crl))
        return wrong(why,
                     "tls_client_%s is set, but clients are not asked for a certificate: set tls_client to "
                     "optional or required",
                     f->client_ca ? "ca" : "crl");
    if (f->client == TLS_CLIENT_NONE)
        return true;
    if (!f->client_ca)
        return wrong(why,
                     "tls_client asks for certificates, but tls_client_ca does not say who may issue them");
    // Who is named may issue them, also where another has certified him: that one may not then.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(l->context), X509_V_FLAG_PARTIAL_CHAIN);
    if (!load_client_ca(l, f->client_ca, why) || (f->client_crl && !load_crls(l, f->client_crl, why)))
        return false;
    SSL_CTX_set_verify(l->context,
                       SSL_VERIFY_PEER |
                           (f->client == TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    return true;
}

// ---- the context

// No ticket and no session is kept: connections last, and every one that is made proves by the present files
// who it is. So there is nothing either that would open what was recorded before.
static bool configure(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_security_level(c, 2);
    return SSL_CTX_set_num_tickets(c, 0) == 1 && SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, CIPHERS_1_2) == 1 && SSL_CTX_set_ciphersuites(c, CIPHERS_1_3) == 1 &&
           SSL_CTX_set1_groups_list(c, GROUPS) == 1;
}

static bool load(struct loaded *out, const struct tls_files *files, char *why)
{
    struct loaded l = {.context = SSL_CTX_new(TLS_server_method())};
    bool ok = l.context && configure(l.context);
    if (!ok)
        wrong(why, "TLS cannot be used: %s", files_reason());
    ok = ok && load_certificate(&l, files, why) && load_clients(&l, files, why);
    if (!ok)
        SSL_CTX_free(l.context);
    else
        *out = l;
    ERR_clear_error();
    return ok;
}

struct tls *tls_new(const struct tls_files *files, char why[TLS_WHY_MAX])
{
    struct tls *t = calloc(1, sizeof *t);
    wrong(why, "out of memory");
    if (!t || !load(&t->now, files, why)) {
        free(t);
        return NULL;
    }
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->now.context);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

bool tls_reload(struct tls *t, const struct tls_files *files, char why[TLS_WHY_MAX])
{
    struct loaded fresh;
    if (!load(&fresh, files, why))
        return false;
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->now.context;
    t->now = fresh;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return true;
}

// A copy whose context is to be freed.
static struct loaded take(struct tls *t)
{
    pthread_mutex_lock(&t->lock);
    struct loaded l = t->now;
    SSL_CTX_up_ref(l.context);
    pthread_mutex_unlock(&t->lock);
    return l;
}

SSL *tls_accepting(struct tls *t)
{
    struct loaded l = take(t);
    SSL *ssl = SSL_new(l.context);
    SSL_CTX_free(l.context);
    if (ssl)
        SSL_set_accept_state(ssl);
    else
        ERR_clear_error();
    return ssl;
}

int64_t tls_expires(struct tls *t)
{
    pthread_mutex_lock(&t->lock);
    int64_t expires = t->now.expires;
    pthread_mutex_unlock(&t->lock);
    return expires;
}

int64_t tls_crl_expires(struct tls *t)
{
    pthread_mutex_lock(&t->lock);
    int64_t expires = t->now.crl_expires;
    pthread_mutex_unlock(&t->lock);
    return expires;
}

// ---- looking at a client again

bool tls_is_current(struct tls *t, const SSL *ssl)
{
    pthread_mutex_lock(&t->lock);
    bool current = SSL_get_SSL_CTX(ssl) == t->now.context;
    pthread_mutex_unlock(&t->lock);
    return current;
}

static bool verify(SSL_CTX *context, X509 *certificate, STACK_OF(X509) * chain)
{
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    bool ok = v && X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(context), certificate, chain) == 1 &&
              X509_STORE_CTX_set_default(v, "ssl_client") == 1 && X509_verify_cert(v) == 1;
    X509_STORE_CTX_free(v);
    ERR_clear_error();
    return ok;
}

bool tls_still_trusted(struct tls *t, SSL *ssl)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    struct loaded l = take(t);
    bool ok = certificate ? verify(l.context, certificate, SSL_get_peer_cert_chain(ssl))
                          : l.client != TLS_CLIENT_REQUIRED;
    SSL_CTX_free(l.context);
    return ok;
}
