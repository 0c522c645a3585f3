#include "server/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIX_PREFIX "unix:"
#define PATH_ROOM   sizeof((struct sockaddr_un *)0)->sun_path

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool check_path(const char *path, char *why, size_t why_size)
{
    size_t len = strlen(path);
    if (len > 0 && len < PATH_ROOM)
        return true;
    snprintf(why, why_size, "a socket's path has 1 to %zu bytes", PATH_ROOM - 1);
    return false;
}

static bool parse_path(const char *path, struct address *out, char *why, size_t why_size)
{
    size_t len = strlen(path);
    if (!check_path(path, why, why_size))
        return false;
    memset(out, 0, sizeof *out);
    out->at.unix_path.sun_family = AF_UNIX;
    memcpy(out->at.unix_path.sun_path, path, len + 1);
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return true;
}

// Splits HOST:PORT; brackets around an IPv6 address go.
static bool split(const char *text, char host[256], char port[6])
{
    const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
    if (!colon || strlen(colon + 1) < 1 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return false;
    if (*text == '[') {
        if (end[-1] != ']')
            return false;
        begin++;
        end--;
    } else if (memchr(text, ':', (size_t)(colon - text))) {
        return false; // an IPv6 address needs its brackets
    }
    if (end <= begin || end - begin > 255)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    strcpy(port, colon + 1);
    return true;
}

#define FORM "an address is written HOST:PORT, [IPV6]:PORT or unix:PATH"

const char *address_without_tls(const char *text, bool *tls)
{
    *tls = starts_with(text, ADDRESS_TLS_PREFIX);
    return *tls ? text + strlen(ADDRESS_TLS_PREFIX) : text;
}

bool address_check(const char *text, char *why, size_t why_size)
{
    char host[256], port[6];
    bool tls;
    text = address_without_tls(text, &tls);
    if (!starts_with(text, UNIX_PREFIX)) {
        snprintf(why, why_size, FORM);
        return split(text, host, port);
    }
    if (tls)
        snprintf(why, why_size, "a Unix socket takes no TLS: nothing leaves the machine; leave out tls:");
    return !tls && check_path(text + strlen(UNIX_PREFIX), why, why_size);
}

bool address_parse(const char *text, struct address *out, unsigned *count, char *why, size_t why_size)
{
    char host[256], port[6];
    *count = 0;
    if (starts_with(text, UNIX_PREFIX)) {
        *count = 1;
        return parse_path(text + strlen(UNIX_PREFIX), out, why, why_size);
    }
    if (!split(text, host, port)) {
        snprintf(why, why_size, "%.100s: " FORM, text);
        return false;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error) {
        snprintf(why, why_size, "%s is no address: %s", host, gai_strerror(error));
        return false;
    }
    for (struct addrinfo *i = found; i && *count < ADDRESSES_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof out->at)
            continue;
        struct address *a = &out[(*count)++];
        memset(a, 0, sizeof *a);
        memcpy(&a->at, i->ai_addr, i->ai_addrlen);
        a->len = i->ai_addrlen;
    }
    freeaddrinfo(found);
    if (*count == 0)
        snprintf(why, why_size, "%s has no address", host);
    return *count > 0;
}

bool address_is_local(const struct address *a)
{
    switch (a->at.any.sa_family) {
    case AF_UNIX:
        return true;
    case AF_INET: {
        struct sockaddr_in in;
        memcpy(&in, &a->at, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    case AF_INET6: {
        struct sockaddr_in6 in;
        memcpy(&in, &a->at, sizeof in);
        return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr) && in.sin6_addr.s6_addr[12] == 127);
    }
    default:
        return false;
    }
}

void address_print(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    if (a->at.any.sa_family == AF_UNIX) {
        snprintf(text, ADDRESS_TEXT_MAX, "unix:%s", a->at.unix_path.sun_path);
    } else if (a->at.any.sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &a->at, sizeof in);
        inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(in.sin6_port));
    } else {
        struct sockaddr_in in;
        memcpy(&in, &a->at, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(in.sin_port));
    }
}
