#include "server/tls/certificate.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A copy as UTF-8. NULL: it has a NUL byte, is empty, or there is no memory.
static char *text_of(const ASN1_STRING *string)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, string);
    char *copy = len > 0 && strlen((const char *)utf8) == (size_t)len ? strdup((const char *)utf8) : NULL;
    OPENSSL_free(utf8);
    return copy;
}

static char *alternative_name(const GENERAL_NAMES *names, int type)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int has;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &has);
        if (has == type) // all of the types that are asked for are strings
            return text_of(value);
    }
    return NULL;
}

char *certificate_name(const X509 *certificate)
{
    static const int types[] = {GEN_DNS, GEN_URI, GEN_EMAIL};
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0)
        return X509_NAME_get_index_by_NID(subject, NID_commonName, at) < 0
                   ? text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))
                   : NULL;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char *name = NULL;
    for (size_t i = 0; names && !name && i < sizeof types / sizeof *types; i++)
        name = alternative_name(names, types[i]);
    GENERAL_NAMES_free(names);
    return name;
}

char *certificate_peer_name(SSL *ssl)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    return certificate && SSL_get_verify_result(ssl) == X509_V_OK ? certificate_name(certificate) : NULL;
}

bool certificate_time(const ASN1_TIME *time, int64_t *out)
{
    struct tm tm;
    if (!time || !ASN1_TIME_to_tm(time, &tm))
        return false;
    *out = (int64_t)timegm(&tm);
    return true;
}

const char *certificate_time_print(int64_t time, char text[CERTIFICATE_TIME_MAX])
{
    time_t seconds = (time_t)time;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(text, CERTIFICATE_TIME_MAX, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(text, CERTIFICATE_TIME_MAX, "%lld", (long long)time);
    return text;
}
