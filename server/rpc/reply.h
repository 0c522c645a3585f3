// Writes replies and the objects in them.
#ifndef RPC_REPLY_H
#define RPC_REPLY_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/slice.h"
#include "server/engine/engine.h"

// `{"jsonrpc":"2.0","id":…,"result":`, to be followed by the result and reply_end(). An empty id becomes
// null.
void reply_begin(struct buffer *b, struct slice id);
void reply_end(struct buffer *b);

// What an error reply says; text NULL: the error's own. `param` stands as between quotes in JSON.
struct reply_error {
    enum error error;
    const char *text;
    struct slice param;
    size_t offset; // SIZE_MAX: none
    uint64_t job;  // 0: none
};
void reply_error(struct buffer *b, struct slice id, const struct reply_error *e);
void reply_plain_error(struct buffer *b, struct slice id, enum error error);

// A whole reply to `result`, be it a result or the error that a failed or cancelled job is.
void reply_outcome(struct buffer *b, struct slice id, uint64_t job, const struct outcome *outcome);

// Whole notifications: a job ended (error as it comes with the outcome; any other: it was removed), or its
// progress, whose members are given.
void write_finished(struct buffer *b, uint64_t job, enum error error, const struct outcome *outcome);
void write_progress(struct buffer *b, uint64_t job, struct slice members);

// For the request of this id: a job is in another state; so many events were missed.
void write_event(struct buffer *b, struct slice request, const struct job_event *event);
void write_missed(struct buffer *b, struct slice request, uint64_t count);

// Objects.
void write_taken(struct buffer *b, struct slice queue, const struct taken *job);
void write_put(struct buffer *b, uint64_t id, bool existing);
void write_queue_settings(struct buffer *b, const struct queue_settings *s); // the members alone

#endif
