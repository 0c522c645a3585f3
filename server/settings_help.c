#include "server/settings.h"
#include "server/settings_table.h"

#include <string.h>

#define COLUMNS 80

// Words of a text with line breaks, each line behind so many blanks.
static void print_wrapped(FILE *out, const char *text, int indent)
{
    int at = 0;
    while (*text) {
        int word = (int)strcspn(text, " ");
        if (at > 0 && at + 1 + word > COLUMNS) {
            fputc('\n', out);
            at = 0;
        }
        at += fprintf(out, "%*s%.*s", at ? 1 : indent, "", word, text);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_row(FILE *out, const struct setting_row *row, const void *defaults, int indent)
{
    struct buffer value = BUFFER_INIT, expect = BUFFER_INIT;
    row->kind->write(row, setting_field(row, defaults), &value);
    row->kind->expect(row, &expect);
    buffer_append_byte(&expect, '\0');
    buffer_append_byte(&value, '\0');
    if (!value.failed && !expect.failed) {
        bool given = strcmp(value.data, "") != 0 && strcmp(value.data, "{}") != 0;
        fprintf(out, "%*s%s%s%s\n", indent, "", row->name, given ? " = " : "", given ? value.data : "");
        print_wrapped(out, row->text, indent + 4);
        char line[400];
        snprintf(line, sizeof line, "(%s%s)", expect.data, row->live ? "" : "; at the next start");
        print_wrapped(out, line, indent + 4);
    }
    buffer_release(&value);
    buffer_release(&expect);
}

static void print_rows(FILE *out, const struct setting_row *rows, const void *defaults, int indent)
{
    for (; rows->name; rows++)
        print_row(out, rows, defaults, indent);
}

void settings_help(FILE *out)
{
    struct settings daemon;
    struct handler_settings handler;
    const struct identity identity = {0};
    const struct grant grant = {0};
    settings_init(&daemon);
    fprintf(out,
            "The settings of taskqd with their defaults. Times are seconds, or 100ms, 5m, 2h, 1d; sizes are\n"
            "bytes, or 64K, 64M, 1G. A reload (SIGHUP) applies all that is not marked \"at the next "
            "start\".\n\n");
    print_rows(out, daemon_rows, &daemon, 0);
    fprintf(out, "\nqueue \"NAME\" {\n");
    print_rows(out, queue_rows, &queue_settings_default, 4);
    fprintf(out, "}\n\nhandler \"NAME\" {\n");
    if (handler_settings_init(&handler, "NAME")) {
        print_rows(out, handler_rows, &handler, 4);
        handler_settings_release(&handler);
    }
    fprintf(out, "}\n\ntoken \"NAME\" {\n");
    print_rows(out, token_rows, &identity, 4);
    print_rows(out, quota_rows, &identity.quotas, 4);
    fprintf(out, "    grant \"PATTERN\" {\n");
    print_rows(out, grant_rows, &grant, 8);
    fprintf(out,
            "    }\n}\n\nuser \"NAME\" and group \"NAME\" have quotas and grants, too, and tell clients of a "
            "Unix socket by\nwho runs them; certificate \"NAME\" has them, too, and tells clients with TLS "
            "by the name "
            "of their\ncertificate: the common name (CN) of its subject, without one the first DNS name, "
            "else URI, "
            "else\ne-mail address among its alternative names.\n");
    settings_release(&daemon);
}
