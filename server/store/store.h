// The store: what the daemon keeps across a stop, as records (kind, id) → bytes.
//
// The newest put of a (kind, id) counts, a delete ends it. All live records stand in the owner's memory; the
// store keeps no index of them. Instead the owner keeps, for every record, the place where its newest put
// lies (a struct store_place) and hands it back when the record is put again or deleted, so the store can
// count what still lives in each segment of its log. What the bytes mean is the owner's business.
//
// A batch is a list of puts and deletes that is on disk wholly or not at all. One batch is one write and one
// sync.
//
//     store_open_log() → store_load() → { store_batch_begin() → store_batch_put()/_delete()… → store_commit()
//     }… → store_close()
//
// Threads: a store is called by one thread at a time (the committer), except for store_snapshot_copy(). With
// `helper` set it runs a thread of its own that makes segments ready and takes retired ones away; no callback
// is ever called from it. A process that forks without exec must do so before it opens a store, as the lock
// would live on in the child.
//
// Errors: every call that can fail gives an enum store_error, and store_message() has one line about it. A
// write or a sync that fails is never tried again: the store takes no further batch (STORE_FAILED) and the
// owner is meant to stop loudly. Lack of space is told before it is met: see store_space().
#ifndef SERVER_STORE_STORE_H
#define SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct store_io;
struct store_snapshot;

#define STORE_ERRORS(X)                                                                                      \
    /* constant, what it means */                                                                            \
    X(MISSING, "the data folder's parent does not exist")                                                    \
    X(NOT_A_FOLDER, "the data folder is not a folder")                                                       \
    X(PERMISSION, "no permission to use the data folder")                                                    \
    X(READ_ONLY, "the data folder is on a read-only file system")                                            \
    X(LOCKED, "another process uses the data folder")                                                        \
    X(VERSION, "the data folder was written by another version")                                             \
    X(DAMAGED, "the log is damaged")                                                                         \
    X(NO_SPACE, "the disk is full")                                                                          \
    X(TOO_LARGE, "the batch is larger than the store takes")                                                 \
    X(IO, "the disk failed")                                                                                 \
    X(MEMORY, "out of memory or of file descriptors")                                                        \
    X(OPTION, "an option is out of its range")                                                               \
    X(STOPPED, "the owner stopped the loading")                                                              \
    X(FAILED, "an earlier write failed, so the store takes nothing more")

enum store_error {
    STORE_OK = 0,
#define X(constant, text) STORE_##constant,
    STORE_ERRORS(X)
#undef X
        STORE_ERROR_COUNT
};

// What the error means in general; a store's message says what happened. Any thread.
const char *store_error_text(enum store_error e);

#define STORE_MESSAGE_MAX     512
#define STORE_SEGMENT_DEFAULT (16u << 20)
#define STORE_SEGMENT_MIN     (64u << 10)
#define STORE_SEGMENT_MAX     (256u << 20)

// Bytes that a record of `length` bytes takes in a batch and in the log: its head of 16 bytes, and up to 7 of
// padding.
#define STORE_RECORD_SIZE(length) (16u + (((uint64_t)(length) + 7u) & ~(uint64_t)7u))

// Where a record's newest put lies. The owner keeps it (`length` it usually knows anyhow: the bytes of the
// record without head and padding) and hands it back exactly. Segment 0: nowhere.
struct store_place {
    uint32_t segment;
    uint32_t length;
};

enum store_mode {
    STORE_WRITE, // locks the folder for itself; makes it (mode 0700) if its parent exists
    STORE_READ,  // for checks and dumps: changes nothing, refuses while a writer runs, keeps writers off
                 // meanwhile
};

struct store_options {
    const char *path; // the data folder
    enum store_mode mode;
    bool recover; // leave damaged parts of the log out, and say so, instead of refusing
    bool helper;  // make segments ready on a thread of the store's own; else inside store_commit()
    uint32_t
        segment_size; // bytes, a multiple of 4096 in [STORE_SEGMENT_MIN, STORE_SEGMENT_MAX]; 0: the default
    uint64_t slack; // bytes by which the files may exceed twice the live bytes; 0: four segments (the least)
    const struct store_io *io; // the system calls; NULL: the system's own
};

