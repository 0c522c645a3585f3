#include "client/token.h"

#include "client/secret_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum taskq_error fail(char why[TOKEN_WHY], const char *file, const char *what)
{
    secret_file_blame("token", file, what, why);
    return TASKQ_USAGE;
}

static bool looks_fine(const char *token, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    return len >= 1 && len <= TOKEN_MAX;
}

static enum taskq_error keep(const char *text, size_t len, char **token, char why[TOKEN_WHY])
{
    *token = strndup(text, len);
    if (*token == NULL)
        snprintf(why, TOKEN_WHY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    return *token == NULL ? TASKQ_NO_MEMORY : TASKQ_OK;
}

static enum taskq_error read_open(const char *file, int fd, char **token, char why[TOKEN_WHY])
{
    char text[TOKEN_MAX + 3] = ""; // its longest line with its end, and a NUL
    size_t len = 0;
    for (ssize_t n = 1; n > 0 && len<sizeof text - 1; len += n> 0 ? (size_t)n : 0)
        if ((n = read(fd, text + len, sizeof text - 1 - len)) < 0 && errno != EINTR)
            return fail(why, file, strerror(errno));
    size_t line = strcspn(text, "\r\n");
    enum taskq_error e = looks_fine(text, line) ? keep(text, line, token, why)
                                                : fail(why, file, "has no token on its first line");
    explicit_bzero(text, sizeof text);
    return e;
}

static enum taskq_error read_file(const char *file, char **token, char why[TOKEN_WHY])
{
    int fd = secret_file_open("token", file, why);
    if (fd < 0)
        return TASKQ_USAGE;
    enum taskq_error e = read_open(file, fd, token, why);
    close(fd);
    return e;
}

enum taskq_error token_find(const char *file, char **token, char why[TOKEN_WHY])
{
    const char *text = getenv("TASKQ_TOKEN"), *named = getenv("TASKQ_TOKEN_FILE");
    *token = NULL;
    if (file != NULL)
        return read_file(file, token, why);
    if (text != NULL && text[0] != '\0') {
        if (looks_fine(text, strlen(text)))
            return keep(text, strlen(text), token, why);
        snprintf(why, TOKEN_WHY, "what TASKQ_TOKEN has is no token");
        return TASKQ_USAGE;
    }
    return named != NULL && named[0] != '\0' ? read_file(named, token, why) : TASKQ_OK;
}

void token_drop(char *token)
{
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    free(token);
}
