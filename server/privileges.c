#include "server/privileges.h"

#include "server/settings.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"

// ---- the data folder

// Only a folder that is made here is given away: to give away what lies in one that the user could change
// would be to give it whatever it has linked there.
static bool prepare_folder(const struct privileges *p, const char *path, char *why)
{
    struct stat st;
    if (mkdir(path, 0700) == 0) {
        if (lchown(path, p->user.uid, p->user.gid) == 0)
            return true;
    } else if (errno == EEXIST && stat(path, &st) == 0) {
        if (st.st_uid == p->user.uid)
            return true;
        snprintf(why, SETTINGS_WHY_MAX,
                 "the data folder %.200s is not run_as's: chown -R %s it, if it is meant for this daemon",
                 path, p->user.name);
        return false;
    }
    snprintf(why, SETTINGS_WHY_MAX, "cannot make the data folder %.200s for %s: %s", path, p->user.name,
             strerror(errno));
    return false;
}

// ---- becoming the user

static bool take_environment(const struct spawn_user *user)
{
    return setenv("HOME", user->home, 1) == 0 && setenv("USER", user->name, 1) == 0 &&
           setenv("LOGNAME", user->name, 1) == 0;
}

static bool find_user(const char *name, struct spawn_user *user, char *why)
{
    int error = spawn_user_lookup(name, user);
    if (error)
        snprintf(why, SETTINGS_WHY_MAX, "run_as = \"%.100s\": %s", name,
                 error == ENOENT ? "this machine has no user of that name" : strerror(error));
    return error == 0;
}

bool privileges_check(const struct settings *s, char why[SETTINGS_WHY_MAX])
{
    struct spawn_user user;
    return !s->run_as || find_user(s->run_as, &user, why);
}

bool privileges_begin(struct privileges *p, const struct settings *s, char why[SETTINGS_WHY_MAX])
{
    *p = (struct privileges){0};
    if (!s->run_as)
        return true;
    if (!find_user(s->run_as, &p->user, why))
        return false;
    if (geteuid() == p->user.uid)
        return true;
    if (geteuid() != 0) {
        snprintf(why, SETTINGS_WHY_MAX, "run_as = \"%.100s\" needs a daemon that root starts", s->run_as);
        return false;
    }
    if (!s->memory_only && !prepare_folder(p, s->data_dir, why))
        return false;
    if (setgroups((size_t)p->user.ngroups, p->user.groups) != 0 ||
        setresgid(p->user.gid, p->user.gid, p->user.gid) != 0 || !take_environment(&p->user) ||
        seteuid(p->user.uid) != 0) {
        snprintf(why, SETTINGS_WHY_MAX, "cannot become %s: %s", p->user.name, strerror(errno));
        return false;
    }
    p->other = true;
    return true;
}

// libc changes the user of all threads, the kernel that of the one that asks.
static bool become(uid_t effective)
{
#ifdef SYS_setresuid32 // where the other takes 16 bits
    return syscall(SYS_setresuid32, (uid_t)-1, effective, (uid_t)-1) == 0;
#else
    return syscall(SYS_setresuid, (uid_t)-1, effective, (uid_t)-1) == 0;
#endif
}

bool privileges_raise(const struct privileges *p)
{
    return !p->other || become(0);
}

bool privileges_lower(const struct privileges *p)
{
    return !p->other || become(p->user.uid);
}

bool privileges_drop(const struct privileges *p, const struct handler_texts *addresses,
                     char why[SETTINGS_WHY_MAX])
{
    if (!p->other)
        return true;
    if (!become(0)) {
        snprintf(why, SETTINGS_WHY_MAX, "root cannot be had again: %s", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < addresses->count; i++) {
        const char *address = addresses->items[i];
        if (strncmp(address, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0 &&
            lchown(address + sizeof UNIX_PREFIX - 1, p->user.uid, p->user.gid) != 0) {
            snprintf(why, SETTINGS_WHY_MAX, "cannot give %.200s to %s: %s", address, p->user.name,
                     strerror(errno));
            return false;
        }
    }
    if (setresuid(p->user.uid, p->user.uid, p->user.uid) != 0) {
        snprintf(why, SETTINGS_WHY_MAX, "cannot become %s: %s", p->user.name, strerror(errno));
        return false;
    }
    if (seteuid(0) == 0 || setuid(0) == 0) {
        snprintf(why, SETTINGS_WHY_MAX, "root could be had again after it was given up for %s", p->user.name);
        return false;
    }
    return true;
}
