// What somebody may do with a queue. A method's row names the roles of which one is needed.
#ifndef ACCESS_ROLE_H
#define ACCESS_ROLE_H

#define ROLES(X)                                                                                             \
    /* constant, name, text */                                                                               \
    X(PUT, "put", "put, submit and call jobs, ask for their results, cancel them")                           \
    X(TAKE, "take", "get jobs, and acknowledge, fail, release, bury, prolong them")                          \
    X(READ, "read", "look at jobs, results and figures, wait until all is done")                             \
    X(ADMIN, "admin", "declare, pause, shut down and drop the queue, delete and kick its jobs")

enum role_index {
#define X(constant, name, text) ROLE_INDEX_##constant,
    ROLES(X)
#undef X
        ROLE_COUNT
};

// Sets of roles are the bits of these.
enum role {
#define X(constant, name, text) ROLE_##constant = 1 << ROLE_INDEX_##constant,
    ROLES(X)
#undef X
        ROLE_ALL = (1 << ROLE_COUNT) - 1
};

// All names, with a space between.
const char *role_words(void);

// One of them, by its enum role_index.
const char *role_name(enum role_index role);

// "put", "put or read": all of a set, for a sentence. Cut where it does not fit.
#define ROLE_TEXT_MAX 64
const char *role_print(unsigned roles, char text[ROLE_TEXT_MAX]);

#endif
