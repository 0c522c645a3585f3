// What a `handler` section of the configuration says: which queues are served, by what, and within which
// limits. One row a setting and one row a kind; the parser, its checks and its help come from these tables.
#ifndef SERVER_POOL_HANDLER_SETTINGS_H
#define SERVER_POOL_HANDLER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDLER_NAME_MAX    255
#define HANDLER_WORKERS_MAX 1024 // of one handler
#define POOL_WORKERS_MAX    4096 // of all handlers together
#define HANDLER_QUEUES_MAX  64
#define HANDLER_WHY_MAX     512

#define HANDLER_KINDS(X)                                                                                     \
    /* constant, name, text */                                                                               \
    X(EXEC, "exec",                                                                                          \
      "runs `command` once for each job: the body on its standard input, what it prints is the "             \
      "result; exit status 0 is success, anything else a failed attempt")                                    \
    X(PROCESS, "process",                                                                                    \
      "keeps a child with `command` for each worker: it reads a job in one line of JSON on standard input "  \
      "and answers in one line on standard output")                                                          \
    X(MODULE, "module",                                                                                      \
      "calls `function` of the shared object `module` (taskq_module.h) on threads of a process of its own")  \
    X(ECHO, "echo", "the result is the body")                                                                \
    X(SLEEP, "sleep", "sleeps for as many seconds as the body says: 1.5 or {\"seconds\":1.5}")               \
    X(NOOP, "noop", "does nothing, successfully")                                                            \
    X(FAIL, "fail", "fails each attempt; the error is the body")

enum handler_kind {
#define X(constant, name, text) HANDLER_##constant,
    HANDLER_KINDS(X)
#undef X
        HANDLER_KIND_COUNT
};

#define HANDLER_INPUTS(X)                                                                                    \
    /* constant, name, text */                                                                               \
    X(JSON, "json", "the body's JSON text, byte for byte")                                                   \
    X(TEXT, "text",                                                                                          \
      "where the body is a JSON string: its characters, unquoted and unescaped, in UTF-8 and "               \
      "without a newline; any other body: its JSON text")

enum handler_input {
#define X(constant, name, text) HANDLER_INPUT_##constant,
    HANDLER_INPUTS(X)
#undef X
        HANDLER_INPUT_COUNT
};

// Texts that belong to the list; `items` ends with NULL and is NULL while there are none.
struct handler_texts {
    char **items;
    size_t count;
};

// The C type of a row's field, how the configuration writes it, and what lowest, highest and default mean:
//   KIND     enum handler_kind    one of the names above
//   INPUT    enum handler_input   one of the names above
//   COUNT    uint64_t             a whole number
//   BYTES    uint64_t             a whole number of bytes
//   SECONDS  int64_t              seconds with a fraction outside, milliseconds inside and in the table
//   FLAG     bool                 true or false
//   TEXT     char *               a string; NULL where it is not given
//   TEXTS    struct handler_texts a list of strings; lowest and highest bound how many
enum handler_setting_type {
    HANDLER_SETTING_KIND,
    HANDLER_SETTING_INPUT,
    HANDLER_SETTING_COUNT,
    HANDLER_SETTING_BYTES,
    HANDLER_SETTING_SECONDS,
    HANDLER_SETTING_FLAG,
    HANDLER_SETTING_TEXT,
    HANDLER_SETTING_TEXTS,
};

