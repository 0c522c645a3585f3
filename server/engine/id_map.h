// Jobs by their ids. Ids are given out one after the other, so neighbours share a page, and only the pages
// are hashed: putting a job touches no other job's memory, and taking jobs in their order stays in one page.
// 10 bytes a job where ids are dense.
#ifndef ENGINE_ID_MAP_H
#define ENGINE_ID_MAP_H

#include "server/engine/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_PAGE 16 // neighbours in a page

struct job;
struct id_page;

struct id_map {
    struct table pages;
    struct id_page *spare;  // for the next insert that needs one
    struct id_page *newest; // where the last insert was: the next is most likely there, too
    size_t count;           // of jobs
};

bool id_map_init(struct id_map *m) __attribute__((warn_unused_result)); // false: no memory
void id_map_release(struct id_map *m);                                  // its jobs are the owner's

// Whether the next insert is sure to succeed; allocates for it. False: no memory.
bool id_map_ready(struct id_map *m) __attribute__((warn_unused_result));

// The id must be free, and id_map_ready() have said yes.
void id_map_insert(struct id_map *m, uint64_t id, struct job *j);

// NULL: there is none.
struct job *id_map_find(const struct id_map *m, uint64_t id);

// The job at the next id above *id, or below it, which becomes *id. NULL: there is none; where its neighbours
// are none either, *id passes over all of them, as there are gaps of a million ids between two starts.
struct job *id_map_step(const struct id_map *m, uint64_t *id, bool down);

// As id_map_find for several, whose ways through memory then overlap instead of being waited for one after
// the other. At most ID_MAP_TOGETHER of them.
#define ID_MAP_TOGETHER 64
void id_map_find_together(const struct id_map *m, const uint64_t *ids, unsigned count, struct job **jobs);

// The jobs of ids ID_PAGE * number to ID_PAGE * number + ID_PAGE - 1, NULL where there is none. False: none
// of them is.
bool id_map_page(const struct id_map *m, uint64_t number, struct job *jobs[ID_PAGE]);

// The id must be in the map.
void id_map_remove(struct id_map *m, uint64_t id);

// All of them, in no order: begins with a zeroed cursor, NULL at the end. Nothing may be inserted meanwhile,
// and nothing removed.
struct id_cursor {
    size_t bucket;
    struct table_node *page;
    unsigned place;
};
struct job *id_map_next(const struct id_map *m, struct id_cursor *c);

#endif
