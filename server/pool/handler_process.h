// `process` handlers: each worker keeps a child that runs one job after another.
//
// The child reads a job in one line on its standard input and writes its answer in one line (answer.h) on its
// standard output; before it any number of lines that say how far it is:
//
//     {"id":7,"queue":"q","attempt":1,"delivery":4294967297,"body":{"n":3}}
//     {"id":7,"progress":{"done":1,"total":3,"message":"one of three"}}
//     {"id":7,"result":9}
//
// It is started for the first job. What it does wrong costs it its life, and the job that it had an attempt
// with one of these errors; in `stderr` are the last 4 KiB of what it wrote there during the job:
//
//     {"exit":1,"stderr":"…"}           it ended; also with status 0, as it did not answer
//     {"signal":"SIGSEGV","stderr":"…"} a signal ended it
//     {"timeout":5,"stderr":"…"}        the job took longer than the handler's timeout (seconds)
//     {"output":1048576,"stderr":"…"}   its answer was longer than the handler's max_output (bytes)
//     {"answer":"…","stderr":"…"}       what it wrote is no answer to this job
//     {"spawn":"cannot run the command: No such file or directory"}
//
// What it writes on standard error is in the daemon's log as well (stderr_log.h).
//
// It is replaced when the next job comes. Where it ends before it read anything of its first job, the worker
// takes no job for 1 s, then 2 s, and so on up to 1 min, until an answer comes. A child that ends between two
// jobs costs none of them anything: the one that it has not begun to read is given to its successor.
//
// A child that is needed no more finds the end of its input, and should end; if it does not, SIGTERM and
// SIGKILL follow, each after the handler's grace. What else is left of its process group ends with it.
#ifndef SERVER_POOL_HANDLER_PROCESS_H
#define SERVER_POOL_HANDLER_PROCESS_H

#include "server/pool/worker.h"

extern const struct kind handler_process;

#endif
