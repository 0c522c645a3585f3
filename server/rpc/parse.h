// From a line to a typed, checked request.
#ifndef RPC_PARSE_H
#define RPC_PARSE_H

#include "server/rpc/method.h"
#include "server/rpc/request.h"

#include <stddef.h>

// Reads one JSON-RPC request, an object, from `text`, which must outlive the request. Whatever the text is,
// the request is complete afterwards: it is ready to be carried out, or has an error; request_release() is
// due either way. Of `call` rpc, arena, session and batch are used.
void request_parse(struct call *call, const char *text, size_t len, struct request *r);

// The same for an element of a batch that is known to be well-formed: reads the first value of `text`,
// whatever stands behind it, and returns how many bytes that took.
size_t request_parse_element(struct call *call, const char *text, size_t len, struct request *r);

// A request that is nothing but an error with the id null, about the text that begins at `start`.
void request_make_error(struct request *r, const char *start, enum error error, const char *text);

#endif
