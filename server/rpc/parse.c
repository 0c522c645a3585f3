#include "server/rpc/parse.h"

#include "common/json_reader.h"
#include "server/rpc/params.h"
#include "server/rpc/permit.h"

#include <string.h>

#define NULL_ID SLICE("null")

enum { ENVELOPE_JSONRPC = 1, ENVELOPE_ID = 2, ENVELOPE_METHOD = 4, ENVELOPE_PARAMS = 8 };

struct envelope {
    struct call *call;
    struct request *request;
    unsigned seen;
    bool wrong; // it is no request; `param` and `text` say why
    struct slice param;
    const char *text;
    struct slice params_text; // params that came before the method
};

static void refuse(struct envelope *e, struct slice param, const char *text)
{
    if (e->wrong)
        return;
    e->wrong = true;
    e->param = param;
    e->text = text;
}

static unsigned which_member(const struct json_value *key)
{
    struct slice name = json_value_inner(key);
    if (key->escaped)
        return json_string_is(key, "jsonrpc")  ? ENVELOPE_JSONRPC
               : json_string_is(key, "id")     ? ENVELOPE_ID
               : json_string_is(key, "method") ? ENVELOPE_METHOD
               : json_string_is(key, "params") ? ENVELOPE_PARAMS
                                               : 0;
    switch (name.len) {
    case 2:
        return memcmp(name.data, "id", 2) == 0 ? ENVELOPE_ID : 0;
    case 6:
        return memcmp(name.data, "method", 6) == 0   ? ENVELOPE_METHOD
               : memcmp(name.data, "params", 6) == 0 ? ENVELOPE_PARAMS
                                                     : 0;
    case 7:
        return memcmp(name.data, "jsonrpc", 7) == 0 ? ENVELOPE_JSONRPC : 0;
    default:
        return 0;
    }
}

static void take_id(struct envelope *e, const struct json_value *v)
{
    if (v->type != JSONR_STRING && v->type != JSONR_NUMBER && v->type != JSONR_NULL)
        refuse(e, SLICE("id"), "id must be a string, a number or null");
    else if (v->raw.len > REQUEST_ID_MAX)
        refuse(e, SLICE("id"), "id is too long");
    else
        e->request->id = v->raw;
}

static void take_method(struct envelope *e, const struct json_value *v)
{
    struct request *r = e->request;
    struct slice name = json_value_inner(v);
    char plain[32];
    if (v->type != JSONR_STRING) {
        refuse(e, SLICE("method"), "method must be a string");
        return;
    }
    if (v->escaped && !json_value_string(v, plain, sizeof plain, &name, NULL))
        name.len = 0;
    r->method = method_find_numbered(name, &r->number);
    if (r->method)
        memset(&r->in, 0, r->method->in_size);
}

// The value of `params`, at which the reader stands. False: it is not JSON.
static bool take_params(struct envelope *e, struct json_reader *reader)
{
    struct request *r = e->request;
    struct json_value v;
    char first = json_reader_peek(reader);
    if (first == '{' && r->method && !e->wrong)
        return params_read(e->call->arena, e->call->rpc->max_body, reader, r);
    if (!json_reader_value(reader, &v))
        return false;
    e->params_text = v.raw;
    if (first != '{' && first != '[')
        refuse(e, SLICE("params"), "params must be an object");
    else if (first == '[')
        request_refuse(r, ERROR_INVALID_PARAMS, (struct slice){0}, "params are by name: an object");
    return true;
}

static bool take_value(struct envelope *e, struct json_reader *reader, unsigned member)
{
    struct json_value v;
    e->seen |= member;
    if (member == ENVELOPE_PARAMS)
        return take_params(e, reader);
    if (!json_reader_value(reader, &v))
        return false;
    if (member == ENVELOPE_ID)
        take_id(e, &v);
    else if (e->wrong)
        return true;
    else if (member == ENVELOPE_METHOD)
        take_method(e, &v);
    else if (member == ENVELOPE_JSONRPC && !json_string_is(&v, "2.0"))
        refuse(e, SLICE("jsonrpc"), "jsonrpc must be \"2.0\"");
    return true;
}

