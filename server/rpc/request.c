#include "server/rpc/request.h"

#include "server/rpc/method.h"

void request_refuse(struct request *r, enum error error, struct slice param, const char *text)
{
    r->error = error;
    r->param = param;
    r->text = text;
}

void request_release(struct request *r)
{
    if (r->method && r->method->release)
        r->method->release(r);
}
