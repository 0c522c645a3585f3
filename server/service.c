#include "server/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS_MAX 64

static void open_notify(struct service *s, const char *path)
{
    size_t len = strlen(path);
    // `@` stands for the NUL byte with which an abstract address begins.
    if ((path[0] != '/' && path[0] != '@') || len >= sizeof s->address.sun_path)
        return;
    s->address.sun_family = AF_UNIX;
    memcpy(s->address.sun_path, path, len);
    if (path[0] == '@')
        s->address.sun_path[0] = '\0';
    s->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static unsigned count_sockets(const char *pid, const char *count)
{
    char *end;
    errno = 0;
    if (strtol(pid, &end, 10) != getpid() || *end)
        return 0; // they are another process's
    long n = strtol(count, &end, 10);
    return *end || errno || n < 0 || n > SOCKETS_MAX ? 0 : (unsigned)n;
}

// Names have a colon between.
static uint64_t which_are(const char *names, const char *name)
{
    uint64_t found = 0;
    for (unsigned i = 0; names && i < SOCKETS_MAX; i++) {
        size_t len = strcspn(names, ":");
        if (len == strlen(name) && strncmp(names, name, len) == 0)
            found |= (uint64_t)1 << i;
        names = names[len] ? names + len + 1 : NULL;
    }
    return found;
}

void service_open(struct service *s)
{
    const char *path = getenv("NOTIFY_SOCKET"), *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    *s = (struct service){.fd = -1};
    if (path)
        open_notify(s, path);
    if (pid && count)
        s->sockets = count_sockets(pid, count);
    s->tls = which_are(getenv("LISTEN_FDNAMES"), "tls");
    for (unsigned i = 0; i < s->sockets; i++)
        (void)fcntl((int)(SERVICE_SOCKETS_FIRST + i), F_SETFD, FD_CLOEXEC);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

void service_close(struct service *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void service_say(const struct service *s, const char *state)
{
    if (s->fd < 0)
        return;
    while (sendto(s->fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&s->address,
                  s->address_len) < 0 &&
           errno == EINTR)
        ;
}
