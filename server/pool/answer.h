// What a child says about its job: one line, one JSON object.
//
//     {"id":N,"result":<any JSON>}
//     {"id":N,"error":<any JSON>}        and optionally "delay":seconds, or "bury":true
//     {"id":N,"progress":{"done":…,"total":…,"message":"…"}}
//
// No process, no engine; nothing is allocated. Any thread.
#ifndef SERVER_POOL_ANSWER_H
#define SERVER_POOL_ANSWER_H

#include "common/progress.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_DELAY_MAX ((int64_t)1000000000000) // ms, as the protocol has it for delays

// How far a job is, and where its message stands: not to be copied.
struct progress_report {
    struct progress_text text;
    char message[PROGRESS_MESSAGE_MAX];
};

enum answer_kind { ANSWER_RESULT, ANSWER_ERROR, ANSWER_PROGRESS };

struct answer {
    enum answer_kind kind;
    struct slice value; // RESULT and ERROR: the JSON text, within the line
    int64_t delay;      // ERROR: ms until the next attempt; -1: the backoff
    bool bury;          // ERROR: there shall be no next attempt
};

// Reads a line (without its newline) about job `id`. PROGRESS is put in `progress`, which else is left alone.
// False: it is none, and *why a static text, to go on after "the child's answer ".
bool answer_parse(struct slice line, uint64_t id, struct answer *a, struct progress_report *progress,
                  const char **why) __attribute__((warn_unused_result));

#endif
