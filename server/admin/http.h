// HTTP/1.1 over the connections of a loop: GET for what server/admin/site.h has, POST /rpc for requests of
// the protocol, which go to the loop's dispatcher as those of any connection do.
//
// A connection has one request under way at a time; what a client sends behind it waits. A request that waits
// for a job keeps only its own connection waiting, and is taken back when that closes. The session is alone
// (server/rpc/session.h).
#ifndef ADMIN_HTTP_H
#define ADMIN_HTTP_H

#include "server/access/strangers.h"
#include "server/admin/site.h"
#include "server/net/connection.h"

#include <stddef.h>
#include <stdint.h>

struct http_config {
    struct site site;
    char *const *hosts; // names that the daemon goes by, next to localhost and addresses
    size_t host_count;
    unsigned connections; // that there may be
    uint64_t seed;        // chance
};

// Of one loop, whose thread alone uses it once it runs. It must not move.
struct http_server {
    struct wire wire; // what the loop is to be initialised with
    struct http_config config;
    struct buffer out, content; // of the response that is being written
    uint64_t bodies;            // bytes of requests that are being gathered
    struct strangers strangers; // of one address at most a share of the connections
    char crowded[512];
};

void http_server_init(struct http_server *s, const struct http_config *config);
void http_server_limit(struct http_server *s, unsigned connections); // any thread
void http_server_release(struct http_server *s);                     // when its loop is released

#endif
