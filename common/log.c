#include "common/log.h"

#include "common/clock.h"
#include "common/log_line.h"
#include "common/log_writer.h"
#include "common/pace.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct log_event_row rows[LOG_EVENT_COUNT] = {
#define X(constant, name, level, kind, text) {name, text, LOG_LEVEL_##level, LOG_KIND_##kind},
    LOG_EVENTS(X)
#undef X
};
static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const char *const journal_prefixes[] = {"<7>", "<6>", "<4>", "<3>"}; // sd-daemon(3)

static atomic_int threshold = LOG_LEVEL_INFO, format = LOG_LOGFMT;
static atomic_bool journal, to_file;

static struct flood floods[LOG_EVENT_COUNT]; // of limited events
static const struct pace_rate rate = {.each = LOG_EVERY_MS * NS_A_MS,
                                      .ahead = LOG_BURST * LOG_EVERY_MS * NS_A_MS};

const struct log_event_row *log_event_row(enum log_event event)
{
    return &rows[event];
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format f)
{
    atomic_store_explicit(&format, (int)f, memory_order_relaxed);
}

static bool wanted(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

// Whether the event may be written now; *left_out: how many of it were not before.
static bool may_say(enum log_event event, uint64_t *left_out)
{
    *left_out = 0;
    if (!(rows[event].kind & LOG_KIND_LIMITED) || flood_pass(&floods[event], &rate, clock_ns(), left_out))
        return true;
    log_writer_look();
    return false;
}

// ---- lines

#define LINE_MAX_PREFIXED (3 + LOG_LINE_MAX)

// Returns the line's length.
static size_t make_line(char line[LINE_MAX_PREFIXED], bool for_file, enum log_event event,
                        enum log_level level, uint64_t job, uint64_t left_out, const struct log_field *fields,
                        unsigned count)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct log_time time = {now.tv_sec, (unsigned)(now.tv_nsec / 1000000)};
    bool to_journal = atomic_load_explicit(&journal, memory_order_relaxed) && !for_file;
    struct log_head head = {.format = (enum log_format)atomic_load_explicit(&format, memory_order_relaxed),
                            .time = &time,
                            .level = level,
                            .event = rows[event].name,
                            .text = rows[event].text,
                            .job = job,
                            .left_out = left_out};
    if (to_journal && head.format == LOG_LOGFMT)
        head.time = NULL;
    size_t prefix = to_journal ? 3 : 0;
    memcpy(line, journal_prefixes[level], prefix);
    return prefix + log_line_write(line + prefix, &head, fields, count);
}

static void write_line(enum log_event event, enum log_level level, uint64_t job, uint64_t left_out,
                       const struct log_field *fields, unsigned count)
{
    char line[LINE_MAX_PREFIXED];
    bool for_file = atomic_load_explicit(&to_file, memory_order_relaxed);
    log_writer_add(line, make_line(line, for_file, event, level, job, left_out, fields, count));
}

void log_write(enum log_event event, uint64_t job, const struct log_field *fields, unsigned count)
{
    uint64_t left_out;
    assert(job == 0 || (rows[event].kind & LOG_KIND_JOB));
    if (wanted(rows[event].level) && may_say(event, &left_out))
        write_line(event, rows[event].level, job, left_out, fields, count);
}

void log_write_aloud(enum log_event event, const struct log_field *fields, unsigned count)
{
    char line[LINE_MAX_PREFIXED];
    log_write(event, 0, fields, count);
    if (!atomic_load(&to_file) || !wanted(rows[event].level))
        return;
    // Where there is room a pipe takes a whole line.
    if (poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, 0) == 1)
        (void)!write(STDERR_FILENO, line,
                     make_line(line, false, event, rows[event].level, 0, 0, fields, count));
}

// ---- where to

void log_to(int fd_take)
{
    atomic_store(&to_file, fd_take >= 0);
    log_writer_to(fd_take);
}

void log_look_for_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM"); // "device:inode", systemd.exec(5)
    struct stat s;
    char text[64];
    if (!stream || fstat(STDERR_FILENO, &s))
        return;
    snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)s.st_dev, (uintmax_t)s.st_ino);
    atomic_store(&journal, strcmp(stream, text) == 0);
}

// What nobody was told yet: lines that were dropped, and events that were left out when their flood is over.
static void catch_up(uint64_t dropped)
{
    bool more = false;
    if (dropped > 0)
        log_event(LOG_LOG_DROPPED, KV("lines", dropped));
    for (unsigned i = 0; i < LOG_EVENT_COUNT; i++) {
        uint64_t left_out;
        if (flood_settle(&floods[i], &rate, clock_ns(), &left_out) && wanted(rows[i].level))
            write_line((enum log_event)i, rows[i].level, 0, left_out, NULL, 0);
        more = more || atomic_load(&floods[i].left_out) > 0;
    }
    if (more)
        log_writer_look();
}

bool log_start(void)
{
    return log_writer_start(catch_up);
}

bool log_flush(int ms)
{
    return log_writer_flush(ms);
}

void log_stop(int ms)
{
    log_writer_stop(ms);
}

uint64_t log_dropped(void)
{
    return log_writer_dropped();
}
