#include "client/tls_fault.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PART_MAX 160 // bytes of a certificate's words in a sentence

static void append(char to[PART_MAX], const char *bytes, size_t len)
{
    size_t at = strlen(to);
    for (size_t i = 0; i < len && at < PART_MAX - 1; i++)
        to[at++] = bytes[i];
    to[at] = '\0';
    for (char *c = to; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

static void append_name(char to[PART_MAX], const GENERAL_NAME *name)
{
    char address[INET6_ADDRSTRLEN] = "";
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const unsigned char *bytes;
    if (type != GEN_DNS && type != GEN_IPADD)
        return;
    bytes = ASN1_STRING_get0_data(value);
    int len = ASN1_STRING_length(value);
    if (to[0] != '\0')
        append(to, ", ", 2);
    if (type == GEN_DNS)
        append(to, (const char *)bytes, (size_t)len);
    else if ((len == 4 || len == 16) &&
             inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address) != NULL)
        append(to, address, strlen(address));
}

static void names_of(X509 *certificate, char names[PART_MAX])
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    names[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
        append_name(names, sk_GENERAL_NAME_value(all, i));
    GENERAL_NAMES_free(all);
}

static void subject_of(const X509_NAME *name, char text[PART_MAX])
{
    char line[PART_MAX];
    text[0] = '\0';
    if (X509_NAME_oneline(name, line, sizeof line) != NULL)
        append(text, line, strlen(line));
}

static void date_of(const ASN1_TIME *time, char text[PART_MAX])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(text, PART_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(text, PART_MAX, "a date that cannot be read");
}

static void wrong_name(X509 *certificate, const struct tls_context *c, char why[TLS_WHY])
{
    char names[PART_MAX];
    names_of(certificate, names);
    if (names[0] == '\0')
        snprintf(why, TLS_WHY,
                 "its certificate names no host, and so not %.120s: it needs one with that as a subject "
                 "alternative name",
                 tls_context_name(c));
    else
        snprintf(why, TLS_WHY,
                 "its certificate is for %s and not for %.120s: connect to a name that it has, or say "
                 "which one it must have (TASKQ_TLS_NAME)",
                 names, tls_context_name(c));
}

static void untrusted(X509 *certificate, const struct tls_context *c, char why[TLS_WHY])
{
    char issuer[PART_MAX];
    const char *ca = tls_context_ca(c);
    subject_of(X509_get_issuer_name(certificate), issuer);
    if (ca == NULL)
        snprintf(why, TLS_WHY,
                 "its certificate is issued by %s, which this system does not trust: if you do, name a "
                 "file with that CA's certificate (TASKQ_CA)",
                 issuer);
    else
        snprintf(why, TLS_WHY, "its certificate is issued by %s, and not by a CA of %.120s", issuer, ca);
}

void tls_fault_certificate(X509_STORE_CTX *store, const struct tls_context *c, char why[TLS_WHY])
{
    int error = X509_STORE_CTX_get_error(store);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    const char *whose =
        X509_STORE_CTX_get_error_depth(store) == 0 ? "its certificate" : "its certificate's CA";
    char date[PART_MAX];
    if (certificate == NULL)
        error = X509_V_ERR_UNSPECIFIED;
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        wrong_name(certificate, c, why);
        return;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        untrusted(certificate, c, why);
        return;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        date_of(X509_get0_notAfter(certificate), date);
        snprintf(why, TLS_WHY, "%s expired on %s: the daemon needs a new one", whose, date);
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        date_of(X509_get0_notBefore(certificate), date);
        snprintf(why, TLS_WHY, "%s is not valid before %s: is this machine's clock right?", whose, date);
        return;
    default:
        snprintf(why, TLS_WHY, "%s is not accepted: %s", whose, X509_verify_cert_error_string(error));
    }
}

// What OpenSSL's reasons mean here, alerts of the other side among them.
static const struct {
    int reason;
    bool refused; // it did not accept who this is
    const char *text;
} reasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, false,
     "it is not TLS that is spoken there: have taskqd listen with TLS at that port, or leave out taskqs:// "
     "if "
     "plain text will do"},
    {SSL_R_HTTP_REQUEST, false, "it is not TLS that is spoken there, but HTTP"},
    {SSL_R_UNSUPPORTED_PROTOCOL, false, "it speaks no TLS that is new enough: 1.2 at least"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, false, "it speaks no version of TLS that this does: 1.2 or 1.3"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, true,
     "it does not go on: it may want a certificate of this client (TASKQ_CERT, TASKQ_KEY), or there is no "
     "cipher that both take"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, true,
     "it wants a certificate of this client: name it and its key (TASKQ_CERT, TASKQ_KEY)"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, true,
     "it does not trust who issued this client's certificate: its tls_client_ca must have that CA"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, true,
     "this client's certificate has expired: it needs a new one"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, true, "this client's certificate has been revoked"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, true, "it does not accept this client's certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, true,
     "it does not accept this client's certificate: is it for clients (its extended key usage)?"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, true, "it does not accept this client's certificate"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, true, "it lets nobody in with this client's certificate"},
};

bool tls_fault_reason(unsigned long error, char why[TLS_WHY])
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reasons[i].reason) {
            snprintf(why, TLS_WHY, "%s", reasons[i].text);
            return reasons[i].refused;
        }
    const char *reason = ERR_reason_error_string(error);
    snprintf(why, TLS_WHY, "TLS failed: %s", reason != NULL ? reason : "OpenSSL does not say why");
    return false;
}
