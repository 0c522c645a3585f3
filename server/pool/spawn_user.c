#include "server/pool/spawn_user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

static int copy(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);
    if (n >= size)
        return E2BIG;
    memcpy(to, from, n + 1);
    return 0;
}

static int fill(struct spawn_user *user, const struct passwd *pw)
{
    int error = copy(user->name, sizeof user->name, pw->pw_name);
    if (!error)
        error = copy(user->home, sizeof user->home, pw->pw_dir ? pw->pw_dir : "/");
    if (error)
        return error;
    user->uid = pw->pw_uid;
    user->gid = pw->pw_gid;
    user->ngroups = SPAWN_USER_GROUPS_MAX;
    return getgrouplist(pw->pw_name, pw->pw_gid, user->groups, &user->ngroups) < 0 ? E2BIG : 0;
}

int spawn_user_lookup(const char *name, struct spawn_user *user)
{
    for (size_t size = 1024; size <= 1024 * 1024; size *= 2) {
        char *buffer = malloc(size);
        if (!buffer)
            return ENOMEM;
        struct passwd pw, *found = NULL;
        int error = getpwnam_r(name, &pw, buffer, size, &found);
        if (!error)
            error = found ? fill(user, found) : ENOENT;
        free(buffer);
        if (error != ERANGE)
            return error;
    }
    return ERANGE;
}
