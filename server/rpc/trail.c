#include "server/rpc/trail.h"

#include "common/json_writer.h"
#include "common/log.h"
#include "server/access/identity.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"

// What was asked for, as ` name=value`; texts between quotes with escapes, so that none can look like another
// pair. Settings of other types are left out.
static void write_params(struct buffer *b, const struct request *r)
{
    for (unsigned i = 0; i < r->method->param_count; i++) {
        const struct param *p = &r->method->params[i];
        const void *field = (const char *)r + p->offset;
        bool text = p->type == PARAM_QUEUE || p->type == PARAM_QUEUE_OR_NULL || p->type == PARAM_TEXT;
        if (!(r->seen & PARAM_BIT(p->bit)) || !(text || p->type == PARAM_WHOLE || p->type == PARAM_FLAG))
            continue;
        buffer_append_byte(b, ' ');
        json_write_raw(b, p->name);
        buffer_append_byte(b, '=');
        if (text)
            json_write_string(b, *(const struct slice *)field);
        else if (p->type == PARAM_WHOLE)
            json_write_uint(b, *(const uint64_t *)field);
        else
            json_write_bool(b, *(const bool *)field);
    }
    if (r->method->flags & METHOD_COUNTS) {
        json_write_raw(b, " count=");
        json_write_uint(b, r->out.count);
    }
}

void trail_note(const struct session *s, const struct request *r)
{
    if (r->error || r->quick || !r->seen)
        return;
    char peer[DISPATCH_PEER_MAX] = "gone";
    const struct identity *who = s ? s->who : NULL;
    struct buffer b = BUFFER_INIT;
    write_params(&b, r);
    if (s && s->dispatch->ops->peer)
        s->dispatch->ops->peer(s, peer);
    if (who)
        log_info("%s by %s \"%s\" peer=%s%.*s", r->method->name, identity_kind_name(who->kind), who->name,
                 peer, b.failed ? 0 : (int)b.len, b.data ? b.data : "");
    else
        log_info("%s peer=%s%.*s", r->method->name, peer, b.failed ? 0 : (int)b.len, b.data ? b.data : "");
    buffer_release(&b);
}
