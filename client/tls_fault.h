// What is wrong with a TLS connection, as a sentence that says what to do. Of the other side's certificate
// only printable ASCII is repeated: it is not known yet whose words these are.
#ifndef CLIENT_TLS_FAULT_H
#define CLIENT_TLS_FAULT_H

#include "client/tls_context.h"

// From within a verification: why the certificate is not accepted.
void tls_fault_certificate(X509_STORE_CTX *store, const struct tls_context *c, char why[TLS_WHY]);

// From OpenSSL's error. True: the other side did not accept who this is.
bool tls_fault_reason(unsigned long error, char why[TLS_WHY]);

#endif
