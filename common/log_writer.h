// Where the log's lines go: written at once by whoever logs, or, once there is a thread for it, by that. What
// waits for the thread is bounded, and nobody waits for it. Any thread.
#ifndef COMMON_LOG_WRITER_H
#define COMMON_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Takes a whole line. It is dropped, and counted, where there is no room for it.
void log_writer_add(const char *line, size_t len);

// See common/log.h.
void log_writer_to(int fd_take);
bool log_writer_flush(int ms);
void log_writer_stop(int ms);
uint64_t log_writer_dropped(void);

// Starts the thread. `quiet` is called by it at least each LOG_WRITER_LOOK_MS while `log_writer_look` wants
// so, and after lines were dropped, with their number, once there is room again.
#define LOG_WRITER_LOOK_MS 1000
bool log_writer_start(void (*quiet)(uint64_t dropped));

// The thread calls `quiet` in a while.
void log_writer_look(void);

#endif
