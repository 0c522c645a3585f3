// The bytes of the log, as FORMAT.md describes them: reading and writing of heads, frames and records in
// memory. Pure functions over bytes: no file, no allocation. Any thread.
#ifndef SERVER_STORE_FORMAT_H
#define SERVER_STORE_FORMAT_H

#include "server/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_VERSION       1 // of segments
#define FORMAT_FRAME_VERSION 1

#define FORMAT_HEAD_SIZE  4096u // of a segment's head block
#define FORMAT_FRAME_SIZE 48u   // of a frame's head
#define FORMAT_ALIGN      8u    // of frames and records

// A segment's head.
struct format_head {
    uint32_t version;
    uint32_t number; // of the segment, from 1, never used twice
    uint64_t size;   // of the file, this block included
    uint8_t id[16];  // of the store: random, the same in all its segments
    uint64_t seed;   // of the checksums of this segment's frames: random, new whenever the file is used again
};

// A frame's head.
struct format_frame {
    uint16_t version; // set by reading; if it is not ours, the length means nothing
    uint64_t batch;   // from 1, growing by one
    uint32_t segment; // that it was written to
    uint32_t oldest;  // segment still in use once this frame is on disk; those before it are retired
    uint32_t length;  // of the records in bytes, a multiple of FORMAT_ALIGN
    uint32_t count;   // of records
};

enum format_verdict {
    FORMAT_GOOD,
    FORMAT_NONE,    // these bytes are no head (or no longer)
    FORMAT_TORN,    // the frame's head is whole, its records are not
    FORMAT_FOREIGN, // whole, but of a version that is not ours
};

void format_head_write(uint8_t block[FORMAT_HEAD_SIZE], const struct format_head *head);

// FORMAT_FOREIGN: only `version` is set.
enum format_verdict format_head_read(const uint8_t block[FORMAT_HEAD_SIZE], struct format_head *head);

// `bytes`: FORMAT_FRAME_SIZE bytes to fill, followed by the frame's records.
void format_frame_seal(uint8_t *bytes, const struct format_frame *frame, uint64_t seed);

// Whether a frame of the segment `number` begins at `bytes`, of which `available` may be read. FORMAT_NONE is
// told from the first FORMAT_FRAME_SIZE bytes; FORMAT_TORN sets *frame too.
enum format_verdict format_frame_read(const uint8_t *bytes, size_t available, uint32_t number, uint64_t seed,
                                      struct format_frame *frame);

// The first frame of the segment at or after *offset whose batch is at least `batch`; *offset becomes its
// place. False if there is none. A frame of another version counts as one.
bool format_frame_find(const uint8_t *segment, size_t size, const struct format_head *head, uint64_t batch,
                       size_t *offset, struct format_frame *frame);

// Whether these bytes, though no whole frame, look like the beginning of one of the segment `number`.
bool format_frame_resembles(const uint8_t *bytes, size_t available, uint32_t number);

// Writes a record's head and clears its padding; returns the place of its bytes.
uint8_t *format_record_write(uint8_t *at, uint8_t kind, bool deleted, uint64_t id, uint32_t length);

// The record at *offset within the `length` bytes of a good frame's records; *offset moves past it. False if
// it is not one. record->segment is left alone.
bool format_record_read(const uint8_t *records, size_t length, size_t *offset, struct store_record *record);

#endif
