// The load generator: drives one server with one kind of work and prints what it saw as one line of JSON.
//
//     load --protocol redis --address 127.0.0.1:6379 --pid 4711 --work cycle --connections 16 --depth 32
#include "common/clock.h"
#include "tests/bench/works.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct protocol *const protocols[] = {&protocol_taskq, &protocol_beanstalkd, &protocol_redis};
#define PROTOCOLS (sizeof protocols / sizeof *protocols)

// One row a number that can be set.
static const struct number_option {
    const char *name;
    double min, max, usual;
    const char *text;
} numbers[] = {
    {"connections", 1, 100000, 1, "how many"},
    {"depth", 1, 100000, 1, "jobs in flight on each"},
    {"jobs", 1, 1e9, 100000, "how many are measured"},
    {"warm", 0, 1e9, 1000, "jobs done before"},
    {"preload", 0, 1e9, 0, "jobs that are there before"},
    {"aside", 0, 1e9, 0, "jobs that are there before and stay"},
    {"body", BODY_MIN, 1e6, 100, "bytes of a job's body"},
    {"queues", 1, 1e9, 1, "over how many queues"},
    {"count", 1, 1000, 1, "jobs in a request"},
    {"shuffled", 0, 1, 0, "delete, ack: in random order"},
    {"after", 0.1, 3600, 3, "seconds until the timers fire"},
    {"seconds", 1, 86400, 120, "the run has failed if it takes longer"},
    {"pid", 1, 1e9, 0, "the server's process"},
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

enum { CONNECTIONS, DEPTH, JOBS, WARM, PRELOAD, ASIDE, BODY, QUEUES, COUNT, SHUFFLED, AFTER, SECONDS, PID };

struct options {
    const struct protocol *protocol;
    const struct work *work;
    const char *address;
    double numbers[NUMBERS];
};

static void usage(FILE *f)
{
    fputs("usage: load --protocol NAME --address [tls:]HOST:PORT|unix:PATH --pid PID --work NAME "
          "[options]\n\nprotocols:",
          f);
    for (size_t i = 0; i < PROTOCOLS; i++)
        fprintf(f, " %s", protocols[i]->name);
    fputs("\n\nworks:\n", f);
    for (const struct work *w = works; w->name; w++)
        fprintf(f, "  %-14s %s\n", w->name, w->text);
    fputs("\noptions:\n", f);
    for (size_t i = 0; i < NUMBERS; i++)
        fprintf(f, "  --%-12s %s (%g)\n", numbers[i].name, numbers[i].text, numbers[i].usual);
}

static bool option_set(struct options *o, int which, const char *text)
{
    char *end;
    if (which < (int)NUMBERS) {
        o->numbers[which] = strtod(text, &end);
        return *text && !*end && o->numbers[which] >= numbers[which].min &&
               o->numbers[which] <= numbers[which].max;
    }
    if (which == NUMBERS)
        for (size_t i = 0; i < PROTOCOLS; i++)
            if (strcmp(text, protocols[i]->name) == 0)
                o->protocol = protocols[i];
    if (which == NUMBERS + 1)
        o->address = text;
    if (which == NUMBERS + 2)
        o->work = work_find(text);
    return (which != NUMBERS || o->protocol) && (which != NUMBERS + 2 || o->work);
}

static bool options_read(struct options *o, int argc, char **argv)
{
    struct option table[NUMBERS + 5] = {0};
    const char *const texts[] = {"protocol", "address", "work"};
    for (size_t i = 0; i < NUMBERS; i++) {
        table[i] = (struct option){numbers[i].name, required_argument, NULL, (int)i};
        o->numbers[i] = numbers[i].usual;
    }
    for (size_t i = 0; i < 3; i++)
        table[NUMBERS + i] = (struct option){texts[i], required_argument, NULL, (int)(NUMBERS + i)};
    table[NUMBERS + 3] = (struct option){"help", no_argument, NULL, 'h'};
    for (int which; (which = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (which == 'h') {
            usage(stdout);
            exit(0);
        }
        if (which == '?' || !option_set(o, which, optarg)) {
            if (which != '?')
                fprintf(stderr, "load: --%s: not this: %s\n", table[which].name, optarg);
            return false;
        }
    }
    if (optind == argc && o->protocol && o->address && o->work && o->numbers[PID] > 0)
        return true;
    usage(stderr);
    return false;
}

static void print(const struct run *r, const struct options *o)
{
    double n = (double)r->measured, seconds = (double)r->elapsed / 1e9;
    double growth = (double)r->after_all.resident - (double)r->before.resident;
    printf("{\"protocol\":\"%s\",\"work\":\"%s\",\"connections\":%u,\"depth\":%u,\"body\":%zu,\"jobs\":%.0f,",
           o->protocol->name, o->work->name, r->connections, r->client.depth, r->client.body, n);
    printf("\"seconds\":%.6f,\"jobs_per_s\":%.0f,\"cpu_us\":%.4f,\"user_s\":%.2f,\"system_s\":%.2f,", seconds,
           n / seconds, (r->after_all.cpu - r->before.cpu) * 1e6 / n, r->after_all.user - r->before.user,
           r->after_all.system - r->before.system);
    printf("\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,\"max_us\":%.2f,",
           (double)histogram_quantile(&r->latency, 0.5) / 1e3,
           (double)histogram_quantile(&r->latency, 0.99) / 1e3,
           (double)histogram_quantile(&r->latency, 0.999) / 1e3, (double)r->latency.max / 1e3);
    printf("\"quiet_max_us\":%.2f,", (double)r->quiet.max / 1e3);
    printf("\"resident\":%llu,\"bytes_each\":%.1f}\n", (unsigned long long)r->after_all.resident, growth / n);
}

// Every job that the run may put, all phases together.
static uint64_t numbers_needed(const struct run *r)
{
    uint64_t busy = ((uint64_t)r->connections + 100) * r->client.depth * 20;
    return r->warm + r->preload + r->aside + r->jobs + busy;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    static struct run r;
    if (!options_read(&o, argc, argv))
        return 2;
    r.connections = (uint32_t)o.numbers[CONNECTIONS];
    r.jobs = (uint64_t)o.numbers[JOBS];
    r.warm = (uint64_t)o.numbers[WARM];
    r.preload = (uint64_t)o.numbers[PRELOAD];
    r.aside = (uint64_t)o.numbers[ASIDE];
    r.count = (uint32_t)o.numbers[COUNT];
    r.shuffled = o.numbers[SHUFFLED] > 0;
    r.after = o.numbers[AFTER];
    r.server = (pid_t)o.numbers[PID];
    r.client = (struct client){
        .protocol = o.protocol,
        .address = o.address,
        .depth = (uint32_t)o.numbers[DEPTH],
        .queues = (uint32_t)o.numbers[QUEUES],
        .body = (size_t)o.numbers[BODY],
        .count_max = r.count > 100 ? r.count : 100,
        .deadline = clock_ns() + (int64_t)(o.numbers[SECONDS] * 1e9),
    };
    bool ok = r.count == 1 || o.protocol->bulk ||
              client_fail(&r.client, "this protocol gets and acknowledges one job at a time");
    ok = ok && client_init(&r.client, r.connections + 100, numbers_needed(&r)) && o.work->run(&r, o.work);
    if (ok)
        print(&r, &o);
    else
        fprintf(stderr, "load: %s, %s: %s\n", o.protocol->name, o.work->name, r.client.failed);
    client_release(&r.client);
    return ok ? 0 : 1;
}
