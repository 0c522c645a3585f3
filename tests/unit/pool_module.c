// A module for the tests of `module` handlers, with functions that do well or badly. Built with VERSION it
// says that it was made for that version; with NO_VERSION it does not say.
#include "server/pool/taskq_module.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef VERSION
unsigned taskq_module_version(void);
unsigned taskq_module_version(void)
{
    return VERSION;
}
#elif !defined(NO_VERSION)
TASKQ_MODULE
#endif

taskq_function echo, info, nothing, error, error_text, bury, again, not_json, many_lines, crash, leave, hang,
    fly, wait_for_it, burn, progress, meet, say, say_id, long_result;

int echo(struct taskq_task *task)
{
    return taskq_task_result(task, task->body, task->body_len);
}

int info(struct taskq_task *task)
{
    char text[400];
    int n = snprintf(text, sizeof text, "[%llu,%u,\"%s\",%zu,%d]", (unsigned long long)task->id,
                     task->attempt, task->queue, strlen(task->body), task->delivery > 0);
    return taskq_task_result(task, text, (size_t)n);
}

int nothing(struct taskq_task *task)
{
    return atoi(task->body);
}

int error(struct taskq_task *task)
{
    taskq_task_result(task, "1", 1);
    return taskq_task_error(task, "{\"code\":\n7}", 11);
}

int error_text(struct taskq_task *task)
{
    return taskq_task_error_text(task, "a \"b\"\n\xff");
}

int bury(struct taskq_task *task)
{
    taskq_task_bury(task);
    return taskq_task_error_text(task, "no use");
}

int again(struct taskq_task *task)
{
    if (task->attempt == 3)
        return taskq_task_result(task, "3", 1);
    taskq_task_delay(task, 0);
    return 1;
}

int not_json(struct taskq_task *task)
{
    return taskq_task_result(task, "{]", 2);
}

int many_lines(struct taskq_task *task)
{
    taskq_task_result(task, "no", 2);
    return taskq_task_result(task, "[1,\n\"a\"\n]", 9);
}

int crash(struct taskq_task *task)
{
    if (strcmp(task->body, "\"crash\"") == 0) {
        signal(SIGSEGV, SIG_DFL); // a sanitizer's report is of no interest
        raise(SIGSEGV);
    }
    if (strcmp(task->body, "\"wait\"") == 0)
        for (;;)
            pause();
    return echo(task);
}

int leave(struct taskq_task *task)
{
    if (strcmp(task->body, "\"leave\"") == 0)
        _exit(5);
    return echo(task);
}

int hang(struct taskq_task *task)
{
    if (strcmp(task->body, "\"hang\"") == 0)
        for (;;)
            pause();
    return echo(task);
}

static void make_file(const struct taskq_task *task, const char *suffix)
{
    char path[300];
    snprintf(path, sizeof path, "%.*s%s", (int)task->body_len - 2, task->body + 1, suffix);
    FILE *f = fopen(path, "w");
    if (f) {
        fprintf(f, "%d\n", (int)getpid());
        fclose(f);
    }
}

// Until it is told to stop. It makes a file when it begins, and one of the body's name when it ends.
int wait_for_it(struct taskq_task *task)
{
    make_file(task, ".begun");
    while (!taskq_task_cancelled(task))
        sched_yield();
    make_file(task, "");
    return 0;
}

// Leaves somebody behind who has all that the host has, and is not of its group; or waits.
int fly(struct taskq_task *task)
{
    if (strcmp(task->body, "\"fly\"") != 0)
        return wait_for_it(task);
    if (fork() == 0) {
        setsid();
        for (;;)
            pause();
    }
    return echo(task);
}

int burn(struct taskq_task *task)
{
    volatile unsigned n = 0;
    while (strcmp(task->body, "\"burn\"") == 0)
        n++;
    return echo(task);
}

int progress(struct taskq_task *task)
{
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    taskq_task_progress(task, -1, 2, NULL); // says nothing
    taskq_task_progress(task, 1, 2, text);
    for (int i = 0; i < 100000; i++)
        taskq_task_progress(task, i, 100000, "on \"the\" way\n");
    return echo(task);
}

// Two of them at a time.
int meet(struct taskq_task *task)
{
    static pthread_barrier_t barrier;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int made;
    pthread_mutex_lock(&lock);
    if (!made)
        pthread_barrier_init(&barrier, NULL, 2);
    made = 1;
    pthread_mutex_unlock(&lock);
    pthread_barrier_wait(&barrier);
    return echo(task);
}

int say(struct taskq_task *task)
{
    printf("this is printed\n");
    fprintf(stderr, "and this said\n");
    return echo(task);
}

int say_id(struct taskq_task *task)
{
    fprintf(stderr, "%llu\n", (unsigned long long)task->id);
    return echo(task);
}

int long_result(struct taskq_task *task)
{
    size_t len = (size_t)atol(task->body);
    char *text = malloc(len);
    if (!text)
        return -1;
    memset(text, 'x', len);
    text[0] = text[len - 1] = '"';
    int status = taskq_task_result(task, text, len);
    free(text);
    return status;
}
