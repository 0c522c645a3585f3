#include "client/cli/put_options.h"

#include "client/cli/input.h"

#include <stdio.h>

int put_options_read(const struct cli *c, struct taskq_put_options *o)
{
    const struct arguments *a = &c->args;
    *o = (struct taskq_put_options)TASKQ_PUT_OPTIONS_INIT;
    o->priority = option_number(a, "priority", 0);
    o->delay = option_number(a, "delay", 0);
    o->at = option_number(a, "at", 0);
    o->lease = option_number(a, "lease", 0);
    o->expires = option_number(a, "expires", 0);
    o->key = option_get(a, "key")->text;
    o->key_for = option_number(a, "key-for", 0);
    o->timeout = option_number(a, "timeout", TASKQ_FOREVER);
    const struct option_value *attempts = option_get(a, "max-attempts");
    if (attempts->given && (attempts->count < 1 || attempts->count > 65535))
        return cli_usage(c, "--max-attempts is from 1 to 65535");
    o->max_attempts = (unsigned)attempts->count;
    if (option_given(a, "delay") && option_given(a, "at"))
        return cli_usage(c, "--delay and --at do not go together");
    if (option_given(a, "key-for") && o->key == NULL)
        return cli_usage(c, "--key-for wants a --key");
    return EXIT_DONE;
}

int put_options_read_submit(const struct cli *c, struct taskq_put_options *o, struct taskq_text *body)
{
    int code = put_options_read(c, o);
    o->keep_result = option_number(&c->args, "keep-result", 0);
    return code == EXIT_DONE ? input_body(c, c->args.positional[1], body) : code;
}

void put_print(const struct cli *c, const struct taskq_put_result *result)
{
    unsigned long long id = result->id;
    if (c->json)
        printf("{\"id\":%llu%s}\n", id, result->existing ? ",\"existing\":true" : "");
    else
        printf("%llu\n", id);
    if (result->existing && !c->json)
        fprintf(stderr, "taskq: job %llu has this key already; nothing was put\n", id);
}
