// A doubly linked list whose links stand in what it links, so that nothing allocates and anything can leave
// at once. A list is a ring through its head; a link that is in no list points to itself. One thread.
#ifndef CLIENT_LIST_H
#define CLIENT_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

// The struct that holds a link.
#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

// Leaves the list it is in, if it is in one.
static inline void list_leave(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

// Leaves the list it is in and becomes the last of this one.
static inline void list_append(struct list *l, struct list *link)
{
    list_leave(link);
    link->prev = l->prev;
    link->next = l;
    l->prev->next = link;
    l->prev = link;
}

// All of `from` goes behind what is in `l`.
static inline void list_splice(struct list *l, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = l->prev;
    l->prev->next = from->next;
    from->prev->next = l;
    l->prev = from->prev;
    list_init(from);
}

#endif
