#include "server/rpc/params.h"

#include "common/json_value.h"
#include "server/rpc/method.h"

#include <math.h>
#include <string.h>

#define SECONDS_MAX_MS SETTING_SECONDS_MAX
#define UNIX_TIME_MAX  1e10
#define WHOLE_MAX      ((1LL << 53) - 1) // larger ones some JSON libraries change

struct gate {
    struct arena *arena;
    uint64_t max_body;
    struct request *request;
};

// ---- saying what is wrong

static const char *expected(struct arena *a, const struct param *row)
{
    switch ((enum param_type)row->type) {
    case PARAM_QUEUE:
        return "a queue's name: a string of 1 to 255 bytes without control characters";
    case PARAM_QUEUE_OR_NULL:
        return "a queue's name, a string of 1 to 255 bytes without control characters, or null";
    case PARAM_TEXT:
        return arena_printf(a, "a string of %lld to %lld bytes", (long long)row->low, (long long)row->high);
    case PARAM_ANY:
        return "a value";
    case PARAM_ID:
        return "a request's id: a string, a number or null";
    case PARAM_NUMBER:
        return "a finite number";
    case PARAM_SHARE:
        return "a number from 0 to 1";
    case PARAM_SECONDS:
        return arena_printf(a, "a number of seconds from %g to %.0f", (double)row->low / 1000,
                            (double)row->high / 1000);
    case PARAM_TIMEOUT:
        return "a number of seconds from 0 to 1000000000, or null";
    case PARAM_WHOLE:
        return arena_printf(a, "a whole number from %lld to %lld", (long long)row->low,
                            row->high < WHOLE_MAX ? (long long)row->high : WHOLE_MAX);
    case PARAM_FLAG:
        return "true or false";
    case PARAM_ORDER:
        return "\"fifo\" or \"lifo\"";
    case PARAM_STATE: {
        char *names = arena_alloc(a, 96);
        if (!names)
            return NULL;
        size_t used = 0;
        for (int s = 0; s < JOB_STATE_COUNT; s++) {
            if (!(row->high & JOB_STATE_BIT(s)))
                continue;
            const char *name = job_state_name((enum job_state)s);
            memcpy(names + used, used ? ", " : "", used ? 2 : 0);
            used += used ? 2 : 0;
            memcpy(names + used, name, strlen(name));
            used += strlen(name);
        }
        names[used] = '\0';
        return arena_printf(a, "one of %s", names);
    }
    case PARAM_QUEUES:
        return arena_printf(a, "a list of 1 to %lld different names of queues", (long long)row->high);
    case PARAM_IDS:
        return arena_printf(a, "a list of 1 to %lld ids of jobs", (long long)row->high);
    case PARAM_STATES:
        return "a list of states: delayed, ready, reserved, done, dead, cancelled, deleted";
    case PARAM_OBJECT:
        return "an object";
    }
    return "something else";
}

static void refuse_value(struct gate *g, const struct param *row)
{
    const char *what = expected(g->arena, row);
    request_refuse(g->request, ERROR_INVALID_PARAMS, (struct slice){row->name, row->name_len},
                   what ? arena_printf(g->arena, "%s must be %s", row->name, what) : NULL);
}

static void refuse_unknown(struct gate *g, const struct json_value *key)
{
    struct slice name = json_value_inner(key);
    if (name.len > PARAM_ECHO_MAX)
        name = SLICE("");
    request_refuse(g->request, ERROR_INVALID_PARAMS, name,
                   arena_printf(g->arena, "%s takes no such param: %.*s", g->request->method->name,
                                (int)name.len, name.data));
}

static void refuse_missing(struct arena *a, struct request *r, const struct param *row)
{
    request_refuse(r, ERROR_INVALID_PARAMS, (struct slice){row->name, row->name_len},
                   arena_printf(a, "%s needs the param %s", r->method->name, row->name));
}

// ---- values; each returns whether it is what the row wants

// Text with its escapes undone, of `low` to `high` bytes.
static bool read_text(struct gate *g, const struct json_value *v, size_t low, size_t high, struct slice *out)
{
    char *space = NULL;
    if (v->type != JSONR_STRING || v->raw.len < low + 2)
        return false;
    if (v->escaped) {
        if (v->raw.len > 6 * high + 2) // an escape is at most six bytes for one
            return false;
        space = arena_alloc(g->arena, high);
        if (!space)
            return false;
    }
    return json_value_string(v, space, high, out, NULL) && out->len >= low;
}

static bool read_queue(struct gate *g, const struct json_value *v, struct slice *out)
{
    if (!read_text(g, v, 1, QUEUE_NAME_MAX, out))
        return false;
    // JSON lets other control characters only appear as escapes.
    for (size_t i = 0; v->escaped && i < out->len; i++)
        if ((unsigned char)out->data[i] < 0x20)
            return false;
    return !memchr(out->data, 0x7f, out->len);
}

