// The files of the log: their names, how one is made, given its head and opened.
#ifndef SERVER_STORE_SEGMENT_H
#define SERVER_STORE_SEGMENT_H

#include "server/store/format.h"
#include "server/store/io.h"
#include "server/store/store.h"

#include <stdbool.h>
#include <stdint.h>

// A segment in use, as the store counts it.
struct segment {
    uint32_t number;
    bool
        damaged; // part of it was left out by --recover: nothing is written behind it, its file is kept apart
    bool missing;  // the file was not there (--recover)
    uint64_t size; // of the file
    uint64_t used; // where its frames end
    uint64_t live; // bytes of its records that live, heads and padding included
};

enum segment_kind {
    SEGMENT_LOG,     // 0000000001.log: of the log, or ready to become so
    SEGMENT_SPARE,   // 0000000001.spare: full size, its blocks written; waits to be used (again)
    SEGMENT_MAKING,  // 0000000001.making: not finished when the store stopped
    SEGMENT_DAMAGED, // 0000000001.damaged: left out by --recover and retired; never touched again
    SEGMENT_NONE,    // no file of ours
};

#define SEGMENT_NAME_MAX 24

void segment_name(char name[SEGMENT_NAME_MAX], uint32_t number, enum segment_kind kind);
enum segment_kind segment_of_name(const char *name, uint32_t *number);

// Where a store's files are and how they are reached; shared by the store's parts, constant once loaded.
struct segment_place {
    const struct store_io *io;
    int folder;
    const char *path; // for messages
    uint8_t id[16];   // of the store
};

// Makes a spare of `size` bytes, all of them written with zeros and synced, so that later writes need no new
// block and a sync of them no metadata. Nothing is left of it when it fails.
enum store_error segment_make_spare(const struct segment_place *place, uint32_t number, uint64_t size,
                                    char message[STORE_MESSAGE_MAX]);

// Turns the spare into the empty segment head->number, and opens it as *fd for reading and writing. When it
// fails the spare may be gone or not.
enum store_error segment_use_spare(const struct segment_place *place, uint32_t spare,
                                   const struct format_head *head, int *fd, char message[STORE_MESSAGE_MAX]);

// Opens a file of the log. The message names it.
enum store_error segment_open(const struct segment_place *place, uint32_t number, enum segment_kind kind,
                              bool write, int *fd, char message[STORE_MESSAGE_MAX]);

// Draws a new seed and fills a head for segment `number`.
enum store_error segment_new_head(const struct segment_place *place, uint32_t number, uint64_t size,
                                  struct format_head *head, char message[STORE_MESSAGE_MAX]);

#endif