// The smallest segment size, not below the default, whose batches can hold a record of `length` bytes and as
// much again beside it; 0 if there is none.
uint32_t store_segment_size_for(uint64_t length);

// Opens the folder and takes its lock. `message` gets one line when it fails. Next comes store_load().
__attribute__((warn_unused_result)) enum store_error
store_open_log(const struct store_options *options, struct store **out, char message[STORE_MESSAGE_MAX]);

// The store of `-m`: it keeps nothing, counts nothing and never fails.
__attribute__((warn_unused_result)) enum store_error store_open_memory(struct store **out);

// False for the memory store: nothing need be put into batches at all.
bool store_keeps(const struct store *store);

// Frees everything and gives the lock back. A batch that was begun and not committed is dropped. NULL is
// fine.
void store_close(struct store *store);

// One line about the last error, valid until the next call.
const char *store_message(const struct store *store);

// --- Loading ---

struct store_record {
    uint8_t kind;
    bool deleted; // then bytes is NULL and length 0
    uint32_t length;
    uint64_t id;
    const void *bytes; // 8-byte aligned, valid during the call only
    uint32_t segment;  // of this put; with length it makes the record's place
};

struct store_loader {
    void *arg;
    // Every record of the log, puts and deletes, in the order of writing: the same (kind, id) may come often,
    // and a delete may come for one that never came. *old comes as {0, 0}; the callback sets it to the place
    // of the put that this one ends, exactly as with store_batch_put(). Anything but STORE_OK ends the
    // loading with that error.
    enum store_error (*record)(void *arg, const struct store_record *record, struct store_place *old);
    // Bytes read so far and in all. May be NULL.
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    // One line for each thing worth saying: a torn end that was cut, what --recover left out. NULL: it is
    // logged.
    void (*remark)(void *arg, const char *line);
};

// Reads and checks the whole log, once, right after opening. Only a torn frame at the very end is cut; all
// other damage is STORE_DAMAGED with file, offset and what is affected in the message, unless `recover` is
// set. A record whose bytes came is on disk when this returns, even if the process that wrote it died before
// its sync.
__attribute__((warn_unused_result)) enum store_error store_load(struct store *store,
                                                                const struct store_loader *loader);

// --- Batches ---

// The largest sum of STORE_RECORD_SIZE that a batch may have: a quarter of a segment, less two heads.
size_t store_batch_max(const struct store *store);

// Begins a batch whose records' STORE_RECORD_SIZE add up to `bytes` at most, and decides the segment that it
// goes to: the place of all its puts. STORE_NO_SPACE: nothing changed, the same may work after
// store_prepare(). STORE_TOO_LARGE likewise. A batch that has no record yet may be begun anew, with other
// bytes and perhaps another segment. May wait for the helper when segments fill faster than it makes them.
__attribute__((warn_unused_result)) enum store_error store_batch_begin(struct store *store, size_t bytes,
                                                                       uint32_t *segment);

// Adds a put. `old` is the place of the put that it replaces ({0, 0}: none). Returns where to write the
// record's `length` bytes, 8-byte aligned, before store_commit(). kind 1..255. Cannot fail within the
// promised bytes.
void *store_batch_put(struct store *store, uint8_t kind, uint64_t id, uint32_t length,
                      struct store_place old);

// Adds a delete (STORE_RECORD_SIZE(0) bytes) of the record whose put lies in `old`.
void store_batch_delete(struct store *store, uint8_t kind, uint64_t id, struct store_place old);

// Writes the batch and syncs it. STORE_OK: it is on disk. Anything else: it may be on disk wholly or not, and
// every later call says STORE_FAILED. A batch without records does nothing.
__attribute__((warn_unused_result)) enum store_error store_commit(struct store *store);

