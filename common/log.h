// The log: one line an event on standard error, with time, level and key=value pairs. Never a body, never a
// secret.
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

// Lines below this level are not written. Any thread.
void log_set_level(enum log_level level);

// Writes one line: a plain sentence first, then `key=value` pairs if any; no newline. One write, so that
// lines of several threads do not mix; control characters in it are replaced, so that input cannot forge a
// line. Any thread.
__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
