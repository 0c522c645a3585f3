#include "client/cli/options.h"

#include "client/cli/values.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct option *find(const struct arguments *a, const char *name, size_t len, char letter,
                                 struct option_value **value, const struct arguments *values)
{
    for (int t = 0; t < 2; t++)
        for (int i = 0; a->tables[t] != NULL && a->tables[t][i].name != NULL; i++) {
            const struct option *o = &a->tables[t][i];
            assert(i < OPTIONS_MAX);
            bool same = name != NULL ? strlen(o->name) == len && memcmp(o->name, name, len) == 0
                                     : o->letter == letter;
            if (!same)
                continue;
            if (value != NULL)
                *value = (struct option_value *)&values->values[t * OPTIONS_MAX + i];
            return o;
        }
    return NULL;
}

static bool set(const struct option *o, struct option_value *v, const char *text, char error[OPTIONS_ERROR])
{
    bool ok = true;
    v->given = true;
    v->text = text;
    switch (o->type) {
    case OPTION_FLAG:
    case OPTION_TEXT:
        break;
    case OPTION_SECONDS:
        ok = value_seconds(text, &v->number);
        break;
    case OPTION_NUMBER:
        ok = value_number(text, &v->number);
        break;
    case OPTION_COUNT:
        ok = value_count(text, &v->count);
        break;
    case OPTION_MOMENT:
        ok = value_moment(text, &v->number);
        break;
    }
    if (!ok)
        snprintf(error, OPTIONS_ERROR, "--%s %s: %s", o->name, text, value_wanted(o->type));
    return ok;
}

// `--name`, `--name=value`, `--name value`. Uses up 1 or 2 words; 0: an error.
static int take_long(struct arguments *a, char **argv, int left, char error[OPTIONS_ERROR])
{
    const char *name = argv[0] + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    struct option_value *v;
    const struct option *o = find(a, name, len, 0, &v, a);
    if (o == NULL) {
        snprintf(error, OPTIONS_ERROR, "there is no option --%.*s", (int)len, name);
        return 0;
    }
    if (o->type == OPTION_FLAG && equals != NULL) {
        snprintf(error, OPTIONS_ERROR, "--%s takes no value", o->name);
        return 0;
    }
    if (o->type == OPTION_FLAG)
        return set(o, v, "", error);
    if (equals != NULL)
        return set(o, v, equals + 1, error);
    if (left < 2) {
        snprintf(error, OPTIONS_ERROR, "--%s wants a value", o->name);
        return 0;
    }
    return set(o, v, argv[1], error) ? 2 : 0;
}

// `-x`, `-xy`, `-nVALUE`, `-n VALUE`.
static int take_short(struct arguments *a, char **argv, int left, char error[OPTIONS_ERROR])
{
    for (const char *at = argv[0] + 1; *at != '\0'; at++) {
        struct option_value *v;
        const struct option *o = find(a, NULL, 0, *at, &v, a);
        if (o == NULL) {
            snprintf(error, OPTIONS_ERROR, "there is no option -%c", *at);
            return 0;
        }
        if (o->type == OPTION_FLAG) {
            set(o, v, "", error);
            continue;
        }
        if (at[1] != '\0')
            return set(o, v, at + 1, error);
        if (left < 2) {
            snprintf(error, OPTIONS_ERROR, "-%c wants a value", *at);
            return 0;
        }
        return set(o, v, argv[1], error) ? 2 : 0;
    }
    return 1;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9') && word[1] != '.';
}

bool options_parse(struct arguments *a, int argc, char **argv, bool only_leading, char error[OPTIONS_ERROR])
{
    int kept = 0;
    a->positional = argv;
    for (int i = 0; i < argc;) {
        if (strcmp(argv[i], "--") == 0) {
            a->rest = argv + i + 1;
            break;
        }
        if (!is_option(argv[i])) {
            if (only_leading) {
                a->positional = argv + i;
                a->count = argc - i;
                return true;
            }
            argv[kept++] = argv[i++];
            continue;
        }
        int used = argv[i][1] == '-' ? take_long(a, argv + i, argc - i, error)
                                     : take_short(a, argv + i, argc - i, error);
        if (used == 0)
            return false;
        i += used;
    }
    a->count = kept;
    return true;
}

const struct option_value *option_get(const struct arguments *a, const char *name)
{
    struct option_value *v = NULL;
    find(a, name, strlen(name), 0, &v, a);
    assert(v != NULL);
    return v;
}

bool option_given(const struct arguments *a, const char *name)
{
    return option_get(a, name)->given;
}

double option_number(const struct arguments *a, const char *name, double otherwise)
{
    const struct option_value *v = option_get(a, name);
    return v->given ? v->number : otherwise;
}

void options_help(const struct option *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        char left[64], letter[5] = "    ";
        if (table->letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", table->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, table->name, table->argument != NULL ? " " : "",
                 table->argument != NULL ? table->argument : "");
        printf("  %-28s  ", left);
        // A line break in the text is one in the help, below the column.
        for (const char *at = table->help; *at != '\0'; at++)
            if (*at == '\n')
                printf("\n%32s", "");
            else
                putchar(*at);
        putchar('\n');
    }
}
