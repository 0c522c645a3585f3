// Gathers the requests of one round from a connection's bytes: lines, batches and their elements.
#ifndef RPC_INPUT_H
#define RPC_INPUT_H

#include "common/slice.h"

#include <stdbool.h>

struct dispatch;
struct request;
struct session;

struct input {
    const char *at, *end; // what has not been dealt with
    struct slice slow;    // out: a slow request, to be begun when the round is done
    bool batch_ends;      // out: the round holds the last elements of session.batch
};

// Fills the dispatcher's round with requests from in->at on, as many as there are and fit; each is ready to
// be carried out, or an error. A round is either of single requests or of elements of one batch, and a batch
// begins (session.batch is set) in a round without any.
void input_gather(struct dispatch *d, struct session *s, struct input *in);

// Goes back to a request that was not carried out.
void input_rewind(struct session *s, struct input *in, const struct request *r);

#endif
