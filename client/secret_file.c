#include "client/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void secret_file_blame(const char *what, const char *file, const char *wrong, char why[SECRET_FILE_WHY])
{
    snprintf(why, SECRET_FILE_WHY, "the %s file %.250s %s", what, file, wrong);
}

static bool is_kept(const char *what, const char *file, int fd, char why[SECRET_FILE_WHY])
{
    char wrong[160];
    struct stat st;
    if (fstat(fd, &st) < 0) {
        secret_file_blame(what, file, strerror(errno), why);
        return false;
    }
    if (!S_ISREG(st.st_mode) || !(st.st_mode & (S_IWGRP | S_IRWXO)))
        return true;
    snprintf(wrong, sizeof wrong,
             "can be read or changed by others: chmod 600 it, and take another %s if they may have", what);
    secret_file_blame(what, file, wrong, why);
    return false;
}

int secret_file_open(const char *what, const char *file, char why[SECRET_FILE_WHY])
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        char wrong[180];
        snprintf(wrong, sizeof wrong, "cannot be opened: %s", strerror(errno));
        secret_file_blame(what, file, wrong, why);
        return -1;
    }
    if (is_kept(what, file, fd, why))
        return fd;
    close(fd);
    return -1;
}
