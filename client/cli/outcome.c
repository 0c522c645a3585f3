#include "client/cli/outcome.h"

#include "client/cli/human.h"
#include "client/cli/output.h"

#include <stdio.h>

// {"name","id","state",…} without the name is what a program gets for a result as well.
static int print_failure(const struct cli *c, uint64_t id, enum taskq_error e)
{
    size_t len = 0;
    const char *data = taskq_error_data(c->q, &len);
    const char *error;
    size_t error_len;
    char reason[64] = "";
    if (data == NULL || (e != TASKQ_FAILED && e != TASKQ_CANCELLED))
        return cli_fail(c, e);
    if (c->json) {
        output_json(data, len);
        return EXIT_NO;
    }
    if (e == TASKQ_CANCELLED) {
        fprintf(stderr, "taskq: job %llu was cancelled\n", (unsigned long long)id);
        return EXIT_NO;
    }
    human_member(data, len, "reason", reason, sizeof(reason));
    double attempts = human_number(data, len, "attempts");
    fprintf(stderr, "taskq: job %llu is dead (%s) after %.0f attempt%s", (unsigned long long)id, reason,
            attempts, attempts == 1 ? "" : "s");
    if (taskq_json_member(data, len, "error", &error, &error_len)) {
        fputs(": ", stderr);
        output_json_to(stderr, (struct slice){error, error_len});
    }
    fputc('\n', stderr);
    return EXIT_NO;
}

int outcome_print(struct cli *c, uint64_t id, double timeout, bool forget)
{
    struct taskq_text result;
    cli_interruptible(c);
    enum taskq_error e = taskq_result(c->q, id, timeout, forget, &result);
    if (e != TASKQ_OK)
        return print_failure(c, id, e);
    bool ok = true;
    if (c->json) {
        printf("{\"id\":%llu,\"state\":\"done\",\"result\":", (unsigned long long)id);
        output_json_to(stdout, (struct slice){result.data, result.len});
        printf("}\n");
    } else {
        ok = output_value(result.data, result.len, option_given(&c->args, "raw"));
    }
    taskq_text_release(&result);
    return ok ? EXIT_DONE : EXIT_BROKEN;
}
