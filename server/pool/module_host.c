#include "server/pool/module_host.h"

#include "common/json_reader.h"
#include "common/json_writer.h"
#include "server/pool/answer.h"
#include "server/pool/line_reader.h"
#include "server/pool/taskq_module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_EVERY_NS 20000000 // what comes sooner than this after the last report is not sent
#define KEEP_MAX          (256 * 1024)

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
    int fd;
    struct line_reader in;
    struct buffer out;
    struct buffer queue, body; // of the job, each with a NUL
    timer_t timer;             // of the thread's processor time, where that is limited
    bool has_timer;
    char cpu_line[96]; // what is written when it goes off
    size_t cpu_line_len;
};

// A task with what belongs to it.
struct task_inside {
    struct taskq_task task; // the first: a pointer to it is one to the whole
    struct server *server;
    struct buffer result, error;
    bool no_memory, buried;
    double delay; // negative: none
    int64_t reported;
};

// ---- the calls

static struct task_inside *inside(struct taskq_task *task)
{
    return (struct task_inside *)task;
}

static bool set_text(struct buffer *b, const char *data, size_t len)
{
    buffer_clear(b);
    buffer_append(b, data, len);
    return !b->failed;
}

static int call_result(struct taskq_task *task, const char *json, size_t len)
{
    struct task_inside *t = inside(task);
    t->no_memory = !set_text(&t->result, json, len);
    return t->no_memory ? -1 : 0;
}

static int call_error(struct taskq_task *task, const char *json, size_t len)
{
    struct task_inside *t = inside(task);
    t->no_memory = !set_text(&t->error, json, len);
    return -1;
}

static int call_error_text(struct taskq_task *task, const char *text)
{
    struct task_inside *t = inside(task);
    buffer_clear(&t->error);
    json_write_bytes(&t->error, slice_of(text));
    t->no_memory = t->error.failed;
    return -1;
}

static void call_delay(struct taskq_task *task, double seconds)
{
    inside(task)->delay = seconds >= 0 && seconds <= (double)ANSWER_DELAY_MAX / 1000 ? seconds : -1;
}

static void call_bury(struct taskq_task *task)
{
    inside(task)->buried = true;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; // the daemon does not want to know any more: the end of the stream will be read
        data += n;
        len -= (size_t)n;
    }
}

static struct slice cut_message(const char *message)
{
    struct slice s = {message, strnlen(message, PROGRESS_MESSAGE_MAX + 1)};
    if (s.len > PROGRESS_MESSAGE_MAX)
        for (s.len = PROGRESS_MESSAGE_MAX; s.len > 0 && ((unsigned char)message[s.len] & 0xc0) == 0x80;)
            s.len--;
    return s;
}

static void call_progress(struct taskq_task *task, double done, double total, const char *message)
{
    struct task_inside *t = inside(task);
    int64_t now = now_ns();
    bool has_done = isfinite(done) && done >= 0;
    if ((!has_done && !message) || now - t->reported < PROGRESS_EVERY_NS)
        return;
    t->reported = now;
    struct buffer *b = &t->server->out;
    buffer_clear(b);
    json_write_raw(b, "{");
    json_write_key(b, "id");
    json_write_uint(b, task->id);
    json_write_key(b, "progress");
    json_write_raw(b, "{");
    if (has_done) {
        json_write_key(b, "done");
        json_write_double(b, done);
    }
    if (isfinite(total) && total >= 0) {
        json_write_key(b, "total");
        json_write_double(b, total);
    }
    if (message) {
        json_write_key(b, "message");
        json_write_bytes(b, cut_message(message));
    }
    json_write_raw(b, "}}\n");
    if (!b->failed)
        send_all(t->server->fd, b->data, b->len);
}

