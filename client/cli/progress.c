#include "client/cli/progress.h"

#include "client/cli/output.h"
#include "client/cli/values.h"
#include "common/clock.h"
#include "common/plural.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR      30
#define EVERY_NS 100000000
#define TEXT_MAX 1536 // a report's message is 1024

void progress_start(struct progress *p, uint64_t total)
{
    *p = (struct progress){.shown = isatty(STDERR_FILENO) == 1, .started = clock_ns(), .total = total};
}

static size_t columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

void progress_draw(struct progress *p, double part, const char *format, ...)
{
    char text[TEXT_MAX];
    int64_t now = clock_ns();
    va_list args;
    if (!p->shown || (p->drawn && now < p->next))
        return;
    p->next = now + EVERY_NS;
    p->drawn = true;
    size_t room = columns() - 1; // in the last column some terminals go to the next line
    fputs("\r\033[K", stderr);
    if (part >= 0 && room > BAR + 8) {
        part = part > 1 ? 1 : part;
        int full = (int)(part * BAR);
        fprintf(stderr, "%3d%% [", (int)(part * 100));
        for (int i = 0; i < BAR; i++)
            fputc(i < full ? '#' : '.', stderr);
        fputs("] ", stderr);
        room -= BAR + 8;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    output_text_to(stderr, slice_of(text), room);
    fflush(stderr);
}

void progress_show(struct progress *p, uint64_t jobs, uint64_t bytes)
{
    double seconds = (double)(clock_ns() - p->started) / 1e9;
    double rate = seconds > 0 ? (double)jobs / seconds : 0;
    double part = p->total == 0 ? -1 : bytes >= p->total ? 1 : (double)bytes / (double)p->total;
    progress_draw(p, part, "%llu %s, %.0f/s", (unsigned long long)jobs, plural(jobs, "job", "jobs"), rate);
}

const char *progress_words(const struct taskq_report *report, char *out, size_t cap)
{
    out[0] = '\0';
    if (report->done >= 0 && report->total > 0)
        snprintf(out, cap, "%.15g of %.15g (%.0f%%)", report->done, report->total,
                 report->done >= report->total ? 100 : 100 * (report->done / report->total));
    else if (report->done >= 0)
        snprintf(out, cap, "%.15g", report->done);
    return out;
}

void progress_draw_report(struct progress *p, uint64_t id, const struct taskq_report *report)
{
    char words[96] = "", time[VALUE_TEXT];
    double part = -1;
    const char *message = NULL;
    if (report != NULL) {
        message = report->message;
        if (report->done >= 0 && report->total > 0) {
            part = report->done / report->total; // the bar says the percentage
            snprintf(words, sizeof(words), "%.15g of %.15g", report->done, report->total);
        } else {
            progress_words(report, words, sizeof(words));
        }
    }
    value_show_seconds((double)((clock_ns() - p->started) / 1000000000), time);
    progress_draw(p, part, "job %llu, %s%s%s%s%s", (unsigned long long)id, time, words[0] != '\0' ? ": " : "",
                  words, message != NULL ? ": " : "", message != NULL ? message : "");
}

void progress_give_way(struct progress *p)
{
    if (p->drawn && output_terminal())
        progress_end(p);
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}
