#include "server/pool/module_host.h"

#include "server/pool/line_reader.h"
#include "server/pool/module_task.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct host {
    int control;
    taskq_function *function;
    long cpu_seconds; // for one job; 0: no limit
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned threads;
};

// A thread and the stream that it serves.
struct server {
    struct host *host;
    struct module_desk desk;
    struct line_reader in;
    timer_t timer; // of the thread's processor time, where that is limited
    bool has_timer;
    char cpu_line[96]; // what is written when it goes off
    size_t cpu_line_len;
};

// ---- processor time

// A function that uses more than it may cannot be stopped alone: the job fails, and the host ends.
static void on_cpu_used_up(int signo, siginfo_t *info, void *context)
{
    struct server *s = info->si_value.sival_ptr;
    (void)context;
    if (info->si_code == SI_TIMER)
        (void)!write(s->desk.fd, s->cpu_line, s->cpu_line_len);
    signal(signo, SIG_DFL);
    raise(signo);
}

static void limit_cpu(struct server *s, uint64_t id)
{
    if (!s->has_timer)
        return;
    s->cpu_line_len =
        (size_t)snprintf(s->cpu_line, sizeof s->cpu_line, "{\"id\":%llu,\"error\":{\"cpu\":%ld}}\n",
                         (unsigned long long)id, s->host->cpu_seconds);
    struct itimerspec in = {.it_value.tv_sec = s->host->cpu_seconds};
    timer_settime(s->timer, 0, &in, NULL);
}

static void unlimit_cpu(struct server *s)
{
    struct itimerspec never = {0};
    if (s->has_timer)
        timer_settime(s->timer, 0, &never, NULL);
}

// ---- a job

// False: no memory for what the function said; the stream's end makes the daemon try again.
static bool run_job(struct server *s, struct slice line)
{
    struct module_task t;
    bool said = module_task_init(&t, &s->desk, line);
    if (said) {
        limit_cpu(s, t.task.id);
        int status = s->host->function(&t.task);
        unlimit_cpu(s);
        said = module_task_answer(&t, status);
    }
    module_task_release(&t);
    return said;
}

static void serve(struct server *s)
{
    struct slice line;
    for (;;) {
        while (line_reader_next(&s->in, SIZE_MAX, &line) == LINE_READ) {
            if (!run_job(s, line))
                return;
            module_desk_shrink(&s->desk);
        }
        enum fill fill = line_reader_fill(&s->in, s->desk.fd);
        if (fill == FILL_END || fill == FILL_NO_MEMORY)
            return;
    }
}

// ---- threads

static void server_free(struct server *s)
{
    if (s->has_timer)
        timer_delete(s->timer);
    close(s->desk.fd);
    line_reader_release(&s->in);
    module_desk_release(&s->desk);
    free(s);
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    struct host *h = s->host;
    if (h->cpu_seconds > 0) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                                 .sigev_signo = SIGXCPU,
                                 .sigev_value.sival_ptr = s};
        s->has_timer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &s->timer) == 0;
    }
    serve(s);
    server_free(s);
    pthread_mutex_lock(&h->lock);
    h->threads--;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

// Where it cannot be done the stream is closed, which the daemon sees.
static void server_start(struct host *h, int fd)
{
    struct server *s = calloc(1, sizeof *s);
    pthread_attr_t attributes;
    pthread_t thread;
    if (!s) {
        close(fd);
        return;
    }
    s->host = h;
    s->desk.fd = fd;
    pthread_mutex_lock(&h->lock);
    h->threads++;
    pthread_mutex_unlock(&h->lock);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, server_main, s) != 0) {
        server_free(s);
        pthread_mutex_lock(&h->lock);
        h->threads--;
        pthread_mutex_unlock(&h->lock);
    }
    pthread_attr_destroy(&attributes);
}

// One descriptor; -1: the daemon's end is closed.
static int receive(int control)
{
    for (;;) {
        char byte;
        struct iovec iov = {.iov_base = &byte, .iov_len = 1};
        union {
            struct cmsghdr header;
            char space[CMSG_SPACE(sizeof(int))];
        } space;
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &space,
                             .msg_controllen = sizeof space};
        ssize_t n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
        int fd;
        if (!h || h->cmsg_type != SCM_RIGHTS)
            continue; // there was no room for it: its other end sees that it is closed
        memcpy(&fd, CMSG_DATA(h), sizeof fd);
        return fd;
    }
}

// ---- the beginning

// What the object may read and write is not ours.
static int take_control(void)
{
    int control = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (control < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return -1;
    close(null);
    setvbuf(stdout, NULL, _IOLBF, 0);
    return control;
}

static bool refuse(char *why, const char *what, const char *detail)
{
    snprintf(why, MODULE_HOST_WHY_MAX, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
    return false;
}

static bool load(struct host *h, const char *object, const char *function, char *why)
{
    void *handle = dlopen(object, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return refuse(why, "cannot load the module", dlerror());
    unsigned (*version)(void) = NULL;
    *(void **)&version = dlsym(handle, "taskq_module_version");
    if (!version)
        return refuse(why, "the module does not say for which version it was built: TASKQ_MODULE is missing",
                      NULL);
    if (version() != TASKQ_MODULE_VERSION) {
        char text[64];
        snprintf(text, sizeof text, "%u, and this is %d", version(), TASKQ_MODULE_VERSION);
        return refuse(why, "the module was built for version", text);
    }
    *(void **)&h->function = dlsym(handle, function);
    return h->function || refuse(why, "the module has no function", function);
}

static void watch_cpu(void)
{
    struct sigaction action = {.sa_sigaction = on_cpu_used_up, .sa_flags = SA_SIGINFO};
    sigaction(SIGXCPU, &action, NULL);
}

int module_host_main(int argc, char **argv)
{
    struct host h = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    char why[MODULE_HOST_WHY_MAX];
    if (argc != 5 || (h.control = take_control()) < 0)
        return EXIT_FAILURE;
    prctl(PR_SET_NAME, "taskqd-module");
    h.cpu_seconds = strtol(argv[4], NULL, 10);
    if (h.cpu_seconds > 0)
        watch_cpu();
    if (!load(&h, argv[2], argv[3], why)) {
        (void)!send(h.control, why, strlen(why), MSG_NOSIGNAL);
        return EXIT_FAILURE;
    }
    (void)!send(h.control, MODULE_HOST_READY, strlen(MODULE_HOST_READY), MSG_NOSIGNAL);
    for (int fd; (fd = receive(h.control)) >= 0;)
        server_start(&h, fd);
    pthread_mutex_lock(&h.lock);
    while (h.threads > 0)
        pthread_cond_wait(&h.changed, &h.lock);
    pthread_mutex_unlock(&h.lock);
    return EXIT_SUCCESS;
}
