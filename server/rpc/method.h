// The methods: one row each. A row says what a method takes and which code runs when; the gate
// (rpc/params.h), the dispatcher and the error texts work from it.
#ifndef RPC_METHOD_H
#define RPC_METHOD_H

#include "common/buffer.h"
#include "server/access/role.h"
#include "server/rpc/params.h"
#include "server/rpc/request.h"
#include "server/rpc/rpc.h"

struct access;
struct batch;
struct session;
struct task;

// What the code of a method is given.
struct call {
    const struct rpc *rpc;
    struct arena *arena;
    struct session *session;
    struct batch *batch;         // that the request belongs to, or NULL
    const struct access *access; // NULL: everybody may do everything
    // From here on: while the lock is held.
    struct engine *engine;
    struct moment now;
    struct engine_client *client; // with METHOD_CLIENT
    uint64_t bytes;               // of bodies that exec has taken, added up
    uint64_t promise;             // what the reply has to wait for; see call_promise
};

// Notes what the last call to the engine promised. The dispatcher does it after exec; an exec that calls the
// engine more than once does it in between.
static inline void call_promise(struct call *call)
{
    uint64_t promise = engine_promise(call->engine);
    if (promise > call->promise)
        call->promise = promise;
}

enum method_flag {
    METHOD_CLIENT = 1,      // works with the connection's engine client, which is made if need be
    METHOD_SILENT = 2,      // does nothing where nobody would hear of it: without id
    METHOD_OUTCOME = 4,     // answers with request.out.outcome, which may be an error with data of its own
    METHOD_LOOKS = 8,       // changes nothing
    METHOD_TAKES_BACK = 16, // request.out.taken_back is to be answered first
    METHOD_TRAIL = 64,      // an admin action: the log has a line about it
    METHOD_COUNTS = 128,    // of these: request.out.count is how many
    METHOD_BY_ID = 32,      // its params begin with the id of a job, 0 where none was given
    METHOD_BY_QUEUE = 256,  // its params begin with the name of a queue, empty where none was given
};

// What a method's roles have to be held on.
enum method_scope {
    SCOPE_OPEN = 1,        // nothing: also for a client that has not said who it is
    SCOPE_OWN,             // nothing: it is about the connection's own matters
    SCOPE_QUEUE,           // each queue that the params name
    SCOPE_JOB,             // the queue of the job whose id its params begin with
    SCOPE_QUEUE_OR_JOB,    // either, by what is given
    SCOPE_QUEUE_OR_DAEMON, // the queue if one is named, else all
    SCOPE_DAEMON,          // all queues there can be
    SCOPE_LIST,            // nothing: it shows what may be read and leaves out the rest
};

struct method {
    const char *name;
    uint8_t name_len;
    uint8_t scope;         // enum method_scope
    uint8_t roles;         // of which one is needed; server/rpc/permit.h
    uint8_t roles_to_tell; // instead of them where a param is given; 0: no others
    uint8_t param_count;
    uint16_t flags;
    uint32_t required; // bits of `seen` that must be set
    size_t in_size;    // of its member of request.in, which is zeroed before the params are read
    const struct param *params;

    // What the rows cannot say, and what can be done before the lock is taken. NULL: nothing.
    void (*check)(struct call *call, struct request *r);

    // Either, the lock held: does it, quickly; then reply, without the lock, writes the result object.
    void (*exec)(struct call *call, struct request *r);
    void (*reply)(struct buffer *out, const struct request *r);

    // Or, for what is slow or allocates much (with both: where check did not set request.quick): one slice of
    // the work, which takes the lock itself and appends to the task's output. True: it is done.
    bool (*step)(struct task *task);

    // Gives back what check and exec left in the request. NULL: nothing.
    void (*release)(struct request *r);
};

// NULL: there is none of this name.
const struct method *method_find(struct slice name);

// The same, and which one it is: method_at(*number).
const struct method *method_find_numbered(struct slice name, uint8_t *number);

#define METHODS_MAX 64 // there are fewer

// All of them, for tests and help: the n-th, NULL at the end.
const struct method *method_at(unsigned n);

// For the rows.
#define METHOD(text, scope_, roles_)                                                                         \
    .name = "" text, .name_len = sizeof(text) - 1, .scope = SCOPE_##scope_, .roles = (roles_)
#define METHOD_PARAMS(rows_, member)                                                                         \
    .params = (rows_), .param_count = sizeof(rows_) / sizeof *(rows_),                                       \
    .in_size = sizeof(((struct request *)0)->in.member)
#define PARAM_NAME(text)   .name = "" text, .name_len = sizeof(text) - 1
#define PARAM_FIELD(field) .offset = offsetof(struct request, in.field)

// The groups that method_find() looks through; each ends with a row without a name.
extern const struct method methods_produce[]; // put, submit, call, result, cancel
extern const struct method methods_consume[]; // get, ack, nack, release, bury, touch, progress
extern const struct method methods_queue[];   // declare, pause, resume, join
extern const struct method methods_sweep[];   // delete, kick, shutdown, drop
extern const struct method methods_look[];    // job, jobs, stats
extern const struct method methods_list[];    // queues
extern const struct method methods_events[];  // events
extern const struct method methods_admin[];   // hello, ping, pool, backup, $/cancelRequest
extern const struct method methods_access[];  // auth, who
extern const struct method methods_history[]; // history

#endif
