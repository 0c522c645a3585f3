#include "server/engine/id_map.h"

#include "common/slab.h"
#include "server/engine/core.h" // OWNER_OF
#include "server/engine/prefetch.h"

#include <assert.h>
#include <string.h>

struct id_page {
    struct table_node node;
    uint64_t number : 59; // its ids are from ID_PAGE * number on
    uint64_t count : 5;   // of its places that are taken
    struct job *jobs[ID_PAGE];
};

static_assert(ID_PAGE < 1 << 5, "a full page must be told from an empty one");

// The pages are mixed, so that survivors at regular distances do not share buckets.
static uint64_t hash_number(uint64_t number)
{
    uint64_t x = number * 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}

static uint64_t hash_page(const struct table_node *n)
{
    return hash_number(OWNER_OF(const struct id_page, node, n)->number);
}

bool id_map_init(struct id_map *m)
{
    *m = (struct id_map){0};
    return table_init(&m->pages, hash_page);
}

void id_map_release(struct id_map *m)
{
    for (size_t i = 0; i < m->pages.buckets; i++)
        for (struct table_node *n; (n = table_chain(&m->pages, i));) {
            table_remove_first(&m->pages, i);
            slab_free(OWNER_OF(struct id_page, node, n));
        }
    table_release(&m->pages);
    slab_free(m->spare);
    *m = (struct id_map){0};
}

static struct id_page *find_page(const struct id_map *m, uint64_t number)
{
    if (m->newest && m->newest->number == number)
        return m->newest;
    struct table_node *n = table_chain(&m->pages, hash_number(number));
    while (n && OWNER_OF(struct id_page, node, n)->number != number)
        n = n->next;
    return n ? OWNER_OF(struct id_page, node, n) : NULL;
}

bool id_map_ready(struct id_map *m)
{
    if (!m->spare && (m->spare = slab_alloc(sizeof *m->spare)))
        *m->spare = (struct id_page){0};
    return m->spare;
}

void id_map_insert(struct id_map *m, uint64_t id, struct job *j)
{
    uint64_t number = id / ID_PAGE;
    struct id_page *p = find_page(m, number);
    if (!p) {
        p = m->spare;
        assert(p);
        m->spare = NULL;
        p->number = number & ((UINT64_C(1) << 59) - 1);
        table_insert(&m->pages, &p->node);
    }
    m->newest = p;
    assert(!p->jobs[id % ID_PAGE]);
    p->jobs[id % ID_PAGE] = j;
    p->count++;
    m->count++;
}

struct job *id_map_find(const struct id_map *m, uint64_t id)
{
    struct id_page *p = find_page(m, id / ID_PAGE);
    return p ? p->jobs[id % ID_PAGE] : NULL;
}

struct job *id_map_step(const struct id_map *m, uint64_t *id, bool down)
{
    *id += down ? (uint64_t)-1 : 1;
    struct id_page *p = find_page(m, *id / ID_PAGE);
    if (p)
        return p->jobs[*id % ID_PAGE];
    *id = down ? *id / ID_PAGE * ID_PAGE : *id / ID_PAGE * ID_PAGE + ID_PAGE - 1;
    return NULL;
}

void id_map_find_together(const struct id_map *m, const uint64_t *ids, unsigned count, struct job **jobs)
{
    struct table_node *const *buckets[ID_MAP_TOGETHER];
    assert(count <= ID_MAP_TOGETHER);
    for (unsigned i = 0; i < count; i++) {
        buckets[i] = table_bucket(&m->pages, hash_number(ids[i] / ID_PAGE));
        prefetch(buckets[i]);
    }
    for (unsigned i = 0; i < count; i++)
        if (*buckets[i]) {
            const struct id_page *p = OWNER_OF(const struct id_page, node, *buckets[i]);
            prefetch(p);
            prefetch(&p->jobs[ids[i] % ID_PAGE]);
        }
    for (unsigned i = 0; i < count; i++) { // every third chain has a second page
        const struct table_node *n = *buckets[i];
        if (n && n->next && OWNER_OF(const struct id_page, node, n)->number != ids[i] / ID_PAGE) {
            const struct id_page *p = OWNER_OF(const struct id_page, node, n->next);
            prefetch(p);
            prefetch(&p->jobs[ids[i] % ID_PAGE]);
        }
    }
    for (unsigned i = 0; i < count; i++)
        jobs[i] = id_map_find(m, ids[i]);
}

bool id_map_page(const struct id_map *m, uint64_t number, struct job *jobs[ID_PAGE])
{
    const struct id_page *p = find_page(m, number);
    if (p)
        memcpy(jobs, p->jobs, sizeof p->jobs);
    return p;
}

void id_map_remove(struct id_map *m, uint64_t id)
{
    struct id_page *p = find_page(m, id / ID_PAGE);
    assert(p && p->jobs[id % ID_PAGE]);
    p->jobs[id % ID_PAGE] = NULL;
    m->count--;
    if (--p->count > 0)
        return;
    table_remove(&m->pages, &p->node);
    if (m->newest == p)
        m->newest = NULL;
    if (!m->spare)
        m->spare = p; // all places are empty, as the next insert wants it
    else
        slab_free(p);
}

struct job *id_map_next(const struct id_map *m, struct id_cursor *c)
{
    for (;;) {
        while (c->page && c->place < ID_PAGE) {
            struct job *j = OWNER_OF(struct id_page, node, c->page)->jobs[c->place++];
            if (j)
                return j;
        }
        if (c->page)
            c->page = c->page->next;
        while (!c->page && c->bucket < m->pages.buckets)
            c->page = table_chain(&m->pages, c->bucket++);
        c->place = 0;
        if (!c->page)
            return NULL;
    }
}
