#include "tests/unit/tls_fixture.h"

#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY (24 * 60 * 60)

// Also for programs that Check does not run.
static void must_hold(bool holds, int line, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line, what);
    abort();
}
#define must(condition) must_hold(condition, __LINE__, #condition)

// ---- certificates

static void extend(X509 *x, const X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    if (!value)
        return;
    X509V3_set_ctx(&context, (X509 *)(uintptr_t)issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    must(e);
    must(X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

struct tls_pair tls_pair_new(const struct tls_wish *w, const struct tls_pair *by)
{
    static long serial = 1;
    struct tls_pair p = {.certificate = X509_new(),
                         .key = w->rsa_bits ? EVP_RSA_gen((unsigned)w->rsa_bits) : EVP_EC_gen("P-256")};
    must(p.certificate && p.key);
    const struct tls_pair *issuer = by ? by : &p;
    bool usual = w->begins == 0 && w->ends == 0;
    X509_set_version(p.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(p.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(p.certificate), (usual ? -1 : w->begins) * (long)DAY);
    X509_gmtime_adj(X509_getm_notAfter(p.certificate), (usual ? 1 : w->ends) * (long)DAY);
    X509_NAME *subject = X509_get_subject_name(p.certificate);
    if (w->name)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)w->name, -1, -1, 0);
    X509_set_issuer_name(p.certificate, X509_get_subject_name(issuer->certificate));
    X509_set_pubkey(p.certificate, p.key);
    extend(p.certificate, issuer->certificate, NID_basic_constraints,
           w->authority ? "critical,CA:TRUE" : NULL);
    extend(p.certificate, issuer->certificate, NID_subject_alt_name, w->names);
    extend(p.certificate, issuer->certificate, NID_ext_key_usage, w->usage);
    must(X509_sign(p.certificate, issuer->key, EVP_sha256()) > 0);
    return p;
}

void tls_pair_free(struct tls_pair *p)
{
    X509_free(p->certificate);
    EVP_PKEY_free(p->key);
    *p = (struct tls_pair){0};
}

X509_CRL *tls_crl_new(const struct tls_pair *by, X509 *const *revoked, unsigned count, int days)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = X509_gmtime_adj(NULL, -2 * (long)DAY);
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(by->certificate));
    X509_CRL_set1_lastUpdate(crl, time);
    for (unsigned i = 0; i < count; i++) {
        X509_REVOKED *r = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked[i]));
        X509_REVOKED_set_revocationDate(r, time);
        X509_CRL_add0_revoked(crl, r);
    }
    X509_CRL_set1_nextUpdate(crl, X509_gmtime_adj(time, days * (long)DAY));
    ASN1_TIME_free(time);
    must(X509_CRL_sign(crl, by->key, EVP_sha256()) > 0);
    return crl;
}

// ---- files

#define PATHS_MAX 64
static char folder[] = "/tmp/taskq-tlsXXXXXX", paths[PATHS_MAX][200];
static unsigned path_count;

void tls_folder_make(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    must(mkdtemp(folder));
    path_count = 0;
}

void tls_folder_remove(void)
{
    for (unsigned i = 0; i < path_count; i++)
        unlink(paths[i]);
    rmdir(folder);
}

const char *tls_path(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (unsigned i = 0; i < path_count; i++)
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    must(path_count < PATHS_MAX);
    return strcpy(paths[path_count++], path);
}

static FILE *open_file(const char *name, const char *mode)
{
    mode_t mask = umask(077);
    FILE *f = fopen(tls_path(name), mode);
    umask(mask);
    must(f);
    return f;
}

const char *tls_write_certificate(const char *name, X509 *certificate)
{
    FILE *f = open_file(name, "ae");
    must(PEM_write_X509(f, certificate) == 1);
    fclose(f);
    return tls_path(name);
}

const char *tls_write_key(const char *name, EVP_PKEY *key, const char *password)
{
    FILE *f = open_file(name, "we");
    must(PEM_write_PrivateKey(f, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                              (void *)(uintptr_t)password) == 1);
    fclose(f);
    return tls_path(name);
}

const char *tls_write_crl(const char *name, X509_CRL *crl)
{
    FILE *f = open_file(name, "ae");
    must(PEM_write_X509_CRL(f, crl) == 1);
    fclose(f);
    return tls_path(name);
}

const char *tls_write_text(const char *name, const char *text)
{
    FILE *f = open_file(name, "we");
    must(fputs(text, f) >= 0);
    fclose(f);
    return tls_path(name);
}

// ---- the other end

SSL_CTX *tls_client_context(const struct tls_pair *authority, const struct tls_pair *own)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    must(c);
    if (authority) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(c), authority->certificate);
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    }
    if (own) {
        must(SSL_CTX_use_certificate(c, own->certificate) == 1);
        must(SSL_CTX_use_PrivateKey(c, own->key) == 1);
    }
    return c;
}