static int call_cancelled(struct taskq_task *task)
{
    char byte;
    ssize_t n = recv(inside(task)->server->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

static const struct taskq_task_calls calls = {
    .size = sizeof calls,
    .result = call_result,
    .error = call_error,
    .error_text = call_error_text,
    .delay = call_delay,
    .bury = call_bury,
    .progress = call_progress,
    .cancelled = call_cancelled,
};

// ---- processor time

// A function that uses more than it may cannot be stopped alone: the job fails, and the host ends.
static void on_cpu_used_up(int signo, siginfo_t *info, void *context)
{
    struct server *s = info->si_value.sival_ptr;
    (void)context;
    if (info->si_code == SI_TIMER)
        (void)!write(s->fd, s->cpu_line, s->cpu_line_len);
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

static bool set_string(struct buffer *b, const struct json_value *v)
{
    struct slice text;
    buffer_clear(b);
    if (!buffer_reserve(b, v->raw.len + 1) || !json_value_string(v, b->data, b->cap - 1, &text, NULL))
        return false;
    if (text.data != b->data)
        memcpy(b->data, text.data, text.len);
    b->len = text.len;
    buffer_append_byte(b, '\0');
    return true;
}

static bool read_job(struct server *s, struct slice line, struct taskq_task *task)
{
    struct json_reader r;
    struct json_value key, value;
    uint64_t attempt = 0;
    bool fine = true;
    json_reader_init(&r, line.data, line.len);
    r.depth_max = JSON_DEPTH_LIMIT; // a body may be as deep as the daemon allows, within this line's object
    if (json_reader_object_begin(&r))
        while (json_reader_member(&r, &key, &value)) {
            if (json_string_is(&key, "id"))
                fine = json_value_uint53(&value, &task->id) && fine;
            else if (json_string_is(&key, "delivery"))
                fine = json_value_uint53(&value, &task->delivery) && fine;
            else if (json_string_is(&key, "attempt"))
                fine = json_value_uint53(&value, &attempt) && fine;
            else if (json_string_is(&key, "queue"))
                fine = set_string(&s->queue, &value) && fine;
            else if (json_string_is(&key, "body"))
                fine = set_text(&s->body, value.raw.data, value.raw.len) && fine;
        }
    buffer_append_byte(&s->body, '\0');
    if (!json_reader_end(&r) || !fine || s->body.failed || s->queue.len == 0 || s->body.len == 0)
        return false;
    task->calls = &calls;
    task->attempt = (unsigned)attempt;
    task->queue = s->queue.data;
    task->body = s->body.data;
    task->body_len = s->body.len - 1;
    return true;
}

// JSON text in one line, or none at all.
static bool one_line(struct buffer *b)
{
    if (!json_text_valid(b->data, b->len))
        return false;
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] == '\n')
            b->data[i] = ' '; // between tokens: within a string it cannot stand
    return true;
}

static void write_error(struct buffer *b, struct task_inside *t, int status)
{
    json_write_key(b, "error");
    if (t->error.len > 0 && one_line(&t->error)) {
        json_write_slice(b, (struct slice){t->error.data, t->error.len});
    } else if (t->error.len > 0) {
        json_write_bytes(b, (struct slice){t->error.data, t->error.len});
    } else {
        json_write_raw(b, "{");
        json_write_key(b, "status");
        json_write_int(b, status);
        json_write_raw(b, "}");
    }
    if (t->delay >= 0) {
        json_write_key(b, "delay");
        json_write_double(b, t->delay);
    }
    if (t->buried) {
        json_write_key(b, "bury");
        json_write_bool(b, true);
    }
}

static void write_answer(struct server *s, struct task_inside *t, int status)
{
    struct buffer *b = &s->out;
    buffer_clear(b);
    json_write_raw(b, "{");
    json_write_key(b, "id");
    json_write_uint(b, t->task.id);
    if (status != 0) {
        write_error(b, t, status);
    } else if (t->result.len == 0) {
        json_write_key(b, "result");
        json_write_raw(b, "null");
    } else if (one_line(&t->result)) {
        json_write_key(b, "result");
        json_write_slice(b, (struct slice){t->result.data, t->result.len});
    } else {
        json_write_key(b, "error");
        json_write_raw(b, "{\"module\":\"the result is not JSON\"}");
    }
    json_write_raw(b, "}\n");
}

// False: no memory for what the function said; the stream's end makes the daemon try again.
static bool run_job(struct server *s, struct slice line)
{
    struct task_inside t = {.server = s, .delay = -1, .reported = now_ns() - PROGRESS_EVERY_NS};
    bool said = read_job(s, line, &t.task);
    if (said) {
        limit_cpu(s, t.task.id);
        int status = s->host->function(&t.task);
        unlimit_cpu(s);
        write_answer(s, &t, status);
        said = !t.no_memory && !s->out.failed;
    }
    if (said)
        send_all(s->fd, s->out.data, s->out.len);
    buffer_release(&t.result);
    buffer_release(&t.error);
    return said;
}

static void shrink(struct server *s)
{
    if (s->out.cap > KEEP_MAX)
        buffer_release(&s->out);
    if (s->body.cap > KEEP_MAX)
        buffer_release(&s->body);
}

static void serve(struct server *s)
{
    struct slice line;
    for (;;) {
        while (line_reader_next(&s->in, SIZE_MAX, &line) == LINE_READ) {
            if (!run_job(s, line))
                return;
            shrink(s);
        }
        enum fill fill = line_reader_fill(&s->in, s->fd);
        if (fill == FILL_END || fill == FILL_NO_MEMORY)
            return;
    }
}

// ---- threads

static void server_free(struct server *s)
{
    if (s->has_timer)
        timer_delete(s->timer);
    close(s->fd);
    line_reader_release(&s->in);
    buffer_release(&s->out);
    buffer_release(&s->queue);
    buffer_release(&s->body);
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
    s->fd = fd;
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
