#include "server/pool/handler_settings.h"
#include "common/plural.h"

#include "common/utf8.h"
#include "server/pool/spawn_user.h"
#include "server/pool/spawner.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What the four variables of a job and the pointers to all take of SPAWN_SPEC_MAX at the most, with a lot to
// spare.
#define SPEC_RESERVE (8 * 1024)

const struct handler_setting_row handler_setting_rows[HANDLER_SETTING_ROWS] = {
#define X(field, type, low, high, value, text)                                                               \
    {#field, HANDLER_SETTING_##type, low, high, value, text, offsetof(struct handler_settings, field)},
    HANDLER_SETTINGS(X)
#undef X
};

static const struct {
    const char *name, *text;
} kinds[HANDLER_KIND_COUNT] = {
#define X(constant, name, text) {name, text},
    HANDLER_KINDS(X)
#undef X
};

static const char *const inputs[HANDLER_INPUT_COUNT] = {
#define X(constant, name, text) name,
    HANDLER_INPUTS(X)
#undef X
};

const char *handler_kind_name(enum handler_kind kind)
{
    assert((unsigned)kind < HANDLER_KIND_COUNT);
    return kinds[kind].name;
}

const char *handler_kind_text(enum handler_kind kind)
{
    assert((unsigned)kind < HANDLER_KIND_COUNT);
    return kinds[kind].text;
}

bool handler_kind_of_name(const char *name, enum handler_kind *kind)
{
    for (int i = 0; i < HANDLER_KIND_COUNT; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *kind = (enum handler_kind)i;
            return true;
        }
    return false;
}

const char *handler_input_name(enum handler_input input)
{
    assert((unsigned)input < HANDLER_INPUT_COUNT);
    return inputs[input];
}

bool handler_input_of_name(const char *name, enum handler_input *input)
{
    for (int i = 0; i < HANDLER_INPUT_COUNT; i++)
        if (strcmp(inputs[i], name) == 0) {
            *input = (enum handler_input)i;
            return true;
        }
    return false;
}

// ---- memory

static void *field_of(const struct handler_settings *s, const struct handler_setting_row *row)
{
    return (char *)s + row->offset;
}

static void set_default(struct handler_settings *s, const struct handler_setting_row *row)
{
    void *field = field_of(s, row);
    switch (row->type) {
    case HANDLER_SETTING_KIND:
        *(enum handler_kind *)field = (enum handler_kind)row->value;
        break;
    case HANDLER_SETTING_INPUT:
        *(enum handler_input *)field = (enum handler_input)row->value;
        break;
    case HANDLER_SETTING_COUNT:
    case HANDLER_SETTING_BYTES:
        *(uint64_t *)field = (uint64_t)row->value;
        break;
    case HANDLER_SETTING_SECONDS:
        *(int64_t *)field = row->value;
        break;
    case HANDLER_SETTING_FLAG:
        *(bool *)field = row->value != 0;
        break;
    case HANDLER_SETTING_TEXT:
    case HANDLER_SETTING_TEXTS:
        break; // nothing is given
    }
}

bool handler_settings_init(struct handler_settings *s, const char *name)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < HANDLER_SETTING_ROWS; i++)
        set_default(s, &handler_setting_rows[i]);
    s->name = strdup(name);
    return s->name != NULL;
}

static void texts_release(struct handler_texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i]);
    free(t->items);
    *t = (struct handler_texts){0};
}

void handler_settings_release(struct handler_settings *s)
{
    for (int i = 0; i < HANDLER_SETTING_ROWS; i++) {
        void *field = field_of(s, &handler_setting_rows[i]);
        if (handler_setting_rows[i].type == HANDLER_SETTING_TEXT)
            free(*(char **)field);
        else if (handler_setting_rows[i].type == HANDLER_SETTING_TEXTS)
            texts_release(field);
    }
    free(s->name);
    memset(s, 0, sizeof *s);
}

bool handler_text_set(char **field, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return false;
    free(*field);
    *field = copy;
    return true;
}

