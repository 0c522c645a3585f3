#include "server/rpc/task.h"

#include "server/rpc/method.h"

#include <stdlib.h>

bool task_step(struct task *t)
{
    t->asleep = false;
    bool done = t->request.method->step(t);
    t->begun = true;
    return done;
}

bool task_only_looks(const struct task *t)
{
    return t->request.method->flags & METHOD_LOOKS;
}

void task_free(struct task *t)
{
    if (!t)
        return;
    request_release(&t->request);
    buffer_release(&t->out);
    arena_release(&t->arena);
    free(t);
}
