#include "server/pool/spawner_setup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_OWN_FD 3

void spawner_close_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
#endif
    DIR *d = opendir("/proc/self/fd");
    if (d) {
        for (struct dirent *e; (e = readdir(d));) {
            int fd = atoi(e->d_name);
            if (fd >= first && fd != dirfd(d))
                close(fd);
        }
        closedir(d);
        return;
    }
    for (long fd = first, last = sysconf(_SC_OPEN_MAX); fd < last; fd++)
        close((int)fd);
}

// Keeps 0 and 1 (as /dev/null), 2 and the main socket, which becomes FIRST_OWN_FD. So 0 to 2 are taken, and
// nothing that is received can be among them.
static bool keep_own_descriptors(int *main_fd)
{
    int high = fcntl(*main_fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD + 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (high < 0 || null < 0)
        return false;
    if (fcntl(STDERR_FILENO, F_GETFD) < 0 && dup2(null, STDERR_FILENO) < 0)
        return false;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup3(high, FIRST_OWN_FD, O_CLOEXEC) < 0)
        return false;
    spawner_close_from(FIRST_OWN_FD + 1);
    *main_fd = FIRST_OWN_FD;
    return true;
}

// What the daemon ignores, its children must not inherit as ignored: exec keeps it.
static void unignore_signals(void)
{
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction action;
        if (sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            signal(signo, SIG_DFL);
    }
}

static bool raise_descriptors(struct rlimit *before)
{
    if (getrlimit(RLIMIT_NOFILE, before) != 0)
        return false;
    struct rlimit most = {.rlim_cur = before->rlim_max, .rlim_max = before->rlim_max};
    return setrlimit(RLIMIT_NOFILE, &most) == 0;
}

bool spawner_setup(int *main_fd, struct rlimit *nofile)
{
    prctl(PR_SET_NAME, "taskqd-spawner");
    unignore_signals();
    return keep_own_descriptors(main_fd) && raise_descriptors(nofile) &&
           prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && setresuid(geteuid(), geteuid(), geteuid()) == 0;
}