bool handler_texts_add(struct handler_texts *field, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return false;
    char **items = realloc(field->items, (field->count + 2) * sizeof *items);
    if (!items) {
        free(copy);
        return false;
    }
    items[field->count++] = copy;
    items[field->count] = NULL;
    field->items = items;
    return true;
}

static bool texts_copy(struct handler_texts *to, const struct handler_texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!handler_texts_add(to, from->items[i]))
            return false;
    return true;
}

bool handler_settings_copy(struct handler_settings *to, const struct handler_settings *from)
{
    *to = *from;
    // What is pointed to is still the other's: let go of it before anything can fail.
    to->name = NULL;
    for (int i = 0; i < HANDLER_SETTING_ROWS; i++) {
        const struct handler_setting_row *row = &handler_setting_rows[i];
        if (row->type == HANDLER_SETTING_TEXT)
            *(char **)field_of(to, row) = NULL;
        else if (row->type == HANDLER_SETTING_TEXTS)
            *(struct handler_texts *)field_of(to, row) = (struct handler_texts){0};
    }
    bool ok = handler_text_set(&to->name, from->name);
    for (int i = 0; ok && i < HANDLER_SETTING_ROWS; i++) {
        const struct handler_setting_row *row = &handler_setting_rows[i];
        if (row->type == HANDLER_SETTING_TEXT) {
            const char *text = *(char **)field_of(from, row);
            ok = !text || handler_text_set(field_of(to, row), text);
        } else if (row->type == HANDLER_SETTING_TEXTS) {
            ok = texts_copy(field_of(to, row), field_of(from, row));
        }
    }
    if (!ok)
        handler_settings_release(to);
    return ok;
}

static bool texts_equal(const struct handler_texts *a, const struct handler_texts *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = strcmp(a->items[i], b->items[i]) == 0;
    return equal;
}

static bool field_equal(const struct handler_setting_row *row, const void *a, const void *b)
{
    const char *one, *two;
    switch (row->type) {
    case HANDLER_SETTING_KIND:
        return *(const enum handler_kind *)a == *(const enum handler_kind *)b;
    case HANDLER_SETTING_INPUT:
        return *(const enum handler_input *)a == *(const enum handler_input *)b;
    case HANDLER_SETTING_COUNT:
    case HANDLER_SETTING_BYTES:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    case HANDLER_SETTING_SECONDS:
        return *(const int64_t *)a == *(const int64_t *)b;
    case HANDLER_SETTING_FLAG:
        return *(const bool *)a == *(const bool *)b;
    case HANDLER_SETTING_TEXT:
        one = *(char *const *)a;
        two = *(char *const *)b;
        return one && two ? strcmp(one, two) == 0 : one == two;
    case HANDLER_SETTING_TEXTS:
        return texts_equal(a, b);
    }
    return false;
}

bool handler_settings_equal(const struct handler_settings *a, const struct handler_settings *b)
{
    bool equal = strcmp(a->name, b->name) == 0;
    for (int i = 0; equal && i < HANDLER_SETTING_ROWS; i++)
        if (i != HANDLER_SETTING_INDEX_workers)
            equal = field_equal(&handler_setting_rows[i], field_of(a, &handler_setting_rows[i]),
                                field_of(b, &handler_setting_rows[i]));
    return equal;
}

bool handler_needs_spawner(const struct handler_settings *s)
{
    return s->kind == HANDLER_EXEC || s->kind == HANDLER_PROCESS || s->kind == HANDLER_MODULE;
}

// ---- checks

struct check {
    const char *handler;
    char *why; // HANDLER_WHY_MAX
};

__attribute__((format(printf, 2, 3))) static bool refuse(const struct check *c, const char *format, ...)
{
    int len = snprintf(c->why, HANDLER_WHY_MAX, "handler \"%.100s\": ", c->handler);
    va_list args;
    va_start(args, format);
    vsnprintf(c->why + len, HANDLER_WHY_MAX - (size_t)len, format, args);
    va_end(args);
    return false;
}

