// Certificates made in the process, for tests: an authority, what it issues, and the daemon's files of it in
// a folder of their own.
#ifndef TESTS_UNIT_TLS_FIXTURE_H
#define TESTS_UNIT_TLS_FIXTURE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

// A certificate and its key.
struct tls_pair {
    X509 *certificate;
    EVP_PKEY *key;
};

// What a new certificate says; days from now. NULL: without.
struct tls_wish {
    const char *name, *names; // CN; subjectAltName, as "DNS:x,URI:y"
    const char *usage;        // extendedKeyUsage
    int begins, ends;         // 0, 0: from yesterday to tomorrow
    int rsa_bits;             // 0: a key on P-256
    bool authority;
};

// `by` NULL: by itself.
struct tls_pair tls_pair_new(const struct tls_wish *wish, const struct tls_pair *by);
void tls_pair_free(struct tls_pair *p);

// A list of those that are revoked, good for so many days from now.
X509_CRL *tls_crl_new(const struct tls_pair *by, X509 *const *revoked, unsigned count, int days);

// Files in a folder, which are removed by tls_folder_remove(). The path is valid until then.
void tls_folder_make(void);
void tls_folder_remove(void);
const char *tls_path(const char *name);
const char *tls_write_certificate(const char *name, X509 *certificate); // appends
const char *tls_write_key(const char *name, EVP_PKEY *key, const char *password);
const char *tls_write_crl(const char *name, X509_CRL *crl); // appends
const char *tls_write_text(const char *name, const char *text);

// A client's context that trusts `authority` and has `own`; either may be NULL.
SSL_CTX *tls_client_context(const struct tls_pair *authority, const struct tls_pair *own);

#endif
