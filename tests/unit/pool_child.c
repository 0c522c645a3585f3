// A child for `process` handlers that does what the job's body, a string, tells it to: well or badly. Any
// other body is its result.
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GIB ((size_t)1 << 30)

static unsigned long long id, jobs;
static char body[2 << 20];

static void answer(const char *member)
{
    printf("{\"id\":%llu,%s}\n", id, member);
    fflush(stdout);
}

static void answer_number(unsigned long long n)
{
    char text[64];
    snprintf(text, sizeof text, "\"result\":%llu", n);
    answer(text);
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void flood(int fd)
{
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    for (size_t i = 1; fd == STDERR_FILENO && i < sizeof block; i++)
        block[i] = i % 80 ? 'x' : '\n';
    for (size_t left = GIB; left > 0;) {
        ssize_t n = write(fd, block, sizeof block);
        if (n <= 0)
            _exit(9);
        left -= (size_t)n < left ? (size_t)n : left;
    }
}

// A process that keeps the pipes open.
static void leave_behind(bool own_session)
{
    int told[2];
    char c;
    if (pipe(told) != 0)
        _exit(9);
    if (fork() == 0) {
        if (own_session)
            setsid();
        signal(SIGTERM, SIG_IGN);
        close(told[0]);
        close(told[1]);
        wait_for_ever();
    }
    close(told[1]);
    (void)!read(told[0], &c, 1); // it ignores SIGTERM by now
}

static void burn(double seconds)
{
    while ((double)clock() < seconds * CLOCKS_PER_SEC)
        ;
}

static bool is(const char *what)
{
    return strcmp(body, what) == 0;
}

static void do_job(void)
{
    int number;
    if (sscanf(body, "exit %d", &number) == 1)
        _exit(number);
    if (sscanf(body, "signal %d", &number) == 1) {
        signal(number, SIG_DFL); // a sanitizer's report is of no interest
        raise(number);
    }
    if (is("answer and exit")) {
        answer("\"result\":\"last\"");
        _exit(0);
    } else if (is("hang")) {
        wait_for_ever();
    } else if (is("deaf")) {
        signal(SIGTERM, SIG_IGN);
        answer("\"progress\":{\"message\":\"deaf\"}");
        wait_for_ever();
    } else if (is("late")) { // an answer that comes while it is being stopped
        sigset_t term;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        sigwait(&term, &number);
        answer("\"result\":\"late\"");
        wait_for_ever();
    } else if (is("grandchild")) {
        leave_behind(false);
        _exit(3);
    } else if (is("fugitive")) {
        leave_behind(true);
        _exit(3);
    } else if (is("flood output")) {
        flood(STDOUT_FILENO);
    } else if (is("flood errors")) {
        flood(STDERR_FILENO);
        answer("\"result\":\"flooded\"");
    } else if (is("close input")) {
        close(STDIN_FILENO);
        answer("\"result\":\"closed\"");
        wait_for_ever();
    } else if (is("close output")) {
        fclose(stdout);
        wait_for_ever();
    } else if (is("twice")) {
        printf("{\"id\":%llu,\"result\":1}\n", id);
        answer("\"result\":2");
    } else if (is("twice, later")) {
        answer("\"result\":1");
        poll(NULL, 0, 100); // so that the first was read alone, as a rule
        answer("\"result\":2");
        wait_for_ever();
    } else if (is("wrong id")) {
        id++;
        answer("\"result\":1");
        wait_for_ever();
    } else if (is("no newline")) {
        printf("{\"id\":%llu,\"result\":1}", id);
        fflush(stdout);
        wait_for_ever();
    } else if (is("no newline and exit")) {
        printf("{\"id\":%llu,\"result\":1}", id);
        fflush(stdout);
        _exit(0);
    } else if (is("not UTF-8")) {
        answer("\"result\":\"\xff\"");
    } else if (is("rubbish")) {
        fputs("on the last leg\n", stderr);
        puts("Hello, world");
        fflush(stdout);
    } else if (is("long")) {
        answer("\"result\":\"0123456789012345678901234567890123456789\"");
    } else if (is("progress")) {
        answer("\"progress\":{\"done\":1,\"total\":2}");
        answer("\"progress\":{\"message\":\"half\"}");
        answer("\"result\":2");
    } else if (is("progress and no end")) {
        answer("\"progress\":{\"done\":1,\"total\":2,\"message\":\"half \\u00e9\"}");
        wait_for_ever();
    } else if (is("error")) {
        answer("\"error\":{\"code\":7}");
    } else if (is("error, again at once")) {
        if (jobs < 3)
            answer("\"error\":1,\"delay\":0");
        else
            answer_number(jobs);
    } else if (is("bury")) {
        answer("\"error\":\"no use\",\"bury\":true");
    } else if (is("errors")) {
        fputs("to whom it may concern\n", stderr);
        answer("\"result\":null");
    } else if (is("burn")) {
        burn(1e9);
    } else if (is("burn a little")) { // of 1 s
        burn((double)clock() / CLOCKS_PER_SEC + 0.6);
        answer_number(jobs);
    } else if (is("pid")) {
        answer_number((unsigned long long)getpid());
    } else if (is("count")) {
        answer_number(jobs);
    } else {
        printf("{\"id\":%llu,\"result\":\"%s\"}\n", id, body);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static char line[sizeof body + 1024];
    if (argc > 1 && strcmp(argv[1], "ends at once") == 0)
        return 4;
    if (argc > 1 && strcmp(argv[1], "does not end") == 0)
        signal(SIGTERM, SIG_IGN);
    while (fgets(line, sizeof line, stdin)) {
        char *at = strstr(line, "\"body\":\"");
        if (!at || sscanf(line, "{\"id\":%llu,", &id) != 1)
            return 8;
        snprintf(body, sizeof body, "%s", at + strlen("\"body\":\""));
        body[strlen(body) - strlen("\"}\n")] = '\0';
        jobs++;
        do_job();
    }
    if (argc > 1 && strcmp(argv[1], "does not end") == 0)
        wait_for_ever();
    return 0;
}
