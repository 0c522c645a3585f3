// `module` handlers: a function of a shared object (taskq_module.h), on the threads of a host
// (module_host.h), one for each worker.
//
// An attempt fails with what the function says, or with one of
//
//     {"status":N}          the function returned N and said nothing
//     {"timeout":5}         it took longer than the handler's timeout (seconds)
//     {"output":1048576}    its result or error was longer than the handler's max_output (bytes)
//     {"cpu":5}             it used more than the handler's limit_cpu (seconds); the host ends with it
//     {"module":"…"}        there is no host: it cannot be started, or cannot load the module or the
//     function;
//                           or what the function gave as its result is not JSON
//     {"answer":"…","stderr":""}  the host wrote something else: the module has spoilt its memory, perhaps
//
// A function cannot be stopped from outside. Where its time is over or its job was cancelled it is told so
// (taskq_task_cancelled), and if it has not returned after the handler's grace the host is killed. Each of
// the jobs that ran in a host that ended is counted as lost once, and tried again in a new one; a job that
// the host had not begun is passed on to the next uncounted. A host that cannot load the module, or ends
// while no job runs without ever having answered one, is replaced after 1 s, the next after 2 s, and so on up
// to 1 min.
#ifndef SERVER_POOL_HANDLER_MODULE_H
#define SERVER_POOL_HANDLER_MODULE_H

#include "server/pool/worker.h"

extern const struct kind handler_module;

#endif
