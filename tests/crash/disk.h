// A disk in memory, for the store's tests: it serves struct store_io, keeps what was written apart from what
// was synced, and can be cut off from power at any moment.
//
// What a power loss leaves: of every sector of 512 bytes, of every file's size and of every name in the
// folder the synced state or any of the later ones, each chosen for itself. So unsynced writes are kept in
// any subset and any order, a rename may be kept half (both names, or none), and nothing of it is torn within
// a sector.
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include "server/store/io.h"

#include <stdint.h>

#define DISK_SECTOR 512

struct disk;

// A disk serves one thread.
struct disk *disk_new(uint64_t seed);
void disk_free(struct disk *disk);

// The calls to give to the store. One disk is one folder, whatever its path.
const struct store_io *disk_io(struct disk *disk);

// A copy as a power loss at this moment would leave it, by the numbers of `seed`; 0: with all that is
// unsynced, 1: with nothing of it.
struct disk *disk_after_power_loss(const struct disk *disk, uint64_t seed);

// A copy as a process killed at this moment leaves it: the kernel's cache stays, unsynced as it is.
struct disk *disk_after_kill(const struct disk *disk);

// The process died: its descriptors are closed, the kernel's cache stays.
void disk_kill(struct disk *disk);

// Called before each sync takes effect, so that everything the sync is for is still unsynced. NULL: no more.
void disk_at_sync(struct disk *disk, void (*hook)(void *arg), void *arg);

// Bytes that files may have in all; beyond that allocations and writes fail with ENOSPC.
void disk_set_capacity(struct disk *disk, uint64_t bytes);
uint64_t disk_used(const struct disk *disk);

// A file's bytes as the process sees them, to be looked at and damaged; NULL: no such file.
uint8_t *disk_file(struct disk *disk, const char *name, uint64_t *size);
int disk_remove(struct disk *disk, const char *name);

// Adds a file, synced as it is.
void disk_add(struct disk *disk, const char *name, const uint8_t *bytes, uint64_t size);

// The numbers that tests draw: the same seed, the same run.
uint64_t draw(uint64_t *state);
uint64_t draw_below(uint64_t *state, uint64_t limit);

#endif
