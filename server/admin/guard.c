#include "server/admin/guard.h"

#include "server/admin/head.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

// Takes the port off. False: what stands there is no port.
static bool split(struct slice *host)
{
    const char *end = host->data + host->len, *from = host->data;
    if (host->len > 0 && *from == '[') {
        const char *bracket = memchr(from, ']', host->len);
        if (!bracket)
            return false;
        from = bracket;
    }
    const char *colon = memchr(from, ':', (size_t)(end - from));
    if (!colon)
        return true;
    for (const char *p = colon + 1; p < end; p++)
        if (*p < '0' || *p > '9')
            return false;
    host->len = (size_t)(colon - host->data);
    return true;
}

static bool is_address(struct slice host)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[16];
    bool six = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (six)
        host.data++, host.len -= 2;
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return strlen(text) == host.len && inet_pton(six ? AF_INET6 : AF_INET, text, address) == 1;
}

bool guard_host(struct slice host, char *const *names, size_t count)
{
    if (host.len == 0 || !split(&host))
        return false;
    if (is_address(host) || head_word(host, "localhost"))
        return true;
    for (size_t i = 0; i < count; i++)
        if (head_word(host, names[i]))
            return true;
    return false;
}

bool guard_origin(struct slice origin, struct slice site, struct slice host)
{
    if (site.len > 0 && !head_word(site, "same-origin") && !head_word(site, "none"))
        return false;
    if (origin.len == 0)
        return true;
    const char *at = memmem(origin.data, origin.len, "://", 3);
    if (!at)
        return false;
    struct slice from = {at + 3, origin.len - (size_t)(at + 3 - origin.data)};
    return from.len == host.len && strncasecmp(from.data, host.data, from.len) == 0;
}
