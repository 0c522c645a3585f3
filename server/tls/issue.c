#include "server/tls/issue.h"

#include "common/buffer.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/x509v3.h>
#include <string.h>

#define DAY             (24 * 60 * 60L)
#define SERIAL_BITS     127
#define HOST_MAX        253
#define COMMON_NAME_MAX 64

void issued_release(struct issued *i)
{
    X509_free(i->certificate);
    EVP_PKEY_free(i->key);
    *i = (struct issued){0};
}

static bool is_ip(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

bool issue_host_is_fine(const char *host)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (is_ip(host))
        return true;
    if (strncmp(host, "*.", 2) == 0)
        host += 2;
    size_t len = strlen(host);
    return len > 0 && len <= HOST_MAX && strspn(host, letters) == len && host[0] != '.' && host[0] != '-' &&
           strstr(host, "..") == NULL && host[len - 1] != '.';
}

static bool extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_serial(X509 *x)
{
    BIGNUM *n = BN_new();
    bool ok = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

// A key, and a certificate for it that is not signed yet. Valid from a day ago, for clocks that are slow.
static bool begin(const char *name, int days, const X509 *issuer, struct issued *out)
{
    *out = (struct issued){.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    X509 *x = out->certificate;
    X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;
    return subject && out->key && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(x), days * DAY) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject) == 1 &&
           X509_set_pubkey(x, out->key) == 1;
}

static bool finish(bool ok, EVP_PKEY *signer, struct issued *out)
{
    ok = ok && X509_sign(out->certificate, signer, EVP_sha256()) > 0;
    if (!ok)
        issued_release(out);
    return ok;
}

bool issue_authority(const char *name, struct issued *out)
{
    bool ok = begin(name, ISSUE_CA_DAYS, NULL, out);
    X509 *x = out->certificate;
    ok = ok && extend(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
         extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         extend(x, x, NID_subject_key_identifier, "hash");
    return finish(ok, out->key, out);
}

static bool name_hosts(struct buffer *b, char *const *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *kind = is_ip(hosts[i]) ? "IP:" : "DNS:";
        if (i > 0)
            buffer_append(b, ",", 1);
        buffer_append(b, kind, strlen(kind));
        buffer_append(b, hosts[i], strlen(hosts[i]));
    }
    buffer_append(b, "", 1);
    return !b->failed;
}

bool issue_daemon(const struct issued *authority, char *const *hosts, size_t count, struct issued *out)
{
    struct buffer names = BUFFER_INIT;
    X509 *issuer = authority->certificate;
    const char *name = strlen(hosts[0]) <= COMMON_NAME_MAX ? hosts[0] : "taskqd";
    bool ok = begin(name, ISSUE_DAEMON_DAYS, issuer, out) && name_hosts(&names, hosts, count);
    X509 *x = out->certificate;
    ok = ok && extend(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         extend(x, issuer, NID_key_usage, "critical,digitalSignature") &&
         extend(x, issuer, NID_ext_key_usage, "serverAuth") &&
         extend(x, issuer, NID_subject_key_identifier, "hash") &&
         extend(x, issuer, NID_authority_key_identifier, "keyid") &&
         extend(x, issuer, NID_subject_alt_name, names.data);
    buffer_release(&names);
    return finish(ok, authority->key, out);
}