// Fractions are rounded up to the next millisecond, but not for what a double cannot say exactly: 1.1 s is
// 1100 ms.
static bool read_ms(const struct json_value *v, double highest, int64_t *out)
{
    uint64_t whole;
    if (v->integer && json_value_uint53(v, &whole)) {
        if ((double)whole > highest)
            return false;
        *out = (int64_t)whole * 1000;
        return true;
    }
    double seconds;
    if (!json_value_double(v, &seconds) || !(seconds >= 0) || seconds > highest)
        return false;
    *out = (int64_t)ceil(seconds * 1000 - 1e-4);
    if (*out <= 0)
        *out = seconds > 0 ? 1 : 0;
    return true;
}

static bool read_seconds(const struct json_value *v, int64_t low, int64_t high, int64_t *out)
{
    return read_ms(v, (double)high / 1000, out) && *out >= low && *out <= high;
}

static bool read_whole(const struct json_value *v, int64_t low, int64_t high, uint64_t *out)
{
    return json_value_uint53(v, out) && *out >= (uint64_t)low && *out <= (uint64_t)high;
}

static bool read_order(const struct json_value *v, bool *lifo)
{
    *lifo = json_string_is(v, "lifo");
    return *lifo || json_string_is(v, "fifo");
}

static bool read_state(struct gate *g, const struct json_value *v, int64_t allowed, unsigned *out)
{
    struct slice name;
    enum job_state state;
    if (!read_text(g, v, 1, 16, &name) || !job_state_of_name(name, &state))
        return false;
    *out = JOB_STATE_BIT(state);
    return (allowed & *out) != 0;
}

// How many elements a list that was read already has.
static unsigned count_elements(const struct json_value *list)
{
    struct json_reader r;
    struct json_value ignored;
    unsigned n = 0;
    json_reader_init(&r, list->raw.data, list->raw.len);
    if (json_reader_array_begin(&r))
        while (json_reader_element(&r, &ignored))
            n++;
    return n;
}

// Room for what the elements of a list of 1 to `high` become, `size` bytes each; they are read from *r.
static void *begin_list(struct gate *g, const struct json_value *v, int64_t high, size_t size,
                        struct json_reader *r)
{
    if (v->type != JSONR_ARRAY)
        return NULL;
    unsigned count = count_elements(v);
    void *items = count < 1 || count > high ? NULL : arena_alloc(g->arena, count * size);
    json_reader_init(r, v->raw.data, v->raw.len);
    return items && json_reader_array_begin(r) ? items : NULL;
}

// Lists are rare, and not to be in the way of what every request has: so their readers are not inlined.
__attribute__((noinline)) static bool read_queues(struct gate *g, const struct json_value *v, int64_t high,
                                                  struct param_names *out)
{
    struct json_reader r;
    struct json_value name;
    if (!(out->items = begin_list(g, v, high, sizeof *out->items, &r)))
        return false;
    for (out->count = 0; json_reader_element(&r, &name); out->count++) {
        if (!read_queue(g, &name, &out->items[out->count]))
            return false;
        for (unsigned i = 0; i < out->count; i++)
            if (slice_same(out->items[i], out->items[out->count]))
                return false;
    }
    return true;
}

__attribute__((noinline)) static bool read_ids(struct gate *g, const struct json_value *v, int64_t high,
                                               struct param_ids *out)
{
    struct json_reader r;
    struct json_value id;
    if (!(out->items = begin_list(g, v, high, sizeof *out->items, &r)))
        return false;
    for (out->count = 0; json_reader_element(&r, &id); out->count++)
        if (!json_value_uint53(&id, &out->items[out->count]))
            return false;
    return true;
}

static bool read_states(struct gate *g, const struct json_value *v, int64_t allowed, unsigned *out)
{
    struct json_reader r;
    struct json_value name;
    *out = 0;
    if (v->type != JSONR_ARRAY)
        return false;
    json_reader_init(&r, v->raw.data, v->raw.len);
    if (!json_reader_array_begin(&r))
        return false;
    while (json_reader_element(&r, &name)) {
        unsigned state = 0;
        if (json_string_is(&name, event_state_name(EVENT_DELETED)))
            state = 1u << EVENT_DELETED;
        else if (!read_state(g, &name, allowed, &state))
            return false;
        *out |= state & (unsigned)allowed;
    }
    return *out != 0;
}

