// POST /rpc: requests of the protocol, which the loop's dispatcher carries out.
//
// The HTTP thread.
#ifndef ADMIN_POST_H
#define ADMIN_POST_H

#include "server/admin/exchange.h"

#include <stdbool.h>
#include <stddef.h>

// Its head is there: refuses it, or waits for its body.
void post_begin(struct http *h, const struct head *head);

// Takes what there is of the body from data + *used on. False: more has to come.
bool post_take_body(struct http *h, const char *data, size_t len, size_t *used);

// The body is whole, or the dispatcher takes more: gives it what it can take, which may answer at once.
void post_ask(struct http *h);

#endif
