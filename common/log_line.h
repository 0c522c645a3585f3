// One line of the log as text: bounded, and with nothing in it that could pass for another line or pair.
#ifndef COMMON_LOG_LINE_H
#define COMMON_LOG_LINE_H

#include "common/log.h"

// When it was, wall clock.
struct log_time {
    int64_t s;
    unsigned ms;
};

// What stands before the fields.
struct log_head {
    enum log_format format;
    const struct log_time *time; // NULL: left out
    enum log_level level;
    const char *event, *text;
    uint64_t job;      // 0: none
    uint64_t left_out; // lines of this event that were not written before it; 0: none
};

// Writes the line with its line feed; returns its length. Fields that have no room are left out.
size_t log_line_write(char line[LOG_LINE_MAX], const struct log_head *head, const struct log_field *fields,
                      unsigned count);

#endif
