#include "client/cli/progress.h"

#include "common/clock.h"

#include <stdio.h>
#include <unistd.h>

#define BAR      30
#define EVERY_NS 100000000

void progress_start(struct progress *p, uint64_t total)
{
    *p = (struct progress){.shown = isatty(STDERR_FILENO) == 1, .started = clock_ns(), .total = total};
}

void progress_show(struct progress *p, uint64_t jobs, uint64_t bytes)
{
    int64_t now = clock_ns();
    if (!p->shown || now < p->next)
        return;
    p->next = now + EVERY_NS;
    double seconds = (double)(now - p->started) / 1e9;
    double rate = seconds > 0 ? (double)jobs / seconds : 0;
    fputs("\r\033[K", stderr);
    if (p->total > 0) {
        double part = bytes >= p->total ? 1 : (double)bytes / (double)p->total;
        int full = (int)(part * BAR);
        fprintf(stderr, "%3d%% [", (int)(part * 100));
        for (int i = 0; i < BAR; i++)
            fputc(i < full ? '#' : '.', stderr);
        fputs("] ", stderr);
    }
    fprintf(stderr, "%llu jobs, %.0f/s", (unsigned long long)jobs, rate);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->shown && p->next != 0)
        fputs("\r\033[K", stderr);
}
