// Certificates of one's own: an authority, and what it issues for a daemon. Any thread.
#ifndef TLS_ISSUE_H
#define TLS_ISSUE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define ISSUE_CA_DAYS     3650
#define ISSUE_DAEMON_DAYS 365

// A certificate and its key. Zero: none.
struct issued {
    X509 *certificate;
    EVP_PKEY *key;
};
void issued_release(struct issued *i);

// What the daemon's clients call a host by: a DNS name (with *. before it: of all hosts in it), or an IP
// address.
bool issue_host_is_fine(const char *host);

// An authority that can issue nothing but certificates of this kind. False: OpenSSL, or no memory.
bool issue_authority(const char *name, struct issued *out) __attribute__((warn_unused_result));

// A server's certificate for these hosts, 1 at least.
bool issue_daemon(const struct issued *authority, char *const *hosts, size_t count, struct issued *out)
    __attribute__((warn_unused_result));

#endif