// --- Cleaning ---
//
// The log's files stay within twice the live bytes + slack (64 MiB by default), plus what is being written,
// because the live records of the oldest segment are written again, from the owner's memory, into coming
// batches. A segment without live bytes goes by itself at the next commit. The owner's part:
//
//     after each commit, and in a loop while idle:
//         if (store_clean_wanted(s)) store_clean_next(s, lives, arg) and commit what it marked
//
// One call does a share in proportion to the bytes committed since the last one (8 times as many bytes
// walked, 2 times as many marked, with a small least), so that cleaning keeps up and never holds up more than
// one batch.

// True while store_clean_next() has something to do. After a load with `recover` that left something out it
// is true until the damaged segments are gone: loop before serving, or the next start is refused again.
bool store_clean_wanted(const struct store *store);

// A put record of the oldest segment. If the owner's newest put of (kind, id) lies there, it must mark it to
// be put again in one of the coming batches, and set `lives`.
struct store_ref {
    uint64_t id;
    uint32_t size; // of the record in the log
    uint8_t kind;
    bool lives;
};

// Called for some of them at a time, up to STORE_REFS_MAX. The same record may come twice.
#define STORE_REFS_MAX 64
typedef void store_lives(void *arg, struct store_ref *refs, unsigned count, uint32_t segment);

__attribute__((warn_unused_result)) enum store_error store_clean_next(struct store *store, store_lives *lives,
                                                                      void *arg);

// --- Space ---

enum store_space {
    STORE_SPACE_OK,
    STORE_SPACE_LOW, // no further segment could be made: refuse what is new, keep acknowledging and cleaning
};

// *left: bytes that batches can still take without another segment being made (may be NULL). While space is
// low that is the reserve: the rest of the current segment, and one more segment unless that is used up too.
enum store_space store_space(const struct store *store, uint64_t *left);

// Tries again to make segments ready. To be called now and then (once a second, say) while space is low. With
// `helper` it only wakes it up. A failure other than lack of space makes the store fail.
void store_prepare(struct store *store);

// --- Backup ---
//
// A snapshot holds the files of the log as they are after the last commit: no segment is recycled until it
// ends, so the log may grow beyond its bound meanwhile. The copy is a store like any other.

__attribute__((warn_unused_result)) enum store_error store_snapshot_begin(struct store *store,
                                                                          struct store_snapshot **out);

// Copies the snapshot into the folder `to`, which must be empty or missing, and syncs it. From any thread
// while the store is used on; `goes_on` is told how far it came and ends the copy with STORE_STOPPED where it
// gives false; it may be NULL. What was copied is removed if it fails.
__attribute__((warn_unused_result)) enum store_error
store_snapshot_copy(const struct store_snapshot *snapshot, const char *to,
                    bool (*goes_on)(void *arg, uint64_t done, uint64_t total), void *arg,
                    char message[STORE_MESSAGE_MAX]);

// How much there is to copy.
void store_snapshot_size(const struct store_snapshot *snapshot, uint64_t *segments, uint64_t *bytes);

void store_snapshot_end(struct store *store, struct store_snapshot *snapshot);

// --- Figures ---

#define STORE_STATS(X)                                                                                       \
    /* member, is it a counter (else a gauge), what it is */                                                 \
    X(commits, true, "batches committed")                                                                    \
    X(records, true, "records committed, puts and deletes")                                                  \
    X(bytes, true, "bytes committed, frames and all")                                                        \
    X(sync_ns, true, "nanoseconds spent in syncs of commits")                                                \
    X(sync_max_ns, false, "nanoseconds that the longest sync took")                                          \
    X(cleaned_bytes, true, "bytes walked by cleaning")                                                       \
    X(cleaned_segments, true, "segments retired")                                                            \
    X(last_batch, false, "number of the newest batch on disk")                                               \
    X(segments, false, "segments in use")                                                                    \
    X(log_bytes, false, "bytes of the segments in use")                                                      \
    X(disk_bytes, false, "bytes of all files: segments in use, ready and spare")                             \
    X(live_bytes, false, "bytes of the records that live")

struct store_stats {
#define X(member, counter, text) uint64_t member;
    STORE_STATS(X)
#undef X
};

struct store_stats store_stats(const struct store *store);

#endif
