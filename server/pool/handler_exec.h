// `exec` handlers: a command for each job.
//
// The body goes to the command's standard input, which is closed after it; a command need not read it.
// Standard output is the result: where it is one JSON value (white space around it aside) that value, else a
// string without the last newline. Exit status 0 is success. Anything else fails the attempt with an error
// that says which it was, and has the last 4 KiB of standard error in `stderr`:
//
//     {"exit":1,"stderr":"…"}              the command ended with this status
//     {"signal":"SIGSEGV","stderr":"…"}    a signal ended it
//     {"timeout":5,"stderr":"…"}           it took longer than the handler's timeout (seconds) and was
//     stopped
//     {"output":1048576,"stderr":"…"}      it printed more than the handler's max_output (bytes) and was
//     killed
//     {"spawn":"cannot run the command: No such file or directory"}
//     {"input":"…"}                        the body is a string that has no text in UTF-8 (input = text)
//
// What it writes on standard error is in the daemon's log as well (stderr_log.h).
//
// The job is over when no process of the command's group is left. What the command leaves behind in it is
// stopped. What left the group (setsid) and keeps standard output open is not waited for.
#ifndef SERVER_POOL_HANDLER_EXEC_H
#define SERVER_POOL_HANDLER_EXEC_H

#include "server/pool/worker.h"

extern const struct kind handler_exec;

#endif
