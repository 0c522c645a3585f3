#include "server/settings_access.h"

#include "common/utf8.h"
#include "server/engine/settings.h"
#include "server/settings.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

unsigned settings_access_options(cfg_opt_t *out)
{
    // libConfuse keeps pointers to them.
    static cfg_opt_t grant[SETTINGS_ROWS_MAX], token[SETTINGS_ROWS_MAX], peer[SETTINGS_ROWS_MAX];
    cfg_opt_t grants = CFG_SEC("grant", grant, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    settings_options(grant_rows, grant);
    unsigned n = settings_options(quota_rows, peer);
    peer[n++] = grants;
    peer[n] = (cfg_opt_t)CFG_END();
    n = settings_options(token_rows, token);
    n += settings_options(quota_rows, token + n);
    token[n++] = grants;
    token[n] = (cfg_opt_t)CFG_END();
    for (unsigned kind = 0; kind < IDENTITY_KIND_COUNT; kind++) {
        char *name = (char *)(uintptr_t)identity_kind_name(kind);
        out[kind] = (cfg_opt_t)CFG_SEC(name, kind == IDENTITY_TOKEN ? token : peer,
                                       CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    }
    return IDENTITY_KIND_COUNT;
}

static void check_rows(cfg_t *cfg, const char *section, const struct setting_row *rows,
                       cfg_validate_callback_t check)
{
    char path[160];
    for (; rows->name; rows++) {
        snprintf(path, sizeof path, "%s|%s", section, rows->name);
        cfg_set_validate_func(cfg, path, check);
    }
}

void settings_access_checks(cfg_t *cfg, cfg_validate_callback_t token, cfg_validate_callback_t quota,
                            cfg_validate_callback_t grant)
{
    char section[80];
    check_rows(cfg, identity_kind_name(IDENTITY_TOKEN), token_rows, token);
    for (unsigned kind = 0; kind < IDENTITY_KIND_COUNT; kind++) {
        snprintf(section, sizeof section, "%s|grant", identity_kind_name(kind));
        check_rows(cfg, identity_kind_name(kind), quota_rows, quota);
        check_rows(cfg, section, grant_rows, grant);
    }
}

// A name, or a number where there is no such name. False: there is neither.
static bool number_of_user(const char *name, uint32_t *out)
{
    const struct passwd *p = getpwnam(name);
    char *end;
    if (p) {
        *out = p->pw_uid;
        return true;
    }
    errno = 0;
    unsigned long n = strtoul(name, &end, 10);
    *out = (uint32_t)n;
    return name[0] >= '0' && name[0] <= '9' && !*end && !errno && n < UINT32_MAX;
}

static bool number_of_group(const char *name, uint32_t *out)
{
    const struct group *g = getgrnam(name);
    if (!g)
        return number_of_user(name, out) && name[0] >= '0' && name[0] <= '9';
    *out = g->gr_gid;
    return true;
}

static bool read_grants(struct identity *i, cfg_t *section, char *why)
{
    unsigned count = cfg_size(section, "grant");
    for (unsigned n = 0; n < count; n++) {
        cfg_t *inner = cfg_getnsec(section, "grant", n);
        const char *pattern = cfg_title(inner);
        struct grant grant = {0};
        if (!utf8_is_name(pattern, QUEUE_NAME_MAX)) {
            cfg_error(inner,
                      "grant \"%.100s\": a queue's name or pattern has 1 to %d bytes of UTF-8 without "
                      "control characters",
                      pattern, QUEUE_NAME_MAX);
            return false;
        }
        if (!settings_apply(grant_rows, inner, &grant, NULL, why))
            return false;
        if (!grant.roles) {
            cfg_error(inner, "grant \"%.100s\": it has no roles", pattern);
            return false;
        }
        if (!identity_grant(i, pattern, grant.roles))
            return false;
    }
    if (count == 0)
        cfg_error(section, "%s \"%.100s\": it has no grant, so it could do nothing",
                  identity_kind_name(i->kind), i->name);
    return count > 0;
}

// What makes a client known as this identity has to be there, and be its alone.
static bool check_mark(const struct access *all, struct identity *i, cfg_t *section, unsigned named)
{
    if (i->kind == IDENTITY_TOKEN && !named) {
        cfg_error(section, "token \"%.100s\": it has no sha256; taskqd --new-token NAME makes a token",
                  i->name);
        return false;
    }
    if ((i->kind == IDENTITY_USER && !number_of_user(i->name, &i->number)) ||
        (i->kind == IDENTITY_GROUP && !number_of_group(i->name, &i->number))) {
        cfg_error(section, "%s \"%.100s\": this machine has none of that name", identity_kind_name(i->kind),
                  i->name);
        return false;
    }
    for (const struct identity *other = all->items; other < i && i->kind != IDENTITY_CERTIFICATE; other++)
        if (other->kind == i->kind && other->number == i->number &&
            token_hash_equal(&other->sha256, &i->sha256)) {
            cfg_error(section, "%s \"%.100s\" is the same as %s \"%.100s\"", identity_kind_name(i->kind),
                      i->name, identity_kind_name(i->kind), other->name);
            return false;
        }
    return true;
}

static bool read_one(struct access *all, enum identity_kind kind, cfg_t *section, char *why)
{
    const char *name = cfg_title(section);
    unsigned named = 0;
    if (!utf8_is_name(name, QUEUE_NAME_MAX)) {
        cfg_error(section, "%s \"%.100s\": a name has 1 to %d bytes of UTF-8 without control characters",
                  identity_kind_name(kind), name, QUEUE_NAME_MAX);
        return false;
    }
    struct identity *i = access_add(all, kind, name);
    return i && (kind != IDENTITY_TOKEN || settings_apply(token_rows, section, i, &named, why)) &&
           settings_apply(quota_rows, section, &i->quotas, NULL, why) && check_mark(all, i, section, named) &&
           read_grants(i, section, why);
}

bool settings_access_read(struct access *out, cfg_t *cfg, char *why)
{
    for (unsigned kind = 0; kind < IDENTITY_KIND_COUNT; kind++) {
        unsigned count = cfg_size(cfg, identity_kind_name(kind));
        for (unsigned n = 0; n < count; n++)
            if (!read_one(out, kind, cfg_getnsec(cfg, identity_kind_name(kind), n), why))
                return false;
    }
    return true;
}
