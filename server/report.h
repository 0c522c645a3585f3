// What the pool and the store say of themselves, as JSON for `pool` and `stats`. Any thread.
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H

struct buffer;
struct committer;
struct pool;

// Appends the array of handlers with what each runs now; NULL: there is no pool.
void report_pool(struct pool *pool, struct buffer *out);

// Appends the object of the store's figures.
void report_store(struct committer *committer, struct buffer *out);

#endif
