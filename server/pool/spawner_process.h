// The spawner's own process: a loop over its sockets and SIGCHLD. See spawner.h for what it does and why.
#ifndef SERVER_POOL_SPAWNER_PROCESS_H
#define SERVER_POOL_SPAWNER_PROCESS_H

// Takes over a freshly forked process of one thread, with every signal that can be blocked blocked; `fd` is
// its end of the main socket. Ends the process when the daemon's end closes.
_Noreturn void spawner_process_run(int fd);

#endif
