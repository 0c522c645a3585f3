#include "server/pool/spawner_child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Where the old names mean 16-bit ids (32-bit x86 and arm), the new ones end in 32.
#ifdef SYS_setresuid32
#define CALL_setgroups SYS_setgroups32
#define CALL_setresgid SYS_setresgid32
#define CALL_setresuid SYS_setresuid32
#else
#define CALL_setgroups SYS_setgroups
#define CALL_setresgid SYS_setresgid
#define CALL_setresuid SYS_setresuid
#endif

struct command {
    const struct spawn_request *request;
    const gid_t *groups;
    const char *cwd;
    const char *path;
    char **argv; // one allocation with envp
    char **envp;
    const int *fds;
    const struct rlimit *nofile;
    pid_t spawner;
    int report; // write end of the pipe on which a failure comes back; exec closes it
};

static size_t name_length(const char *entry)
{
    return strcspn(entry, "=");
}

static bool same_name(const char *a, const char *b)
{
    size_t n = name_length(a);
    return name_length(b) == n && memcmp(a, b, n) == 0;
}

static bool named_in(const char *entry, char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (same_name(entry, list[i]))
            return true;
    return false;
}

// Joins the spawner's environment and the request's: the later entry wins, a name without '=' only removes.
static void merge_env(struct command *c, char *const *changes, size_t nchanges)
{
    size_t n = 0;
    for (char **e = environ; e && *e; e++)
        if (!named_in(*e, changes, nchanges))
            c->envp[n++] = *e;
    for (size_t i = 0; i < nchanges; i++)
        if (strchr(changes[i], '=') && !named_in(changes[i], changes + i + 1, nchanges - i - 1))
            c->envp[n++] = changes[i];
    c->envp[n] = NULL;
    c->path = SPAWN_DEFAULT_PATH;
    for (size_t i = 0; i < n; i++)
        if (strncmp(c->envp[i], "PATH=", 5) == 0)
            c->path = c->envp[i] + 5;
}

static bool command_read(struct command *c, char *message, size_t size)
{
    const struct spawn_request *r = (const struct spawn_request *)message;
    assert(size > sizeof *r && message[size - 1] == '\0' && r->argc > 0 && r->envc <= SPAWN_ENV_MAX);
    size_t inherited = 0;
    for (char **e = environ; e && *e; e++)
        inherited++;

    // argv, its NULL, the changes to the environment, the environment, its NULL
    char **v = malloc((r->argc + 1 + r->envc + inherited + r->envc + 1) * sizeof *v);
    if (!v)
        return false;
    c->request = r;
    c->groups = (const gid_t *)(message + sizeof *r);
    char *s = message + sizeof *r + r->ngroups * sizeof(gid_t);
    if (r->has_cwd) {
        c->cwd = s;
        s += strlen(s) + 1;
    }
    c->argv = v;
    for (uint32_t i = 0; i < r->argc; i++, s += strlen(s) + 1)
        v[i] = s;
    v[r->argc] = NULL;
    char **changes = v + r->argc + 1;
    for (uint32_t i = 0; i < r->envc; i++, s += strlen(s) + 1)
        changes[i] = s;
    assert(s == message + size);
    c->envp = changes + r->envc;
    merge_env(c, changes, r->envc);
    return true;
}

// --- In the child, which shares the spawner's memory until exec: system calls and locals only. ---

static bool limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit now, want = {.rlim_cur = soft, .rlim_max = hard};
    if (getrlimit(resource, &now) != 0)
        return false;
    if (hard > now.rlim_max && soft <= now.rlim_max)
        want.rlim_max = now.rlim_max; // what is asked for fits; the margin above it needs no privilege
    return setrlimit(resource, &want) == 0;
}

static enum spawn_step set_limits(const struct command *c)
{
    const struct spawn_request *r = c->request;
    // What is lowered for good cannot be raised again without privilege.
    uint64_t cpu_hard = r->cpu_renewable ? RLIM_INFINITY : r->cpu_seconds + 1;
    if (r->cpu_seconds > 0 && !limit(RLIMIT_CPU, r->cpu_seconds, cpu_hard))
        return SPAWN_STEP_RLIMIT_CPU;
    if (r->memory_bytes > 0 && !limit(RLIMIT_AS, r->memory_bytes, r->memory_bytes))
        return SPAWN_STEP_RLIMIT_MEMORY;
    if (r->files > 0 ? !limit(RLIMIT_NOFILE, r->files, r->files) : setrlimit(RLIMIT_NOFILE, c->nofile) != 0)
        return SPAWN_STEP_RLIMIT_FILES;
    return SPAWN_STEP_NONE;
}

