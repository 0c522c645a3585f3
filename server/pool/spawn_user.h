// The user that a command runs as, looked up once when the configuration is read: the lookup may be slow
// (NSS asks files, LDAP, …), a spawn may not.
#ifndef SERVER_POOL_SPAWN_USER_H
#define SERVER_POOL_SPAWN_USER_H

#include <sys/types.h>

#define SPAWN_USER_GROUPS_MAX 256

struct spawn_user {
    uid_t uid;
    gid_t gid;
    int ngroups;
    gid_t groups[SPAWN_USER_GROUPS_MAX]; // all supplementary groups, as at a login
    char name[64];
    char home[512];
};

// 0, or an errno value: ENOENT where there is no such user, E2BIG where it has more groups or a longer name
// or home than fit. Any thread.
int spawn_user_lookup(const char *name, struct spawn_user *user);

#endif
