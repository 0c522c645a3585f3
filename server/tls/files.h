// PEM files, with a sentence for whatever is wrong with them. For tls.c. Any thread.
#ifndef TLS_FILES_H
#define TLS_FILES_H

#include <openssl/x509.h>
#include <stddef.h>

// Each reads all of a kind that the file has, at least one; the setting is named in `why`, which is one line.
// The result is to be freed. NULL: `why`.
STACK_OF(X509) * files_certificates(const char *setting, const char *path, char *why, size_t size);
STACK_OF(X509_CRL) * files_crls(const char *setting, const char *path, char *why, size_t size);

// A key that is not encrypted, in a file that only its owner may write to and not everybody may read.
EVP_PKEY *files_key(const char *setting, const char *path, char *why, size_t size);

// What OpenSSL says is wrong; its queue of errors is empty then.
const char *files_reason(void);

#endif
