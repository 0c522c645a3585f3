// The state of a loading, for the two files that work on it: load.c reads the log, resume.c readies it for
// writing.
#ifndef SERVER_STORE_LOAD_H
#define SERVER_STORE_LOAD_H

#include "server/store/log.h"

struct numbers {
    uint32_t *items;
    size_t count, capacity;
};

struct load {
    struct log *log;
    const struct store_loader *loader;
    char *message; // the store's
    struct numbers logs, spares, makings;
    struct io_stat *seen; // of the files that are used, to know one under its second name
    size_t seen_count;

    uint8_t *buffer; // the segment that was read last
    size_t capacity, size;
    struct format_head head;
    struct io_stat stat;
    bool have_id;

    uint32_t oldest, tail;
    uint64_t expected;    // number of the next batch; 0: not known yet
    uint32_t end_segment; // where frames ended last
    uint64_t end_offset;
    uint64_t done;
};

// resume.c: after the log was read, brings the folder's files in order and makes the log ready to be written
// on.
enum store_error load_resume(struct load *l);

#endif