static bool check_row(const struct check *c, const struct handler_settings *s,
                      const struct handler_setting_row *row)
{
    const void *field = field_of(s, row);
    uint64_t value;
    switch (row->type) {
    case HANDLER_SETTING_KIND:
        value = (uint64_t) * (const enum handler_kind *)field;
        break;
    case HANDLER_SETTING_INPUT:
        value = (uint64_t) * (const enum handler_input *)field;
        break;
    case HANDLER_SETTING_COUNT:
    case HANDLER_SETTING_BYTES:
        value = *(const uint64_t *)field;
        break;
    case HANDLER_SETTING_SECONDS:
        if (*(const int64_t *)field < row->low || *(const int64_t *)field > row->high)
            return refuse(c, "%s must be %g to %g seconds", row->name, (double)row->low / 1000,
                          (double)row->high / 1000);
        return true;
    case HANDLER_SETTING_TEXT: {
        const char *text = *(char *const *)field;
        if (text && (text[0] == '\0' || strlen(text) > (size_t)row->high))
            return refuse(c, "%s must be 1 to %" PRId64 " bytes long", row->name, row->high);
        return true;
    }
    case HANDLER_SETTING_TEXTS:
        value = ((const struct handler_texts *)field)->count;
        if (value > (uint64_t)row->high)
            return refuse(c, "%s has %" PRIu64 " entries, and may have %" PRId64, row->name, value,
                          row->high);
        return true;
    default:
        return true;
    }
    if (value < (uint64_t)row->low || value > (uint64_t)row->high)
        return refuse(c, "%s must be %" PRId64 " to %" PRId64, row->name, row->low, row->high);
    return true;
}

static bool check_env(const struct check *c, const struct handler_texts *env)
{
    static const char *const ours[] = {"TASKQ_ID", "TASKQ_QUEUE", "TASKQ_ATTEMPT", "TASKQ_DELIVERY"};
    for (size_t i = 0; i < env->count; i++) {
        size_t len = strcspn(env->items[i], "=");
        if (len == 0)
            return refuse(c, "env \"%.100s\" is not NAME=value", env->items[i]);
        for (size_t j = 0; j < sizeof ours / sizeof *ours; j++)
            if (strlen(ours[j]) == len && memcmp(ours[j], env->items[i], len) == 0)
                return refuse(c, "env may not set %s: each job gets its own", ours[j]);
    }
    return true;
}

static bool check_user(const struct check *c, const char *name)
{
    struct spawn_user user;
    int error = spawn_user_lookup(name, &user);
    if (error == ENOENT)
        return refuse(c, "there is no user \"%s\"", name);
    if (error)
        return refuse(c, "cannot look up the user \"%s\": %s", name, strerror(error));
    if (geteuid() != 0 && user.uid != geteuid())
        return refuse(c, "user = \"%s\" needs a daemon that runs as root", name);
    return true;
}

static bool check_spec(const struct check *c, const struct handler_settings *s)
{
    size_t size = SPEC_RESERVE;
    for (size_t i = 0; i < s->command.count; i++)
        size += strlen(s->command.items[i]) + 1;
    for (size_t i = 0; i < s->env.count; i++)
        size += strlen(s->env.items[i]) + 1;
    if (size > SPAWN_SPEC_MAX)
        return refuse(c, "command and env together are longer than %d bytes", SPAWN_SPEC_MAX - SPEC_RESERVE);
    return check_env(c, &s->env) && (!s->user || check_user(c, s->user));
}

static bool check_command(const struct check *c, const struct handler_settings *s)
{
    if (s->module || s->function)
        return refuse(c, "%s is for handlers of kind module, and this one is of kind %s",
                      s->module ? "module" : "function", kinds[s->kind].name);
    if (s->command.count == 0)
        return refuse(c, "its kind is %s and it has no command", kinds[s->kind].name);
    if (s->command.items[0][0] == '\0')
        return refuse(c, "the command's first string is the program to run, and it is empty");
    return check_spec(c, s);
}

static bool check_module(const struct check *c, const struct handler_settings *s)
{
    if (s->command.count > 0)
        return refuse(c, "command is for handlers of kind exec and process, and this one is of kind module");
    if (!s->module || !s->function)
        return refuse(c, "its kind is module and it has no %s", s->module ? "function" : "module");
    if (!strchr(s->module, '/'))
        return refuse(c, "module must be a path with a slash in it");
    return check_spec(c, s);
}

