// Builds a request in the handle: method and params. What a caller gave is checked as it is written; the
// first fault sticks, and request_check() turns it into TASKQ_USAGE, so callers write all params and look
// once.
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/handle.h"

void request_begin(struct taskq *q, const char *method);

// One param each. `text` NULL is a fault.
void request_text(struct taskq *q, const char *name, const char *text);
void request_texts(struct taskq *q, const char *name, const char *const *texts, size_t count);
void request_json(struct taskq *q, const char *name, const char *json, size_t len);
void request_uint(struct taskq *q, const char *name, uint64_t n);
void request_uints(struct taskq *q, const char *name, const uint64_t *n, size_t count);
void request_number(struct taskq *q, const char *name, double n); // finite
void request_true(struct taskq *q, const char *name);

// Seconds; left out where TASKQ_FOREVER.
void request_timeout(struct taskq *q, double timeout);

// The members of a JSON object, as params behind what was written. NULL: none.
void request_members(struct taskq *q, const char *object, size_t len);

// All params at once, in place of the others: a JSON object, or NULL for none.
void request_params(struct taskq *q, const char *object, size_t len);

// Ends the line. Fails the call where something was wrong, or memory ended.
enum taskq_error request_end(struct taskq *q);

#endif