static void read_value(struct gate *g, const struct param *row, const struct json_value *v)
{
    void *field = (char *)g->request + row->offset;
    bool fine = false;
    switch ((enum param_type)row->type) {
    case PARAM_QUEUE:
        fine = read_queue(g, v, field);
        break;
    case PARAM_QUEUE_OR_NULL:
        fine = v->type == JSONR_NULL || read_queue(g, v, field);
        break;
    case PARAM_TEXT:
        fine = read_text(g, v, (size_t)row->low, (size_t)row->high, field);
        break;
    case PARAM_ANY:
        *(struct slice *)field = v->raw;
        if (v->raw.len > g->max_body) {
            request_refuse(g->request, ERROR_TOO_LARGE, (struct slice){row->name, row->name_len},
                           arena_printf(g->arena, "%s has %zu bytes; the daemon takes %llu", row->name,
                                        v->raw.len, (unsigned long long)g->max_body));
            return;
        }
        fine = true;
        break;
    case PARAM_ID:
        *(struct slice *)field = v->raw;
        fine = v->type == JSONR_STRING || v->type == JSONR_NUMBER || v->type == JSONR_NULL;
        break;
    case PARAM_NUMBER:
        fine = json_value_double(v, field);
        break;
    case PARAM_SHARE:
        fine = json_value_double(v, field) && *(double *)field >= 0 && *(double *)field <= 1;
        break;
    case PARAM_SECONDS:
        fine = read_seconds(v, row->low, row->high, field);
        break;
    case PARAM_TIMEOUT:
        *(int64_t *)field = FOREVER;
        fine = v->type == JSONR_NULL || read_seconds(v, 0, SECONDS_MAX_MS, field);
        break;
    case PARAM_WHOLE:
        fine = read_whole(v, row->low, row->high, field);
        break;
    case PARAM_FLAG:
        fine = json_value_bool(v, field);
        break;
    case PARAM_ORDER:
        fine = read_order(v, field);
        break;
    case PARAM_STATE:
        fine = read_state(g, v, row->high, field);
        break;
    case PARAM_QUEUES:
        fine = read_queues(g, v, row->high, field);
        break;
    case PARAM_IDS:
        fine = read_ids(g, v, row->high, field);
        break;
    case PARAM_STATES:
        fine = read_states(g, v, row->high, field);
        break;
    case PARAM_OBJECT: // read_object has it
        break;
    }
    if (!fine)
        refuse_value(g, row);
}

// ---- members

// Members mostly come in the order of the rows, so the search goes on behind the last one found.
static const struct param *find(const struct param *rows, unsigned count, unsigned *from,
                                const struct json_value *key)
{
    struct slice name = json_value_inner(key);
    for (unsigned n = 0, i = *from; n < count; n++, i++) {
        if (i >= count)
            i = 0;
        const struct param *row = &rows[i];
        if (key->escaped ? json_string_is(key, row->name)
                         : row->name_len == name.len && memcmp(row->name, name.data, name.len) == 0) {
            *from = i + 1;
            return row;
        }
    }
    return NULL;
}

// Rows are at most two levels deep, and so is the recursion.
static bool read_object(struct gate *g, const struct param *rows, unsigned count, struct json_reader *reader)
{
    struct request *r = g->request;
    struct json_value key, value;
    unsigned from = 0;
    if (!json_reader_object_begin(reader))
        return false;
    while (json_reader_key(reader, &key)) {
        const struct param *row = r->error ? NULL : find(rows, count, &from, &key);
        if (!row && !r->error)
            refuse_unknown(g, &key);
        if (row && r->seen & PARAM_BIT(row->bit))
            request_refuse(r, ERROR_INVALID_PARAMS, (struct slice){row->name, row->name_len},
                           arena_printf(g->arena, "the param %s is given twice", row->name));
        if (row)
            r->seen |= PARAM_BIT(row->bit);
        if (row && !r->error && row->type == PARAM_OBJECT && json_reader_peek(reader) == '{') {
            if (!read_object(g, row->rows, row->row_count, reader))
                return false;
            continue;
        }
        if (!json_reader_value(reader, &value))
            return false;
        if (row && !r->error)
            read_value(g, row, &value);
    }
    return !reader->error;
}

static void check_required(struct arena *arena, struct request *r)
{
    const struct method *m = r->method;
    if (r->error || (r->seen & m->required) == m->required)
        return;
    for (unsigned i = 0; i < m->param_count; i++) {
        if (m->required & PARAM_BIT(m->params[i].bit) & ~r->seen) {
            refuse_missing(arena, r, &m->params[i]);
            return;
        }
    }
}

bool params_read(struct arena *arena, uint64_t max_body, struct json_reader *reader, struct request *r)
{
    struct gate g = {arena, max_body, r};
    if (!read_object(&g, r->method->params, r->method->param_count, reader))
        return false;
    check_required(arena, r);
    return true;
}

void params_none(struct arena *arena, struct request *r)
{
    check_required(arena, r);
}