// The members in the order and spelling that nearly all clients send, as far as they are so. What is
// otherwise is left for take_member. False: it is not JSON.
static bool take_usual(struct envelope *e, struct json_reader *reader)
{
    if (json_reader_pass(reader, SLICE("\"jsonrpc\":\"2.0\",\"id\":"))) {
        e->seen |= ENVELOPE_JSONRPC;
        if (!take_value(e, reader, ENVELOPE_ID))
            return false;
        if (json_reader_pass(reader, SLICE(",\"method\":")) && !take_value(e, reader, ENVELOPE_METHOD))
            return false;
    } else if (json_reader_pass(reader, SLICE("\"jsonrpc\":\"2.0\",\"method\":"))) {
        e->seen |= ENVELOPE_JSONRPC;
        if (!take_value(e, reader, ENVELOPE_METHOD))
            return false;
    }
    if ((e->seen & ENVELOPE_METHOD) && json_reader_pass(reader, SLICE(",\"params\":")))
        return take_value(e, reader, ENVELOPE_PARAMS);
    return true;
}

static bool take_member(struct envelope *e, struct json_reader *reader, const struct json_value *key)
{
    unsigned member = which_member(key);
    struct slice name = json_value_inner(key);
    if (name.len > PARAM_ECHO_MAX)
        name = (struct slice){0};
    if (!member)
        refuse(e, name, "a request has no such member");
    else if (e->seen & member)
        refuse(e, name, "this member is given twice");
    return take_value(e, reader, member);
}

// Params that came before the method are gone through now.
static void late_params(struct envelope *e)
{
    struct request *r = e->request;
    struct json_reader reader;
    if (!(e->seen & ENVELOPE_PARAMS)) {
        params_none(e->call->arena, r);
    } else if (e->params_text.len > 0 && !r->error) {
        json_reader_init(&reader, e->params_text.data, e->params_text.len);
        bool read = params_read(e->call->arena, e->call->rpc->max_body, &reader, r);
        (void)read; // it was read before
    }
}

static void conclude(struct envelope *e)
{
    struct request *r = e->request;
    if (!(e->seen & ENVELOPE_JSONRPC))
        refuse(e, SLICE("jsonrpc"), "a request must say \"jsonrpc\":\"2.0\"");
    else if (!(e->seen & ENVELOPE_METHOD))
        refuse(e, SLICE("method"), "a request must have a method");
    if (e->wrong) {
        request_refuse(r, ERROR_INVALID_REQUEST, e->param, e->text);
        if (r->id.len == 0)
            r->id = NULL_ID;
        return;
    }
    const struct access *access = e->call->access;
    if (access && !permit_method(e->call, r))
        return;
    if (!r->method) {
        request_refuse(r, ERROR_METHOD_NOT_FOUND, (struct slice){0}, NULL);
        return;
    }
    late_params(e);
    if (!r->error && r->method->check)
        r->method->check(e->call, r);
    if (access && !r->error)
        permit_params(e->call, r);
}

static void clear(struct request *r, const char *start)
{
    r->method = NULL;
    r->id = (struct slice){0};
    r->start = start;
    r->seen = 0;
    r->error = ERROR_NONE;
    r->text = NULL;
    r->param = (struct slice){0};
    r->offset = REQUEST_NO_OFFSET;
    r->job = 0;
    r->promise = 0;
    r->quick = false;
    r->waits = false;
    memset(&r->out, 0, sizeof r->out);
}

void request_make_error(struct request *r, const char *start, enum error error, const char *text)
{
    clear(r, start);
    request_refuse(r, error, (struct slice){0}, text);
    r->id = NULL_ID;
}

// Reads one value from the reader into the request, which then lacks its conclusion.
static void read_request(struct envelope *e, struct json_reader *reader)
{
    struct json_value key;
    if (json_reader_peek(reader) != '{') {
        if (json_reader_value(reader, &key))
            refuse(e, (struct slice){0}, "a request is an object");
        return;
    }
    json_reader_object_begin(reader);
    if (take_usual(e, reader))
        while (json_reader_key(reader, &key))
            if (!take_member(e, reader, &key))
                break;
}

static void refuse_text(struct request *r, const struct json_reader *reader)
{
    request_make_error(r, reader->start, ERROR_PARSE, reader->error);
    r->offset = json_reader_offset(reader);
}

void request_parse(struct call *call, const char *text, size_t len, struct request *r)
{
    struct envelope e = {.call = call, .request = r};
    struct json_reader reader;
    clear(r, text);
    json_reader_init(&reader, text, len);
    read_request(&e, &reader);
    if (json_reader_end(&reader))
        conclude(&e);
    else
        refuse_text(r, &reader);
}

size_t request_parse_element(struct call *call, const char *text, size_t len, struct request *r)
{
    struct envelope e = {.call = call, .request = r};
    struct json_reader reader;
    clear(r, text);
    json_reader_init(&reader, text, len);
    read_request(&e, &reader);
    if (!reader.error)
        conclude(&e);
    else
        refuse_text(r, &reader);
    return json_reader_offset(&reader);
}
