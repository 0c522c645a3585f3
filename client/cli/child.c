#include "client/cli/child.h"

#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// The input as a file in memory: nobody need feed it while it is read.
static int input_file(struct slice input)
{
    int fd = memfd_create("taskq-input", MFD_CLOEXEC);
    while (fd >= 0 && input.len > 0) {
        ssize_t n = write(fd, input.data, input.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            return -1;
        }
        input.data += n;
        input.len -= (size_t)n;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static const char *const job_names[] = {"TASKQ_ID=", "TASKQ_QUEUE=", "TASKQ_ATTEMPT=", "TASKQ_DELIVERY="};
#define JOB_NAMES (sizeof(job_names) / sizeof(job_names[0]))

// The environment with the job's variables in place of any of those names. The caller frees it and its first
// JOB_NAMES.
static char **environment(const struct taskq_job *job)
{
    size_t n = 0, to = JOB_NAMES;
    while (environ[n] != NULL)
        n++;
    char **e = calloc(n + JOB_NAMES + 1, sizeof(*e));
    if (e == NULL)
        return NULL;
    if (asprintf(&e[0], "%s%llu", job_names[0], (unsigned long long)job->id) < 0)
        e[0] = NULL;
    if (asprintf(&e[1], "%s%s", job_names[1], job->queue) < 0)
        e[1] = NULL;
    if (asprintf(&e[2], "%s%u", job_names[2], job->attempt) < 0)
        e[2] = NULL;
    if (asprintf(&e[3], "%s%llu", job_names[3], (unsigned long long)job->delivery) < 0)
        e[3] = NULL;
    for (size_t i = 0; i < n; i++) {
        bool ours = false;
        for (size_t j = 0; j < JOB_NAMES; j++)
            ours = ours || strncmp(environ[i], job_names[j], strlen(job_names[j])) == 0;
        if (!ours)
            e[to++] = environ[i];
    }
    return e;
}

static void environment_free(char **e)
{
    for (size_t i = 0; e != NULL && i < JOB_NAMES; i++)
        free(e[i]);
    free(e);
}

static bool environment_whole(char **e)
{
    for (size_t i = 0; e != NULL && i < JOB_NAMES; i++)
        if (e[i] == NULL)
            return false;
    return e != NULL;
}

// In a group of its own, with signals as a command expects them. 0, or an errno.
static int spawn(char **command, char **env, int in, int out, int err, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int failed = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    if (failed == 0)
        failed = posix_spawnp(pid, command[0], &files, &attr, command, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

// Reads what is there. False: the end.
static bool read_out(int fd, struct child_end *end, size_t out_max)
{
    char block[16384];
    ssize_t n = read(fd, block, sizeof(block));
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    size_t room = out_max - end->out.len;
    end->too_much = end->too_much || (size_t)n > room;
    buffer_append(&end->out, block, (size_t)n < room ? (size_t)n : room);
    return n > 0;
}

static bool read_err(int fd, struct child_end *end)
{
    char block[4096];
    ssize_t n = read(fd, block, sizeof(block));
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    fwrite(block, 1, (size_t)n, stderr);
    buffer_append(&end->tail, block, (size_t)n);
    if (!end->tail.failed && end->tail.len > CHILD_TAIL_MAX) {
        size_t over = end->tail.len - CHILD_TAIL_MAX;
        memmove(end->tail.data, end->tail.data + over, CHILD_TAIL_MAX);
        end->tail.len = CHILD_TAIL_MAX;
    }
    return n > 0;
}

// Calls the hook if its descriptor is readable or it is time. Gives how many ms to wait for the next time.
static int look(const struct child_hook *hook, bool readable, int64_t *next)
{
    int64_t now = clock_ns();
    if (readable || now >= *next) {
        hook->look(hook->arg);
        *next = now + CHILD_LOOK_MS * INT64_C(1000000);
    }
    return now < *next ? (int)((*next - now) / 1000000) + 1 : 0;
}

// Reads until the command has ended. What it left running may hold the pipes open: that is not waited for.
static void collect(int pidfd, int out, int err, struct child_end *end, size_t out_max,
                    const struct child_hook *hook)
{
    enum { PID, OUT, ERR, HOOK };
    struct pollfd p[4] = {[PID] = {.fd = pidfd, .events = POLLIN},
                          [OUT] = {.fd = out, .events = POLLIN},
                          [ERR] = {.fd = err, .events = POLLIN},
                          [HOOK] = {.fd = -1, .events = POLLIN}};
    int64_t next = clock_ns() + CHILD_LOOK_MS * INT64_C(1000000);
    bool ended = false;
    while (!ended || p[OUT].fd >= 0 || p[ERR].fd >= 0) {
        int wait = ended ? 0 : hook != NULL ? look(hook, p[HOOK].revents != 0, &next) : -1;
        p[HOOK].fd = hook != NULL && !ended ? hook->fd(hook->arg) : -1;
        for (size_t i = 0; i < 4; i++)
            p[i].revents = 0;
        int n = poll(p, 4, wait);
        if (n == 0 && ended)
            return; // nothing more is there
        if (n <= 0)
            continue; // EINTR, or it is time to look
        if (p[OUT].revents != 0 && !read_out(out, end, out_max))
            p[OUT].fd = -1;
        if (p[ERR].revents != 0 && !read_err(err, end))
            p[ERR].fd = -1;
        if (p[PID].revents != 0) {
            ended = true;
            p[PID].fd = -1;
        }
    }
}

static void reap(struct child *c, struct child_end *end)
{
    int status = 0;
    pthread_mutex_lock(&c->lock);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0; // from here on the number may be another's
    pthread_mutex_unlock(&c->lock);
    end->exited = WIFEXITED(status);
    end->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static enum taskq_error run(struct child *c, char **command, char **env, int in, int out[2], int err[2],
                            size_t out_max, const struct child_hook *hook, struct child_end *end)
{
    pthread_mutex_lock(&c->lock);
    end->spawn_error = spawn(command, env, in, out[1], err[1], &c->pid);
    if (end->spawn_error != 0)
        c->pid = 0;
    pthread_mutex_unlock(&c->lock);
    close(out[1]);
    close(err[1]);
    out[1] = err[1] = -1;
    if (end->spawn_error != 0)
        return TASKQ_OK;
    int pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0); // close-on-exec by itself
    if (pidfd >= 0) {
        collect(pidfd, out[0], err[0], end, out_max, hook);
        close(pidfd);
    } else {
        child_signal(c, SIGKILL);
    }
    reap(c, end);
    return pidfd >= 0 ? TASKQ_OK : TASKQ_SYSTEM;
}

enum taskq_error child_run(struct child *c, char **command, const struct taskq_job *job, struct slice input,
                           size_t out_max, const struct child_hook *hook, struct child_end *end)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    *end = (struct child_end){0};
    char **env = environment(job);
    int in = input_file(input);
    enum taskq_error e = TASKQ_SYSTEM;
    if (!environment_whole(env))
        e = TASKQ_NO_MEMORY;
    else if (in >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
        e = run(c, command, env, in, out, err, out_max, hook, end);
    environment_free(env);
    for (int i = 0; i < 2; i++) {
        if (out[i] >= 0)
            close(out[i]);
        if (err[i] >= 0)
            close(err[i]);
    }
    if (in >= 0)
        close(in);
    if (e == TASKQ_OK && (end->out.failed || end->tail.failed))
        e = TASKQ_NO_MEMORY;
    return e;
}

void child_signal(struct child *c, int number)
{
    pthread_mutex_lock(&c->lock);
    if (c->pid > 0)
        kill(-c->pid, number);
    pthread_mutex_unlock(&c->lock);
}

static int check_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno;
    return !S_ISREG(st.st_mode) || access(path, X_OK) < 0 ? EACCES : 0;
}

int child_check(const char *command)
{
    const char *at = getenv("PATH");
    char path[4096];
    int error = ENOENT;
    if (strchr(command, '/') != NULL || command[0] == '\0')
        return check_file(command);
    for (at = at != NULL ? at : "/bin:/usr/bin";; at++) { // as posix_spawnp()
        size_t len = strcspn(at, ":");
        int n = snprintf(path, sizeof(path), "%.*s%s%s", (int)len, at, len > 0 ? "/" : "", command);
        int e = n >= 0 && (size_t)n < sizeof(path) ? check_file(path) : ENAMETOOLONG;
        if (e == 0)
            return 0;
        if (e == EACCES)
            error = e;
        at += len;
        if (*at == '\0')
            return error;
    }
}
