// What single puts and bulk puts share.
#ifndef CLIENT_PRODUCE_H
#define CLIENT_PRODUCE_H

#include "client/handle.h"

// NULL: the defaults.
const struct taskq_put_options *produce_options(const struct taskq_put_options *o);

// Builds a `put`, `submit` or `call` with this key, NULL for none.
void produce_request(struct taskq *q, const char *method, const char *queue, const char *body,
                     size_t body_len, const struct taskq_put_options *o, const char *key);

#endif
