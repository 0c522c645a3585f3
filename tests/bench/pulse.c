// One client that asks for one thing after the other and notes how long each answer takes: what another
// client does to it is measured with this (tests/protocol/hostile.py).
//
//     TASKQ_TOKEN=… bench_pulse PORT
//
// It connects to 127.0.0.1 and says so with a line; for every line "MS" that it then reads, it asks for so
// many milliseconds and prints `count median p90 p99 max` in microseconds. It ends with its input.
#include "common/clock.h"
#include "tests/bench/stats.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int connect_to(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

// Sends a line and waits for the line that answers it, which must be a result.
static void ask(int fd, const char *line, size_t len)
{
    char answer[4096];
    size_t had = 0;
    if (send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail("send");
    do {
        ssize_t n = recv(fd, answer + had, sizeof answer - 1 - had, 0);
        if (n <= 0)
            fail("recv");
        had += (size_t)n;
    } while (answer[had - 1] != '\n' && had < sizeof answer - 1);
    answer[had] = '\0';
    if (!strstr(answer, "\"result\"")) {
        fprintf(stderr, "pulse: %s", answer);
        exit(EXIT_FAILURE);
    }
}

static void measure(int fd, int64_t ms)
{
    static const char *const lines[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"pulse\",\"body\":{\"to\":"
        "\"ada\"}}}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"get\",\"params\":{\"queue\":\"pulse\",\"auto_ack\":true,"
        "\"timeout\":0}}\n"};
    static struct histogram h;
    memset(&h, 0, sizeof h);
    int64_t now = clock_ns(), end = now + ms * 1000000;
    for (unsigned i = 0; now < end || i % 2; i++) {
        ask(fd, lines[i % 2], strlen(lines[i % 2]));
        int64_t then = now;
        now = clock_ns();
        histogram_add(&h, now - then);
    }
    printf("%llu %.1f %.1f %.1f %.1f\n", (unsigned long long)h.count,
           (double)histogram_quantile(&h, 0.5) / 1e3, (double)histogram_quantile(&h, 0.9) / 1e3,
           (double)histogram_quantile(&h, 0.99) / 1e3, (double)h.max / 1e3);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *token = getenv("TASKQ_TOKEN");
    char line[400];
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    int fd = connect_to(argv[1]);
    if (token) {
        int len =
            snprintf(line, sizeof line,
                     "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"auth\",\"params\":{\"token\":\"%s\"}}\n",
                     token);
        ask(fd, line, (size_t)len);
    }
    puts("connected");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        measure(fd, atoll(line));
    close(fd);
    return EXIT_SUCCESS;
}
