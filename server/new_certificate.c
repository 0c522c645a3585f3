#include "server/new_certificate.h"

#include "common/buffer.h"
#include "server/settings_table.h"
#include "server/tls/files.h"
#include "server/tls/issue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHY_MAX 512

// The files of the folder.
#define CA_CERTIFICATE "ca.pem"
#define CA_KEY         "ca.key"
#define CERTIFICATE    "taskqd.pem"
#define KEY            "taskqd.key"

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "taskqd: --new-certificate: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

// A group that may read what is there already may read what takes its place.
static bool give(int folder, const char *name, int fd, mode_t mode)
{
    struct stat there;
    if (fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(there.st_mode) &&
        (there.st_mode & S_IRGRP) && fchown(fd, (uid_t)-1, there.st_gid) == 0)
        mode |= S_IRGRP;
    return fchmod(fd, mode) == 0;
}

static bool write_pem(int folder, const char *name, mode_t mode, const X509 *certificate, const EVP_PKEY *key)
{
    char beside[32];
    snprintf(beside, sizeof beside, ".%s.new", name);
    (void)unlinkat(folder, beside, 0);
    int fd = openat(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok = certificate ? PEM_write_X509(f, certificate) == 1
                          : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    ok = fflush(f) == 0 && ok && give(folder, name, fd, mode) && fsync(fd) == 0;
    int error = errno;
    if (fclose(f) != 0 || !ok || renameat(folder, beside, folder, name) < 0) {
        errno = ok ? errno : error;
        return false;
    }
    return true;
}

// The key first: a certificate is never there without it.
static int write_pair(int folder, const struct issued *i, const char *certificate, const char *key)
{
    if (!write_pem(folder, key, 0600, NULL, i->key))
        return fail(key, strerror(errno));
    if (!write_pem(folder, certificate, 0644, i->certificate, NULL))
        return fail(certificate, strerror(errno));
    return EXIT_SUCCESS;
}

static int read_authority(const char *path, struct issued *out)
{
    char file[PATH_MAX + 16], why[WHY_MAX];
    snprintf(file, sizeof file, "%s/%s", path, CA_CERTIFICATE);
    STACK_OF(X509) *all = files_certificates("--new-certificate", file, why, sizeof why);
    snprintf(file, sizeof file, "%s/%s", path, CA_KEY);
    out->key = all ? files_key("--new-certificate", file, why, sizeof why) : NULL;
    out->certificate = out->key ? X509_dup(sk_X509_value(all, 0)) : NULL;
    sk_X509_pop_free(all, X509_free);
    if (!out->key) {
        fprintf(stderr, "taskqd: %s\n", why);
        return EXIT_FAILURE;
    }
    if (!out->certificate || X509_check_private_key(out->certificate, out->key) != 1)
        return fail(CA_KEY, "it is not the key of " CA_CERTIFICATE);
    return EXIT_SUCCESS;
}

static int make_authority(int folder, const char *host, struct issued *out)
{
    char name[64];
    snprintf(name, sizeof name, "taskq CA of %.48s", host);
    if (!issue_authority(name, out))
        return fail(CA_CERTIFICATE, files_reason());
    return write_pair(folder, out, CA_CERTIFICATE, CA_KEY);
}

static void print_setting(const char *name, const char *path, const char *file)
{
    char text[PATH_MAX + 16];
    const char *value = text;
    struct buffer quoted = BUFFER_INIT;
    snprintf(text, sizeof text, "%s/%s", path, file);
    setting_kind_text.write(NULL, &value, &quoted);
    printf("%s = %.*s\n", name, (int)quoted.len, quoted.len > 0 ? quoted.data : "");
    buffer_release(&quoted);
}

static int print(const char *path, bool made)
{
    print_setting("tls_certificate", path, CERTIFICATE);
    print_setting("tls_key", path, KEY);
    fprintf(
        stderr,
        "taskqd: %s/" CERTIFICATE " is valid for %d days: before that, the same command again and a reload.\n"
        "These lines are for the daemon's configuration, beside a `listen` with tls:; its user must be able "
        "to read the\n"
        "key. " CA_CERTIFICATE " is for the clients (--ca or TASKQ_CA)%s; whoever has " CA_KEY
        " can pass for the daemon,\n"
        "so keep it where only you can read it: it is needed for the next certificate alone.\n",
        path, ISSUE_DAEMON_DAYS, made ? "" : ", as before");
    if (fflush(stdout) == 0)
        return EXIT_SUCCESS;
    return fail("standard output", strerror(errno));
}

static int make(const char *path, int folder, char *const *hosts, size_t count)
{
    struct issued authority = {0}, daemon = {0};
    bool there = faccessat(folder, CA_CERTIFICATE, F_OK, 0) == 0;
    int status = there ? read_authority(path, &authority) : make_authority(folder, hosts[0], &authority);
    if (status == EXIT_SUCCESS && !issue_daemon(&authority, hosts, count, &daemon))
        status = fail(CERTIFICATE, files_reason());
    if (status == EXIT_SUCCESS)
        status = write_pair(folder, &daemon, CERTIFICATE, KEY);
    if (status == EXIT_SUCCESS)
        status = print(path, !there);
    issued_release(&authority);
    issued_release(&daemon);
    return status;
}

int new_certificate(const char *folder, char *const *hosts, size_t count)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < count; i++)
        if (!issue_host_is_fine(hosts[i])) {
            fprintf(stderr, "taskqd: --new-certificate: \"%s\" is neither a host's name nor an IP address\n",
                    hosts[i]);
            return 2;
        }
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return fail(folder, strerror(errno));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !realpath(folder, path))
        return fail(folder, strerror(errno));
    int status = make(path, fd, hosts, count);
    close(fd);
    return status;
}
