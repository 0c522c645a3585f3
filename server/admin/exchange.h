// What is under way on one connection that speaks HTTP: a request, and how it is answered. For the files of
// HTTP only.
//
// The HTTP thread.
#ifndef ADMIN_EXCHANGE_H
#define ADMIN_EXCHANGE_H

#include "common/error.h"
#include "server/admin/body.h"
#include "server/admin/head.h"
#include "server/admin/http.h"
#include "server/admin/response.h"
#include "server/net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity;

enum http_state {
    HTTP_HEAD, // of the next request, or between two
    HTTP_BODY,
    HTTP_ASKING,  // the dispatcher has the request
    HTTP_RESTING, // its token is nobody's
};

struct http {
    struct connection connection;
    const struct identity *peer; // who the other end is without a token
    enum http_state state;
    bool begun; // something of the request has come
    bool close; // after this request
    bool old;   // HTTP/1.0
    bool bare;  // the response is to have no content: HEAD
    size_t scanned;
    struct body coding;
    struct buffer body;
    size_t given; // to the dispatcher
};

static inline struct http_server *http_server_of(const struct http *h)
{
    return (struct http_server *)(uintptr_t)connection_loop(&h->connection)->wire; // its first member
}

// An empty buffer for what a response is made of; it is the same for all.
struct buffer *exchange_content(struct http *h);

// Answers, and ends the request. `promise`: it leaves only once that is kept; 0: at once.
void exchange_respond(struct http *h, const struct response *r, uint64_t promise);

// Refuses a request that is not read to its end: nothing behind it could be understood, so the connection
// ends with it. `text` as for response_error().
void exchange_refuse(struct http *h, unsigned status, enum error error, const char *text);
void exchange_refuse_unauthorized(struct http *h, const char *text);

// Sets who the request is from. False: it may not go on, and is told so, perhaps in a while: what it gave is
// nobody's token, or its identity has all the connections that it may have.
bool exchange_identify(struct http *h, const struct head *head);

// How long the connection may be there between two requests, in ms.
int64_t exchange_idle_ms(const struct http *h);

void exchange_forget_body(struct http *h);

#endif
