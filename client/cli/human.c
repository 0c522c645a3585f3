#include "client/cli/human.h"

#include "client/cli/output.h"
#include "client/cli/values.h"
#include "common/json_reader.h"

#include <stdio.h>
#include <stdlib.h>

// Members that are times, and how they are shown.
static const struct {
    const char *name;
    bool moment;
} times[] = {
    {"age", false},    {"due", false},   {"lease", false},       {"expires", false},
    {"oldest", false}, {"delay", false}, {"keep_result", false}, {"keep_dead", false},
    {"base", false},   {"cap", false},   {"seconds", false},     {"created", true},
};

static bool show_time(const struct json_value *key, const struct json_value *value, char out[VALUE_TEXT])
{
    double n;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (json_string_is(key, times[i].name) && json_value_double(value, &n)) {
            if (times[i].moment)
                value_show_moment(n, out);
            else
                value_show_seconds(n, out);
            return true;
        }
    return false;
}

static void begin(struct json_reader *r, struct slice s)
{
    json_reader_init(r, s.data, s.len);
    r->depth_max = JSON_DEPTH_LIMIT;
}

static bool find(const char *json, size_t len, const char *name, struct json_value *key,
                 struct json_value *value)
{
    struct json_reader r;
    begin(&r, (struct slice){json, len});
    if (json_reader_object_begin(&r))
        while (json_reader_member(&r, key, value))
            if (json_string_is(key, name))
                return value->type != JSONR_NULL;
    return false;
}

// A body, a result and an error are shown as the JSON they are, so that "1" and 1 differ.
static bool is_json(const struct json_value *key)
{
    return json_string_is(key, "body") || json_string_is(key, "result") || json_string_is(key, "error");
}

static void print_value(const struct json_value *key, const struct json_value *value)
{
    char text[VALUE_TEXT];
    struct taskq_text string;
    if (is_json(key)) {
        output_json_to(stdout, value->raw);
    } else if (show_time(key, value, text)) {
        fputs(text, stdout);
    } else if (value->type == JSONR_NULL) {
        putchar('-');
    } else if (value->type == JSONR_TRUE || value->type == JSONR_FALSE) {
        fputs(value->type == JSONR_TRUE ? "yes" : "no", stdout);
    } else if (value->type == JSONR_STRING &&
               taskq_json_unstring(value->raw.data, value->raw.len, &string) == TASKQ_OK) {
        output_text((struct slice){string.data, string.len});
        taskq_text_release(&string);
    } else {
        output_json_to(stdout, value->raw);
    }
    putchar('\n');
}

// How long things took: an object of their count and of quantiles.
static bool is_times(struct slice json)
{
    struct json_value key, value;
    return find(json.data, json.len, "count", &key, &value) && find(json.data, json.len, "p50", &key, &value);
}

static void print_times(struct slice json)
{
    char half[VALUE_TEXT], most[VALUE_TEXT], nearly[VALUE_TEXT];
    double count = human_number(json.data, json.len, "count");
    if (count > 0)
        printf("%.0f: half within %s, 90 %% within %s, 99 %% within %s\n", count,
               value_show_short(human_number(json.data, json.len, "p50"), half),
               value_show_short(human_number(json.data, json.len, "p90"), most),
               value_show_short(human_number(json.data, json.len, "p99"), nearly));
    else
        puts("0");
}

static void print_object(struct slice json, int indent)
{
    struct json_reader r;
    struct json_value key, value;
    size_t width = 0;
    begin(&r, json);
    if (json_reader_object_begin(&r))
        while (json_reader_member(&r, &key, &value))
            if (key.raw.len - 2 > width)
                width = key.raw.len - 2;
    begin(&r, json);
    if (!json_reader_object_begin(&r))
        return;
    while (json_reader_member(&r, &key, &value)) {
        struct slice name = json_value_inner(&key);
        printf("%*s", indent, "");
        output_text(name);
        if (value.type == JSONR_OBJECT && is_times(value.raw)) {
            printf("%*s", (int)(width - name.len) + 2, "");
            print_times(value.raw);
            continue;
        }
        if (value.type == JSONR_OBJECT && !is_json(&key)) {
            putchar('\n');
            print_object(value.raw, indent + 2);
            continue;
        }
        printf("%*s", (int)(width - name.len) + 2, "");
        print_value(&key, &value);
    }
}

void human_object(const char *json, size_t len)
{
    print_object((struct slice){json, len}, 0);
}

int human_answer(const struct cli *c, enum taskq_error e, struct taskq_text *answer)
{
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        output_json(answer->data, answer->len);
    else
        human_object(answer->data, answer->len);
    taskq_text_release(answer);
    return EXIT_DONE;
}

bool human_member(const char *json, size_t len, const char *name, char *out, size_t cap)
{
    struct json_value key, value;
    struct taskq_text string;
    char text[VALUE_TEXT];
    if (!find(json, len, name, &key, &value))
        return false;
    if (show_time(&key, &value, text)) {
        snprintf(out, cap, "%s", text);
    } else if (value.type == JSONR_STRING &&
               taskq_json_unstring(value.raw.data, value.raw.len, &string) == TASKQ_OK) {
        snprintf(out, cap, "%s", string.data);
        taskq_text_release(&string);
    } else {
        snprintf(out, cap, "%.*s", (int)value.raw.len, value.raw.data);
    }
    return true;
}

double human_number(const char *json, size_t len, const char *name)
{
    struct json_value key, value;
    double n = 0;
    if (!find(json, len, name, &key, &value) || !json_value_double(&value, &n))
        return 0;
    return n;
}

bool human_true(const char *json, size_t len, const char *name)
{
    struct json_value key, value;
    return find(json, len, name, &key, &value) && value.type == JSONR_TRUE;
}
