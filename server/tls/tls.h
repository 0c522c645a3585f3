// The daemon's side of TLS: a certificate, its key and whom to trust, read from files, from which every new
// TLS connection begins. Others may take their place at any time; connections that are there keep what they
// began with.
//
// Any thread may call all of this, at any time between tls_new() and tls_free().
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_WHY_MAX 512

// Whether clients are asked for a certificate: the words of the setting tls_client.
#define TLS_CLIENTS "none optional required"
enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

// Files in PEM; they are only read while a function runs that is given this.
struct tls_files {
    const char *certificate; // the daemon's, then those between it and its CA's
    const char *key;         // of it, not encrypted
    const char *client_ca;   // who may issue clients' certificates; NULL: none
    const char *client_crl;  // lists of revoked ones; NULL: none is looked at
    unsigned client;         // enum tls_client
};

struct tls;

// What is wrong with the files is told in `why`: one line that names the setting and the file and says what
// to do. NULL: that, or no memory.
struct tls *tls_new(const struct tls_files *files, char why[TLS_WHY_MAX]);
void tls_free(struct tls *t); // connections may still be there; NULL is fine

// Takes other files, or the same ones with other contents, for new connections. False: `why`, and nothing has
// changed.
bool tls_reload(struct tls *t, const struct tls_files *files, char why[TLS_WHY_MAX])
    __attribute__((warn_unused_result));

// The server's side of a new connection, in accept state and without a socket; the caller frees it. NULL: no
// memory.
SSL *tls_accepting(struct tls *t);

// When the first of the certificates that are sent ends; when the first of the lists of revoked ones is out
// of date (INT64_MAX: there is none). Unix time in seconds.
int64_t tls_expires(struct tls *t);
int64_t tls_crl_expires(struct tls *t);

// Whether it began with the present files.
bool tls_is_current(struct tls *t, const SSL *ssl);

// Whether a certificate with which a client was let in would be today: it has not expired, been revoked, or
// its CA been taken from the files since. Without one: true, unless it is required now.
bool tls_still_trusted(struct tls *t, SSL *ssl);

#endif