static bool check_builtin(const struct check *c, const struct handler_settings *s)
{
    const char *given = s->command.count > 0 ? "command"
                        : s->module          ? "module"
                        : s->function        ? "function"
                        : s->env.count > 0   ? "env"
                        : s->cwd             ? "cwd"
                        : s->user            ? "user"
                                             : NULL;
    if (given)
        return refuse(c, "%s is for handlers that start processes, and this one is built in (kind = %s)",
                      given, kinds[s->kind].name);
    return true;
}

static bool check_kind(const struct check *c, const struct handler_settings *s)
{
    switch (s->kind) {
    case HANDLER_EXEC:
    case HANDLER_PROCESS:
        return check_command(c, s);
    case HANDLER_MODULE:
        return check_module(c, s);
    default:
        return check_builtin(c, s);
    }
}

static bool check_one(const struct check *c, struct handler_settings *s)
{
    if (!utf8_is_name(s->name, HANDLER_NAME_MAX))
        return refuse(c, "its name must be 1 to %d bytes of UTF-8 without control characters",
                      HANDLER_NAME_MAX);
    for (int i = 0; i < HANDLER_SETTING_ROWS; i++)
        if (!check_row(c, s, &handler_setting_rows[i]))
            return false;
    if (s->queues.count == 0 && !handler_texts_add(&s->queues, s->name))
        return refuse(c, "no memory");
    for (size_t i = 0; i < s->queues.count; i++)
        if (!utf8_is_name(s->queues.items[i], HANDLER_NAME_MAX))
            return refuse(c,
                          "queue name \"%.100s\" must be 1 to %d bytes of UTF-8 without control characters",
                          s->queues.items[i], HANDLER_NAME_MAX);
    return check_kind(c, s);
}

struct served {
    const char *queue, *handler;
};

static int compare_served(const void *a, const void *b)
{
    return strcmp(((const struct served *)a)->queue, ((const struct served *)b)->queue);
}

// Sorted, since there may be thousands of handlers. `names`: the handlers' own names are looked at, not their
// queues.
static bool check_unique(const struct handler_settings *handlers, size_t count, bool names, char *why)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < count; i++)
        total += names ? 1 : handlers[i].queues.count;
    struct served *all = malloc((total + 1) * sizeof *all);
    if (!all)
        return refuse(&(struct check){handlers[0].name, why}, "no memory");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < (names ? 1 : handlers[i].queues.count); j++)
            all[n++] =
                (struct served){names ? handlers[i].name : handlers[i].queues.items[j], handlers[i].name};
    qsort(all, n, sizeof *all, compare_served);

    bool unique = true;
    for (size_t i = 1; unique && i < n; i++) {
        if (strcmp(all[i - 1].queue, all[i].queue) != 0)
            continue;
        struct check c = {all[i].handler, why};
        if (names)
            unique = refuse(&c, "there are two handlers of this name");
        else if (strcmp(all[i - 1].handler, all[i].handler) == 0)
            unique = refuse(&c, "queue \"%.100s\" is named twice", all[i].queue);
        else
            unique =
                refuse(&c, "queue \"%.100s\" is served by handler \"%.100s\" already, and has one handler",
                       all[i].queue, all[i - 1].handler);
    }
    free(all);
    return unique;
}

bool handler_settings_check(struct handler_settings *handlers, size_t count, char why[HANDLER_WHY_MAX])
{
    uint64_t workers = 0;
    for (size_t i = 0; i < count; i++) {
        struct check c = {handlers[i].name, why};
        if (!check_one(&c, &handlers[i]))
            return false;
        workers += handlers[i].workers;
        if (workers > POOL_WORKERS_MAX)
            return refuse(&c, "with its %" PRIu64 " %s all handlers have more than %d together",
                          handlers[i].workers, plural(handlers[i].workers, "worker", "workers"),
                          POOL_WORKERS_MAX);
    }
    return count == 0 ||
           (check_unique(handlers, count, true, why) && check_unique(handlers, count, false, why));
}