// The bare calls: the C library's own would speak to all threads of the process, whose memory is not ours.
static bool become_user(const struct command *c)
{
    const struct spawn_request *r = c->request;
    return syscall(CALL_setgroups, (long)r->ngroups, c->groups) == 0 &&
           syscall(CALL_setresgid, r->gid, r->gid, r->gid) == 0 &&
           syscall(CALL_setresuid, r->uid, r->uid, r->uid) == 0;
}

// Returns with errno if nothing could be run. Unlike execvp() no shell is tried on a file that is no program.
static void exec_command(const struct command *c)
{
    const char *name = c->argv[0];
    if (strchr(name, '/') || *name == '\0') {
        execve(name, c->argv, c->envp);
        return;
    }
    size_t length = strlen(name);
    bool denied = false;
    for (const char *dir = c->path;; dir++) {
        size_t n = strcspn(dir, ":");
        char file[PATH_MAX];
        if (n + 1 + length < sizeof file) {
            memcpy(file, dir, n);
            file[n] = '/';
            memcpy(file + (n ? n + 1 : 0), name, length + 1); // an empty part is the current directory
            execve(file, c->argv, c->envp);
            if (errno == EACCES) // of the file; a part of PATH that may not be entered has nothing to offer
                denied = denied || access(file, F_OK) == 0;
            else if (errno != ENOENT && errno != ENOTDIR)
                return;
        }
        dir += n;
        if (*dir == '\0')
            break;
    }
    errno = denied ? EACCES : ENOENT;
}

static enum spawn_step child_prepare(const struct command *c)
{
    if (setsid() < 0)
        return SPAWN_STEP_SESSION;
    for (int i = 0; i < 3; i++)
        if (dup2(c->fds[i], i) < 0)
            return SPAWN_STEP_STDIO;
    enum spawn_step step = set_limits(c);
    if (step != SPAWN_STEP_NONE)
        return step;
    if (c->request->has_user && !become_user(c))
        return SPAWN_STEP_USER;
    // After the change of user, which would undo it. Then see whether the spawner died before it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return SPAWN_STEP_SESSION;
    if (getppid() != c->spawner)
        _exit(127);
    if (c->cwd && chdir(c->cwd) != 0)
        return SPAWN_STEP_CWD;
    return SPAWN_STEP_NONE;
}

static _Noreturn void child_run(const struct command *c)
{
    struct spawn_error failure = {.step = child_prepare(c)};
    if (failure.step == SPAWN_STEP_NONE) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        exec_command(c);
        failure.step = SPAWN_STEP_EXEC;
    }
    failure.error = errno;
    ssize_t n;
    do
        n = write(c->report, &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    _exit(127);
}

// --- In the spawner again. ---

// vfork(): no copy of the memory's map, and back when exec is done. Alone in a function, with nothing that
// lives across it but arguments. Some tools turn it into fork(); the report pipe makes both work.
static __attribute__((noinline)) pid_t child_fork(const struct command *c)
{
    pid_t pid = vfork();
    if (pid == 0)
        child_run(c);
    return pid;
}

static pid_t command_start(struct command *c, struct spawn_error *error)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        *error = (struct spawn_error){SPAWN_STEP_DESCRIPTORS, errno};
        return -1;
    }
    c->report = report[1];
    pid_t pid = child_fork(c);
    if (pid < 0)
        *error = (struct spawn_error){SPAWN_STEP_FORK, errno};
    close(report[1]);
    if (pid > 0) {
        ssize_t n;
        do
            n = read(report[0], error, sizeof *error);
        while (n < 0 && errno == EINTR);
        if (n > 0) {
            assert(n == sizeof *error);
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
            pid = -1;
        }
    }
    close(report[0]);
    return pid;
}

pid_t spawner_child_start(char *message, size_t size, const int fds[3], const struct rlimit *nofile,
                          struct spawn_error *error)
{
    struct command c = {.fds = fds, .nofile = nofile, .spawner = getpid()};
    if (!command_read(&c, message, size)) {
        *error = (struct spawn_error){SPAWN_STEP_SPEC, ENOMEM};
        return -1;
    }
    pid_t pid = command_start(&c, error);
    free(c.argv);
    return pid;
}
