// Turns a freshly forked process into the spawner: sheds what it has from the daemon.
#ifndef SERVER_POOL_SPAWNER_SETUP_H
#define SERVER_POOL_SPAWNER_SETUP_H

#include <stdbool.h>
#include <sys/resource.h>

// Closes all but standard error and the main socket, whose number changes; takes /dev/null as 0 and 1;
// gives up every user but the present one; un-ignores signals; raises the descriptor limit to its hard one
// (`nofile` is what it was); becomes the subreaper of all that it will start. False with errno.
bool spawner_setup(int *main_fd, struct rlimit *nofile);

// All descriptors from this one on.
void spawner_close_from(int first);

#endif
