// What certificates say. Any thread.
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The name by which the configuration knows who has this certificate: the common name (CN) of its subject;
// where the subject has none, the first DNS name, else URI, else e-mail address among its alternative names.
// NUL-terminated, to be freed. NULL: there is none, it is not one (it has a NUL byte or several CNs), or no
// memory.
char *certificate_name(const X509 *certificate);

// The name of the certificate with which the other end has proved who it is. NULL: it has none.
char *certificate_peer_name(SSL *ssl);

// Unix time in seconds. False: it cannot be read.
bool certificate_time(const ASN1_TIME *time, int64_t *out);

// As "2030-01-31 12:00 UTC".
#define CERTIFICATE_TIME_MAX 40
const char *certificate_time_print(int64_t time, char text[CERTIFICATE_TIME_MAX]);

#endif
