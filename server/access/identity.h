// Who may do what: identities with their grants, and how a client is told to be one of them.
//
// Made from the configuration, constant then: any thread may look things up.
#ifndef ACCESS_IDENTITY_H
#define ACCESS_IDENTITY_H

#include "common/buffer.h"
#include "common/slice.h"
#include "server/access/quota.h"
#include "server/access/role.h"
#include "server/access/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How a client is known: the word is its section's in the configuration.
#define IDENTITY_KINDS(X)                                                                                    \
    X(TOKEN, "token", "a client that has a token")                                                           \
    X(USER, "user", "programs of a user of this machine, over a Unix socket")                                \
    X(GROUP, "group", "programs of the members of a group of this machine, over a Unix socket")              \
    X(CERTIFICATE, "certificate", "a client whose TLS certificate bears this name")

enum identity_kind {
#define X(constant, name, text) IDENTITY_##constant,
    IDENTITY_KINDS(X)
#undef X
        IDENTITY_KIND_COUNT
};

// The settings of a token's section, and those of a grant in any; types are those of server/settings.h, and
// HASH: struct token_hash, ROLES: a set of roles.
#define TOKEN_SETTINGS(X)                                                                                    \
    /* field, type, lowest, highest, default, text */                                                        \
    X(sha256, HASH, 0, 0, 0, "the SHA-256 of the token's text: what taskqd --new-token NAME prints")
#define GRANT_SETTINGS(X)                                                                                    \
    X(roles, ROLES, 0, ROLE_COUNT, 0, "what the identity may do with the queues that the pattern matches")

struct grant {
    char *pattern;
    unsigned roles;
};

struct identity {
    char *name;
    enum identity_kind kind;
    struct token_hash sha256; // of a token
    uint32_t number;          // of a user or a group
    struct grant *grants;
    size_t grant_count;
    struct quotas quotas;
    struct quota_use *use; // somebody else's, who gives it where there are quotas; NULL: nothing is counted
};

struct access {
    struct identity *items;
    size_t count;
};

const char *identity_kind_name(enum identity_kind kind);

// Adds one without grants, which is given. NULL: no memory. What was given before may have moved.
struct identity *access_add(struct access *a, enum identity_kind kind, const char *name);
bool identity_grant(struct identity *i, const char *pattern, unsigned roles)
    __attribute__((warn_unused_result)); // false: no memory
void access_release(struct access *a);

// Whether both say the same.
bool access_equal(const struct access *a, const struct access *b);

// Appends it as an object of kind and name; NULL: null.
void identity_write(struct buffer *b, const struct identity *i);

// Appends what it may do, as an array of objects of pattern and roles; NULL, who may do nothing: an
// empty one.
void identity_write_grants(struct buffer *b, const struct identity *i);

// Roles that it has on this queue; on all queues there can be.
unsigned identity_roles(const struct identity *i, struct slice queue);
unsigned identity_roles_everywhere(const struct identity *i);

// The one of `a` that is known by the same as this one of another set: an identity that stays one when its
// grants change. NULL: there is none any more.
const struct identity *access_same(const struct access *a, const struct identity *i);

// Whose token this is; NULL: nobody's. Every one is compared, however early one fits.
const struct identity *access_of_token(const struct access *a, struct slice token);

// Who a peer of this machine is: its user's identity, else the first of a group of its. NULL: nobody.
const struct identity *access_of_peer(const struct access *a, uint32_t user, const uint32_t *groups,
                                      size_t group_count);

// Whose certificate bears this name; NULL: nobody's.
const struct identity *access_of_certificate(const struct access *a, const char *name);

#endif
