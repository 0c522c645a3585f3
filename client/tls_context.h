// What the TLS connections of a handle are made with: whom they trust, and who they say that they are.
//
// Any thread may use a context that is made; only the renewing thread and the caller's do.
#ifndef CLIENT_TLS_CONTEXT_H
#define CLIENT_TLS_CONTEXT_H

#include "client/secret_file.h"
#include "client/taskq.h"

#include <openssl/ssl.h>

#define TLS_WHY SECRET_FILE_WHY

struct tls_context;

// Reads the files that the options name, or the environment where they name none. `host`: what is connected
// to, so what the certificate must be for where nothing else is said. Errors, with a sentence in `why`:
// TASKQ_USAGE, TASKQ_SYSTEM, TASKQ_NO_MEMORY.
enum taskq_error tls_context_new(struct tls_context **out, const struct taskq_options *options,
                                 const char *host, char why[TLS_WHY]);
void tls_context_free(struct tls_context *c); // after its connections; NULL is fine

// Whether an option says something about TLS, which only an address with taskqs:// can follow.
bool tls_options_given(const struct taskq_options *options);

// A new connection, which verifies the other side's certificate and name. Files that were replaced since are
// read again, so that it has what is valid now; where that cannot be, it has what was read before. The caller
// frees it. NULL: no memory.
SSL *tls_context_ssl(struct tls_context *c);

// For sentences: what the certificate must be for; the file with the CAs that are trusted, NULL: the
// system's.
const char *tls_context_name(const struct tls_context *c);
const char *tls_context_ca(const struct tls_context *c);

#endif
