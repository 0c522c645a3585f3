// An example of a module: counts the primes below a number.
//
//     handler "primes" {
//         kind = module
//         module = "/usr/local/lib/taskq/primes.so"
//         function = "primes"
//         workers = 2
//     }
//
//     $ taskq submit --wait primes 10000000
//     664579
#include "server/pool/taskq_module.h" // installed: <taskq_module.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TASKQ_MODULE

#define LARGEST    100000000L
#define LOOK_EVERY 4096 // numbers between two looks at the world

int primes(struct taskq_task *task);

static int is_prime(long n)
{
    if (n < 4)
        return n > 1;
    if (n % 2 == 0)
        return 0;
    for (long i = 3; i <= n / i; i += 2)
        if (n % i == 0)
            return 0;
    return 1;
}

int primes(struct taskq_task *task)
{
    char *end, text[32];
    errno = 0;
    long below = strtol(task->body, &end, 10), count = 0;
    if (errno || *end || below < 0 || below > LARGEST) {
        taskq_task_bury(task); // it will not be better the next time
        return taskq_task_error_text(task, "the body must be a whole number from 0 to 100000000");
    }
    for (long n = 0; n < below; n++) {
        if (n % LOOK_EVERY == 0) {
            if (taskq_task_cancelled(task))
                return -1; // nobody wants to know any more
            taskq_task_progress(task, (double)n, (double)below, NULL);
        }
        count += is_prime(n);
    }
    int len = snprintf(text, sizeof text, "%ld", count);
    return taskq_task_result(task, text, (size_t)len);
}
