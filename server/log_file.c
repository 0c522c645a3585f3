#include "server/log_file.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A pipe that nobody reads would hold up the end of the daemon, and a folder is a mistake.
static bool is_file(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 && (S_ISREG(s.st_mode) || S_ISCHR(s.st_mode));
}

bool log_file_open(const char *path, char why[LOG_FILE_WHY_MAX])
{
    if (!path || !*path) {
        log_to(-1);
        return true;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd >= 0 && is_file(fd)) {
        log_to(fd);
        return true;
    }
    snprintf(why, LOG_FILE_WHY_MAX, "log_file \"%s\": %s", path,
             fd < 0 ? strerror(errno) : "this is no file");
    if (fd >= 0)
        close(fd);
    return false;
}

void log_file_help(FILE *out)
{
    for (int i = 0; i < LOG_EVENT_COUNT; i++) {
        const struct log_event_row *row = log_event_row((enum log_event)i);
        fprintf(out, "%-20s %-8s %s%s%s\n", row->name, log_level_name(row->level), row->text,
                row->kind & LOG_KIND_JOB ? "; with the job's id" : "",
                row->kind & LOG_KIND_LIMITED ? "; at most five a second are written" : "");
    }
}

void log_file_reopen(const char *path)
{
    char why[LOG_FILE_WHY_MAX];
    if (!log_file_open(path, why))
        log_aloud(LOG_LOG_REFUSED, KV("why", why));
    else if (path && *path)
        log_event(LOG_LOG_OPENED, KV("file", path));
}
