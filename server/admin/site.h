// What there is to be had with GET: whether the daemon lives and is ready, its metrics, the page's files.
//
// The HTTP thread.
#ifndef ADMIN_SITE_H
#define ADMIN_SITE_H

#include "common/buffer.h"
#include "server/admin/head.h"
#include "server/admin/response.h"

#include <stdbool.h>
#include <stddef.h>

struct access;
struct identity;

struct site {
    // NULL, or why no jobs can be put now: a sentence. Any thread.
    const char *(*why_not_ready)(void *context);
    // Appends the text that Prometheus reads; NULL: there is none. Any thread.
    void (*metrics)(void *context, struct buffer *out);
    void *context;
    bool metrics_open; // also to who has not said who it is
};

// Who asks: of interest where there are identities only.
struct site_client {
    const struct access *access; // NULL: everybody may do everything
    const struct identity *who;  // NULL: nobody
};

// Whether anybody may ask for this under any name of this machine, because nothing is said that is secret.
bool site_is_open(struct slice path);

// Answers. What the response points to that is not constant is in *content, which comes empty.
void site_answer(const struct site *site, const struct head *head, const struct site_client *client,
                 struct response *out, struct buffer *content);

// Answers OPTIONS, and refuses a method where only POST is allowed, or else GET and HEAD.
void site_only_allows(bool post, const struct head *head, struct response *out, struct buffer *content);

// Refuses for want of a token, or of a role.
void site_unauthorized(const char *text, struct response *out, struct buffer *content);

#define SITE_NO_STORE "Cache-Control: no-store\r\n"

#endif
