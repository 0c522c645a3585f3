// history.
#include "server/metrics/history.h"
#include "server/rpc/method.h"
#include "server/rpc/task.h"

enum { HISTORY_QUEUES, HISTORY_SPAN };

#define QUEUES_MAX 100 // a page of them

static const struct param history_rows[] = {
    {PARAM_NAME("queues"), .type = PARAM_QUEUES, .bit = HISTORY_QUEUES, .high = QUEUES_MAX,
     PARAM_FIELD(get.queues)},
    {PARAM_NAME("span"), .type = PARAM_SECONDS, .bit = HISTORY_SPAN, .low = 1000, .high = HISTORY_DAY,
     PARAM_FIELD(get.timeout)},
};

static bool history_step(struct task *t)
{
    const struct get_params *in = &t->request.in.get;
    int64_t span = t->request.seen & PARAM_BIT(HISTORY_SPAN) ? in->timeout : HISTORY_HOUR;
    if (!t->rpc->history)
        request_refuse(&t->request, ERROR_NOT_FOUND, (struct slice){0}, "no history is kept");
    else if (in->queues.count > 0)
        history_write_queues(t->rpc->history, span, in->queues.items, in->queues.count, &t->out);
    else
        history_write(t->rpc->history, span, &t->out);
    return true;
}

const struct method methods_history[] = {
    {METHOD("history", QUEUE_OR_DAEMON, ROLE_READ), METHOD_PARAMS(history_rows, get),
     .flags = METHOD_LOOKS | METHOD_SILENT, .step = history_step},
    {0},
};
