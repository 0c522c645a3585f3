// The host of a `module` handler: a process of the daemon's own program that loads a shared object and calls
// one of its functions for each job (taskq_module.h). It is started by the spawner, on behalf of a
// module_keeper, as
//
//     taskqd MODULE_HOST_OPTION OBJECT FUNCTION CPU
//
// and speaks with the daemon in two ways. Its standard input is one end of a SOCK_SEQPACKET pair: over it the
// host says once whether it is ready (MODULE_HOST_READY) or why it cannot be (any other text;
// then it ends), and is sent one descriptor for each of the handler's workers: a stream, on which a thread
// reads jobs and writes answers, one at a time, in the lines that a `process` child has (talk.h). A stream's
// end, or anything on it while a job runs, says that the job is cancelled. The host ends when its standard
// input does and the threads have ended.
#ifndef SERVER_POOL_MODULE_HOST_H
#define SERVER_POOL_MODULE_HOST_H

#define MODULE_HOST_OPTION  "--module-host"
#define MODULE_HOST_READY   "ready"
#define MODULE_HOST_WHY_MAX 1024

// main() for it: argv[1] is MODULE_HOST_OPTION. Returns the exit status.
int module_host_main(int argc, char **argv);

#endif