#define HANDLER_SETTINGS(X)                                                                                  \
    /* field, type, lowest, highest, default, text */                                                        \
    X(kind, KIND, 0, HANDLER_KIND_COUNT - 1, HANDLER_EXEC,                                                   \
      "what runs a job: exec, process, module, echo, sleep, noop or fail")                                   \
    X(queues, TEXTS, 0, HANDLER_QUEUES_MAX, 0,                                                               \
      "the queues that are served, the most urgent job over all of them first; none: the queue with the "    \
      "handler's own name. A queue has one handler")                                                         \
    X(command, TEXTS, 0, 1024, 0,                                                                            \
      "exec and process: the program and its arguments, one string each; no shell is involved unless it is " \
      "named")                                                                                               \
    X(module, TEXT, 0, 4095, 0, "module: the shared object's path")                                          \
    X(function, TEXT, 0, 255, 0, "module: the function's name")                                              \
    X(input, INPUT, 0, HANDLER_INPUT_COUNT - 1, HANDLER_INPUT_JSON,                                          \
      "exec: what stands on the command's standard input: json (the body as it was put) or text (a body "    \
      "that is a string: its characters, so that a shell command can use them as they are)")                 \
    X(workers, COUNT, 1, HANDLER_WORKERS_MAX, 1, "how many jobs run at a time")                              \
    X(timeout, SECONDS, 0, 1000000000000, 0,                                                                 \
      "all but echo, noop and fail: how long an attempt may take before it is stopped and fails; 0 = as "    \
      "long as it likes")                                                                                    \
    X(grace, SECONDS, 0, 3600000, 5000,                                                                      \
      "exec and process: what is stopped gets SIGTERM, and SIGKILL this much later; this also holds for "    \
      "processes that the command leaves behind. A process that is not needed any more has this long from "  \
      "the end of its input until SIGTERM. module: how long a function that is told to stop has to return "  \
      "before all of the handler's functions are killed")                                                    \
    X(max_output, BYTES, 1, 268435456, 1048576,                                                              \
      "exec: how much a command may print on standard output; process and module: how long a result or "     \
      "error may be. More, and the attempt fails")                                                           \
    X(max_jobs, COUNT, 0, 1000000000000, 0,                                                                  \
      "process: after so many jobs a child is replaced by a new one; 0 = never")                             \
    X(env, TEXTS, 0, 1024, 0,                                                                                \
      "exec, process and module: environment variables to add or change, as NAME=value; a name alone is "    \
      "taken out. For exec TASKQ_ID, TASKQ_QUEUE, TASKQ_ATTEMPT and TASKQ_DELIVERY are always set")          \
    X(cwd, TEXT, 0, 4095, 0,                                                                                 \
      "exec, process and module: the folder that the process starts in; else the daemon's")                  \
    X(user, TEXT, 0, 63, 0,                                                                                  \
      "exec, process and module: the user that the process runs as; needs a daemon that runs as root")       \
    X(limit_cpu, COUNT, 0, 4294967295, 0,                                                                    \
      "seconds of processor time: exec: of each process; process: of the child for each job; module: of "    \
      "the function's thread for each job, and who uses more ends all of the handler's functions; 0 = the "  \
      "daemon's limit")                                                                                      \
    X(limit_memory, BYTES, 0, 9007199254740991, 0,                                                           \
      "exec, process and module: address space of each process in bytes; 0 = the daemon's limit")            \
    X(limit_files, COUNT, 0, 1048576, 0,                                                                     \
      "exec, process and module: open files of each process; 0 = the daemon's limit")                        \
    X(daemon, FLAG, 0, 1, 0,                                                                                 \
      "true: a stop of the daemon does not wait for its jobs but ends them and puts them back at once")

struct handler_settings {
    char *name; // the section's title, 1 to HANDLER_NAME_MAX bytes
    enum handler_kind kind;
    struct handler_texts queues; // after handler_settings_check at least one
    struct handler_texts command;
    char *module, *function;
    enum handler_input input;
    uint64_t workers;
    int64_t timeout; // ms; 0: none
    int64_t grace;   // ms
    uint64_t max_output;
    uint64_t max_jobs; // 0: no bound
    struct handler_texts env;
    char *cwd;
    char *user;
    uint64_t limit_cpu; // 0: as the daemon has it; so are the next two
    uint64_t limit_memory;
    uint64_t limit_files;
    bool daemon;
};

enum handler_setting {
#define X(field, type, low, high, value, text) HANDLER_SETTING_INDEX_##field,
    HANDLER_SETTINGS(X)
#undef X
        HANDLER_SETTING_ROWS
};

// The same table for loops. `offset` is the field's in struct handler_settings.
struct handler_setting_row {
    const char *name;
    enum handler_setting_type type;
    int64_t low, high, value;
    const char *text;
    size_t offset;
};
extern const struct handler_setting_row handler_setting_rows[HANDLER_SETTING_ROWS];

// "exec", …; a text for a person; and back (false: there is no such name). Any thread, as all below.
const char *handler_kind_name(enum handler_kind kind);
const char *handler_kind_text(enum handler_kind kind);
bool handler_kind_of_name(const char *name, enum handler_kind *kind);
const char *handler_input_name(enum handler_input input);
bool handler_input_of_name(const char *name, enum handler_input *input);

// The defaults, and a copy of the name. False: no memory (nothing is held then).
bool handler_settings_init(struct handler_settings *s, const char *name) __attribute__((warn_unused_result));
void handler_settings_release(struct handler_settings *s);

// A deep copy. False: no memory (`to` holds nothing then).
bool handler_settings_copy(struct handler_settings *to, const struct handler_settings *from)
    __attribute__((warn_unused_result));

// Whether all but the number of workers is the same.
bool handler_settings_equal(const struct handler_settings *a, const struct handler_settings *b);

// Whether its workers start processes.
bool handler_needs_spawner(const struct handler_settings *s);

// Sets a TEXT field, or adds to a TEXTS field, a copy of `value`. False: no memory.
bool handler_text_set(char **field, const char *value) __attribute__((warn_unused_result));
bool handler_texts_add(struct handler_texts *field, const char *value) __attribute__((warn_unused_result));

// Whether these handlers can be started together: names and queues that are well formed and used once, a
// command where one is needed and nowhere else, numbers within their range, a user who exists. Gives each
// handler without queues the one with its own name. False: `why` is one sentence for a person that names
// handler and setting.
bool handler_settings_check(struct handler_settings *handlers, size_t count, char why[HANDLER_WHY_MAX])
    __attribute__((warn_unused_result));

#endif
