#include "server/access/identity.h"

#include "common/json_writer.h"
#include "server/access/pattern.h"

#include <stdlib.h>
#include <string.h>

const char *identity_kind_name(enum identity_kind kind)
{
    static const char *const names[] = {
#define X(constant, name, text) name,
        IDENTITY_KINDS(X)
#undef X
    };
    return names[kind];
}

// ---- making them

struct identity *access_add(struct access *a, enum identity_kind kind, const char *name)
{
    char *copy = strdup(name);
    struct identity *grown = copy ? realloc(a->items, (a->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(copy);
        return NULL;
    }
    a->items = grown;
    a->items[a->count] = (struct identity){.name = copy, .kind = kind};
    return &a->items[a->count++];
}

bool identity_grant(struct identity *i, const char *pattern, unsigned roles)
{
    char *copy = strdup(pattern);
    struct grant *grown = copy ? realloc(i->grants, (i->grant_count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(copy);
        return false;
    }
    i->grants = grown;
    i->grants[i->grant_count++] = (struct grant){.pattern = copy, .roles = roles};
    return true;
}

void access_release(struct access *a)
{
    for (size_t n = 0; n < a->count; n++) {
        struct identity *i = &a->items[n];
        for (size_t g = 0; g < i->grant_count; g++)
            free(i->grants[g].pattern);
        free(i->grants);
        free(i->name);
    }
    free(a->items);
    *a = (struct access){0};
}

// Whether both stand for the same clients, whatever those may do.
static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0 && a->number == b->number &&
           token_hash_equal(&a->sha256, &b->sha256);
}

const struct identity *access_same(const struct access *a, const struct identity *i)
{
    for (size_t n = 0; n < a->count; n++)
        if (is_same(&a->items[n], i))
            return &a->items[n];
    return NULL;
}

static bool identity_equal(const struct identity *a, const struct identity *b)
{
    if (!is_same(a, b) || a->grant_count != b->grant_count || !quotas_equal(&a->quotas, &b->quotas))
        return false;
    for (size_t g = 0; g < a->grant_count; g++)
        if (a->grants[g].roles != b->grants[g].roles ||
            strcmp(a->grants[g].pattern, b->grants[g].pattern) != 0)
            return false;
    return true;
}

bool access_equal(const struct access *a, const struct access *b)
{
    bool equal = a->count == b->count;
    for (size_t n = 0; equal && n < a->count; n++)
        equal = identity_equal(&a->items[n], &b->items[n]);
    return equal;
}

void identity_write(struct buffer *b, const struct identity *i)
{
    if (!i) {
        json_write_raw(b, "null");
        return;
    }
    json_write_raw(b, "{\"kind\":");
    json_write_string(b, slice_of(identity_kind_name(i->kind)));
    json_write_raw(b, ",\"name\":");
    json_write_bytes(b, slice_of(i->name));
    json_write_raw(b, "}");
}

void identity_write_grants(struct buffer *b, const struct identity *i)
{
    json_write_raw(b, "[");
    for (size_t g = 0; i && g < i->grant_count; g++) {
        json_write_comma(b);
        json_write_raw(b, "{\"pattern\":");
        json_write_bytes(b, slice_of(i->grants[g].pattern));
        json_write_raw(b, ",\"roles\":[");
        for (unsigned role = 0; role < ROLE_COUNT; role++)
            if (i->grants[g].roles & (1u << role)) {
                json_write_comma(b);
                json_write_string(b, slice_of(role_name(role)));
            }
        json_write_raw(b, "]}");
    }
    json_write_raw(b, "]");
}

// ---- looking up

unsigned identity_roles(const struct identity *i, struct slice queue)
{
    unsigned roles = 0;
    for (size_t g = 0; g < i->grant_count; g++)
        if (pattern_matches(slice_of(i->grants[g].pattern), queue))
            roles |= i->grants[g].roles;
    return roles;
}

unsigned identity_roles_everywhere(const struct identity *i)
{
    unsigned roles = 0;
    for (size_t g = 0; g < i->grant_count; g++)
        if (pattern_is_all(slice_of(i->grants[g].pattern)))
            roles |= i->grants[g].roles;
    return roles;
}

const struct identity *access_of_token(const struct access *a, struct slice token)
{
    struct token_hash hash;
    const struct identity *found = NULL;
    if (!token_hash(token, &hash))
        return NULL;
    for (size_t n = 0; n < a->count; n++) {
        bool fits = token_hash_equal(&hash, &a->items[n].sha256);
        if (fits && a->items[n].kind == IDENTITY_TOKEN)
            found = &a->items[n];
    }
    return found;
}

static bool among(uint32_t number, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

const struct identity *access_of_certificate(const struct access *a, const char *name)
{
    for (size_t n = 0; n < a->count; n++)
        if (a->items[n].kind == IDENTITY_CERTIFICATE && strcmp(a->items[n].name, name) == 0)
            return &a->items[n];
    return NULL;
}

const struct identity *access_of_peer(const struct access *a, uint32_t user, const uint32_t *groups,
                                      size_t group_count)
{
    const struct identity *group = NULL;
    for (size_t n = 0; n < a->count; n++) {
        const struct identity *i = &a->items[n];
        if (i->kind == IDENTITY_USER && i->number == user)
            return i;
        if (!group && i->kind == IDENTITY_GROUP && among(i->number, groups, group_count))
            group = i;
    }
    return group;
}
