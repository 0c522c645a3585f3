#include "server/tls/files.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *files_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text ? text : "no reason is known";
}

// What reads one item: as the functions of OpenSSL, but for the type.
typedef void *read_item(BIO *in, void **into, pem_password_cb *ask, void *context);

// Nobody is there to type a password.
static int no_password(char *room, int size, int writing, void *context)
{
    (void)room, (void)size, (void)writing;
    *(bool *)context = true;
    return -1;
}

static BIO *open_file(const char *setting, const char *path, FILE **file, char *why, size_t size)
{
    struct stat st;
    if (!(*file = fopen(path, "re"))) {
        snprintf(why, size, "%s: %s cannot be read: %s", setting, path, strerror(errno));
        return NULL;
    }
    BIO *in = fstat(fileno(*file), &st) == 0 && S_ISREG(st.st_mode) ? BIO_new_fp(*file, BIO_NOCLOSE) : NULL;
    if (!in) {
        snprintf(why, size, "%s: %s is no file", setting, path);
        fclose(*file);
    }
    return in;
}

static void close_file(BIO *in, FILE *file)
{
    BIO_free(in);
    fclose(file);
}

// Reads items to the end, and hands them to `keep`, which takes them. False: `why`.
static bool read_all(const char *setting, const char *path, const char *what, read_item *read,
                     bool (*keep)(void *all, void *item), void *all, char *why, size_t size)
{
    FILE *file;
    BIO *in = open_file(setting, path, &file, why, size);
    bool encrypted = false, kept = true;
    unsigned count = 0;
    void *item;
    if (!in)
        return false;
    ERR_clear_error();
    while (kept && (item = read(in, NULL, no_password, &encrypted))) {
        kept = keep(all, item);
        count++;
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!kept)
        snprintf(why, size, "%s: out of memory", setting);
    else if (!at_end || count == 0)
        snprintf(why, size, "%s: %s %s%s", setting, path,
                 at_end ? "has no " : "cannot be read as PEM: ", at_end ? what : files_reason());
    ERR_clear_error();
    close_file(in, file);
    return kept && at_end && count > 0;
}

static void *read_certificate(BIO *in, void **into, pem_password_cb *ask, void *context)
{
    (void)into;
    return PEM_read_bio_X509_AUX(in, NULL, ask, context);
}

static bool keep_certificate(void *all, void *item)
{
    if (sk_X509_push(all, item) > 0)
        return true;
    X509_free(item);
    return false;
}

STACK_OF(X509) * files_certificates(const char *setting, const char *path, char *why, size_t size)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    snprintf(why, size, "%s: out of memory", setting);
    if (all && read_all(setting, path, "certificate in PEM (-----BEGIN CERTIFICATE-----)", read_certificate,
                        keep_certificate, all, why, size))
        return all;
    sk_X509_pop_free(all, X509_free);
    return NULL;
}

static void *read_crl(BIO *in, void **into, pem_password_cb *ask, void *context)
{
    (void)into;
    return PEM_read_bio_X509_CRL(in, NULL, ask, context);
}

static bool keep_crl(void *all, void *item)
{
    if (sk_X509_CRL_push(all, item) > 0)
        return true;
    X509_CRL_free(item);
    return false;
}

STACK_OF(X509_CRL) * files_crls(const char *setting, const char *path, char *why, size_t size)
{
    STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
    snprintf(why, size, "%s: out of memory", setting);
    if (all && read_all(setting, path, "revocation list in PEM (-----BEGIN X509 CRL-----)", read_crl,
                        keep_crl, all, why, size))
        return all;
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return NULL;
}

EVP_PKEY *files_key(const char *setting, const char *path, char *why, size_t size)
{
    FILE *file;
    struct stat st;
    bool encrypted = false;
    BIO *in = open_file(setting, path, &file, why, size);
    EVP_PKEY *key = NULL;
    if (!in)
        return NULL;
    ERR_clear_error();
    if (fstat(fileno(file), &st) < 0)
        snprintf(why, size, "%s: %s: %s", setting, path, strerror(errno));
    else if (st.st_mode & (S_IWGRP | S_IRWXO))
        snprintf(
            why, size,
            "%s: others can read or change %s; make it its user's alone: chmod 600, and a new key if others "
            "could read it for long",
            setting, path);
    else if (!(key = PEM_read_bio_PrivateKey(in, NULL, no_password, &encrypted)))
        snprintf(why, size, "%s: %s %s", setting, path,
                 encrypted ? "is encrypted, and nobody is there to type its password; store it without one"
                           : "has no private key in PEM (-----BEGIN PRIVATE KEY-----)");
    ERR_clear_error();
    close_file(in, file);
    return key;
}
