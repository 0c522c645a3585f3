#include "common/log_writer.h"

#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// One buffer is filled while the other is written.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, done; // on the monotonic clock
    char rooms[2][LOG_ROOM];
    unsigned filling; // which of them
    size_t len;       // in it
    bool threaded, writing, look;
    int fd, next_fd;  // where lines go; where they are to go from now on, or the same
    size_t next_from; // of the buffer that is filled: what is for the next one
    uint64_t dropped, told;
    bool failing; // the last line could not be written: to say so is of no use
    void (*quiet)(uint64_t dropped);
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .next_fd = STDERR_FILENO};

static bool write_line(int fd, const char *line, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, line, len);
        if (n < 0 && errno == EAGAIN) // a descriptor that somebody else made so
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            line += n;
            len -= (size_t)n;
        }
    }
    return true;
}

// *failing: the last could not be written.
// A line a write, so that they stay whole among those of other processes. Returns how many could not be
// written.
static uint64_t write_lines(int fd, const char *at, size_t len, bool *failing)
{
    uint64_t lost = 0;
    for (const char *end = at + len, *next; at < end; at = next) {
        next = memchr(at, '\n', (size_t)(end - at));
        next = next ? next + 1 : end;
        *failing = !write_line(fd, at, (size_t)(next - at));
        lost += *failing;
    }
    return lost;
}

// The lock is held.
static void take_next_fd(void)
{
    if (writer.fd == writer.next_fd)
        return;
    if (writer.fd > STDERR_FILENO)
        close(writer.fd);
    writer.fd = writer.next_fd;
}

void log_writer_add(const char *line, size_t len)
{
    pthread_mutex_lock(&writer.lock);
    if (!writer.threaded) {
        take_next_fd();
        writer.dropped += !write_line(writer.fd, line, len);
    } else if (writer.len + len > LOG_ROOM) {
        writer.dropped++;
    } else {
        memcpy(writer.rooms[writer.filling] + writer.len, line, len);
        writer.len += len;
        if (!writer.writing)
            pthread_cond_signal(&writer.work);
    }
    pthread_mutex_unlock(&writer.lock);
}

static struct timespec after(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

// The lock is held, but not meanwhile.
static void write_part(const char *lines, size_t len)
{
    int fd = writer.fd;
    bool failing = writer.failing;
    pthread_mutex_unlock(&writer.lock);
    uint64_t lost = write_lines(fd, lines, len, &failing);
    pthread_mutex_lock(&writer.lock);
    writer.failing = failing;
    writer.dropped += lost;
}

// Writes what has gathered: what was logged before the change of the descriptor to the one before.
static void write_gathered(void)
{
    const char *room = writer.rooms[writer.filling];
    bool change = writer.fd != writer.next_fd;
    size_t len = writer.len, before = change ? writer.next_from : len;
    writer.filling = !writer.filling;
    writer.len = writer.next_from = 0;
    write_part(room, before);
    if (change)
        take_next_fd();
    write_part(room + before, len - before);
}

static bool has_to_tell(void)
{
    return writer.dropped > writer.told && !writer.failing;
}

// Something is to be said beside what was logged. The lock is held, but not meanwhile.
static void call_quiet(void)
{
    uint64_t dropped = writer.dropped - writer.told;
    writer.told = writer.dropped;
    writer.look = false;
    writer.writing = true; // a flush waits for what is said
    pthread_mutex_unlock(&writer.lock);
    writer.quiet(dropped);
    pthread_mutex_lock(&writer.lock);
}

static void *run(void *context)
{
    struct timespec look = after(LOG_WRITER_LOOK_MS);
    (void)context;
    pthread_mutex_lock(&writer.lock);
    for (;;) {
        writer.writing = writer.len > 0;
        if (writer.writing) {
            write_gathered();
            continue;
        }
        take_next_fd();
        pthread_cond_broadcast(&writer.done);
        if (!has_to_tell() && !writer.look) {
            pthread_cond_wait(&writer.work, &writer.lock);
            look = after(LOG_WRITER_LOOK_MS);
        } else if (has_to_tell() || pthread_cond_timedwait(&writer.work, &writer.lock, &look) == ETIMEDOUT) {
            call_quiet();
            look = after(LOG_WRITER_LOOK_MS);
        }
    }
    return NULL;
}

bool log_writer_start(void (*quiet)(uint64_t dropped))
{
    pthread_condattr_t attr;
    pthread_attr_t how;
    pthread_t thread;
    sigset_t all, before;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.work, &attr);
    pthread_cond_init(&writer.done, &attr);
    pthread_condattr_destroy(&attr);
    pthread_attr_init(&how);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED); // it may hang in a write to the very end
    sigfillset(&all);
    writer.quiet = quiet;
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_mutex_lock(&writer.lock);
    writer.threaded = pthread_create(&thread, &how, run, NULL) == 0;
    bool started = writer.threaded;
    pthread_mutex_unlock(&writer.lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    return started;
}

void log_writer_look(void)
{
    pthread_mutex_lock(&writer.lock);
    if (writer.threaded && !writer.look) {
        writer.look = true;
        pthread_cond_signal(&writer.work);
    }
    pthread_mutex_unlock(&writer.lock);
}

static bool flush(int ms)
{
    struct timespec end = after(ms);
    while (writer.threaded && (writer.len > 0 || writer.writing || has_to_tell()))
        if (pthread_cond_timedwait(&writer.done, &writer.lock, &end) == ETIMEDOUT)
            break;
    return !writer.threaded || (writer.len == 0 && !writer.writing);
}

bool log_writer_flush(int ms)
{
    pthread_mutex_lock(&writer.lock);
    bool all = flush(ms);
    pthread_mutex_unlock(&writer.lock);
    return all;
}

void log_writer_stop(int ms)
{
    pthread_mutex_lock(&writer.lock);
    if (flush(ms))
        writer.threaded = false; // else nobody reads, and a line more would wait for ever
    pthread_mutex_unlock(&writer.lock);
}

void log_writer_to(int fd_take)
{
    pthread_mutex_lock(&writer.lock);
    if (writer.next_fd == writer.fd)
        writer.next_from = writer.len;
    else if (writer.next_fd > STDERR_FILENO)
        close(writer.next_fd);
    writer.next_fd = fd_take >= 0 ? fd_take : STDERR_FILENO;
    if (!writer.threaded)
        take_next_fd();
    else
        pthread_cond_signal(&writer.work); // so that a file that was moved away is let go
    pthread_mutex_unlock(&writer.lock);
}

uint64_t log_writer_dropped(void)
{
    pthread_mutex_lock(&writer.lock);
    uint64_t dropped = writer.dropped;
    pthread_mutex_unlock(&writer.lock);
    return dropped;
}
