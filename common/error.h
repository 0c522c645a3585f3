// The one list of errors: what the protocol answers, what the engine returns, what libtaskq reports.
//
// The standard's own codes (JSON-RPC 2.0, section 5.1; -32800 is the Language Server Protocol's
// RequestCancelled) stand for what they cover; ours are -32000 - n. `name` is what a program compares,
// `text` is what a person reads when nothing more precise is known.
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

#define TASKQ_ERRORS(X)                                                                                      \
    /* constant, code, name, text */                                                                         \
    X(PARSE, -32700, "parse_error", "this line is not JSON")                                                 \
    X(INVALID_REQUEST, -32600, "invalid_request", "this is not a JSON-RPC 2.0 request")                      \
    X(METHOD_NOT_FOUND, -32601, "method_not_found", "there is no such method")                               \
    X(INVALID_PARAMS, -32602, "invalid_params", "the params are not what the method takes")                  \
    X(INTERNAL, -32603, "internal_error", "the daemon failed at this request; its log says more")            \
    X(REQUEST_CANCELLED, -32800, "request_cancelled", "the request was taken back")                          \
    X(EMPTY, -32001, "empty", "no job is ready")                                                             \
    X(FULL, -32002, "full", "the queue is full")                                                             \
    X(NOT_FOUND, -32003, "not_found", "there is no such job or queue")                                       \
    X(NOT_RESERVED, -32004, "not_reserved",                                                                  \
      "the job is not reserved under this delivery: its lease ran out, "                                     \
      "or it is another's")                                                                                  \
    X(SHUT_DOWN, -32005, "shut_down", "the queue is shut down")                                              \
    X(TIMEOUT, -32006, "timeout", "the time was up first")                                                   \
    X(FAILED, -32007, "failed", "the job failed")                                                            \
    X(CANCELLED, -32008, "cancelled", "the job was cancelled")                                               \
    X(TOO_LARGE, -32009, "too_large", "this is larger than the daemon takes")                                \
    X(OVERLOADED, -32010, "overloaded", "the daemon is at one of its limits; try again later")               \
    X(DRAINING, -32011, "draining", "the daemon is stopping")                                                \
    X(STORE_FAILED, -32012, "store_failed", "the daemon cannot write to its disk")                           \
    X(UNAUTHORIZED, -32013, "unauthorized", "say who you are first")                                         \
    X(FORBIDDEN, -32014, "forbidden", "you may not do this")                                                 \
    X(HTTP, -32015, "http", "this port speaks JSON-RPC 2.0, one message a line, not HTTP")

enum error {
    ERROR_NONE = 0,
#define X(constant, code, name, text) ERROR_##constant,
    TASKQ_ERRORS(X)
#undef X
        ERROR_COUNT
};

// Any thread. ERROR_NONE is 0, "ok", "ok"; anything outside the list is a bug.
int error_code(enum error e);
const char *error_name(enum error e);
const char *error_text(enum error e);

// The error whose code or name this is; ERROR_NONE where there is none. Any thread.
enum error error_of_code(int code);
enum error error_of_name(const char *name);

#endif
