#include "client/cli/manual.h"

#include "client/cli/commands.h"

#include <stdio.h>
#include <string.h>

// Text for troff: its own characters escaped, a line that would begin with a control character made harmless.
static void print_text(const char *text)
{
    bool line_start = true;
    for (const char *at = text; *at != '\0'; at++) {
        if (line_start && (*at == '.' || *at == '\''))
            fputs("\\&", stdout);
        line_start = *at == '\n';
        if (*at == '\\')
            fputs("\\e", stdout);
        else if (*at == '-')
            fputs("\\-", stdout);
        else
            putchar(*at);
    }
}

// Lines that begin with a space are shown as they are; the others flow.
static void print_help(const char *text)
{
    bool as_is = false;
    while (text != NULL && *text != '\0') {
        const char *end = strchr(text, '\n');
        size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        char line[512];
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        if (len == 0) {
            if (!as_is)
                puts(".PP");
        } else if (as_is != (line[0] == ' ')) {
            as_is = !as_is;
            puts(as_is ? ".PP\n.nf" : ".fi\n.PP");
        }
        print_text(line);
        if (len > 0)
            putchar('\n');
        text += len + (end != NULL);
    }
    if (as_is)
        puts(".fi");
}

static void print_option(const struct option *o)
{
    fputs(".TP\n", stdout);
    if (o->letter != 0)
        printf("\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", stdout);
    print_text(o->name);
    fputs("\\fR", stdout);
    if (o->argument != NULL)
        printf(" \\fI%s\\fR", o->argument);
    putchar('\n');
    print_text(o->help);
    putchar('\n');
}

static void print_options(const struct option *table)
{
    for (; table != NULL && table->name != NULL; table++)
        print_option(table);
}

static void print_command(const struct command *c)
{
    printf(".SS ");
    print_text(c->name);
    printf("\n.B taskq %s\n", c->name);
    print_text(c->usage);
    fputs("\n.PP\n", stdout);
    print_text(c->summary);
    if (c->alias != NULL)
        printf(" (also: \\fBtaskq %s\\fR)", c->alias);
    fputs(".\n", stdout);
    if (c->help != NULL) {
        puts(".PP");
        print_help(c->help);
    }
    print_options(c->options);
}

static const struct {
    const char *name, *text;
} variables[] = {
    {"TASKQ_ADDR", "The daemon, where --address does not say it."},
    {"TASKQ_TOKEN", "The token that says who you are."},
    {"TASKQ_TOKEN_FILE",
     "A file whose first line is the token, where neither --token-file nor TASKQ_TOKEN is given."},
    {"TASKQ_CA", "As --ca, where the address is one with TLS; so are the next three."},
    {"TASKQ_CERT", "As --cert."},
    {"TASKQ_KEY", "As --cert-key."},
    {"TASKQ_TLS_NAME", "As --tls-name."},
    {"NO_COLOR", "If it is set, there are no colours on a terminal."},
};

void manual_print(void)
{
    puts(".TH TASKQ 1 \"\" \"taskq " TASKQ_VERSION "\" \"User Commands\"\n"
         ".SH NAME\n"
         "taskq \\- put, take and look after the jobs of taskqd, the job queue daemon\n"
         ".SH SYNOPSIS\n"
         ".B taskq\n"
         "[\\fB\\-a\\fR \\fIWHERE\\fR] [\\fB\\-\\-json\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]\n"
         ".SH OPTIONS\n"
         "With every command, before or behind its name:");
    print_options(options_everywhere);
    puts(".SH COMMANDS");
    for (size_t i = 0; commands[i] != NULL; i++)
        print_command(commands[i]);
    puts(".SH EXIT STATUS");
    for (size_t i = 0; i < exit_text_count; i++) {
        printf(".TP\n.B %d\n", exit_texts[i].code);
        print_text(exit_texts[i].text);
        putchar('\n');
    }
    puts(".SH ENVIRONMENT");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        printf(".TP\n.B %s\n", variables[i].name);
        print_text(variables[i].text);
        putchar('\n');
    }
    puts(".SH SEE ALSO\n"
         ".BR taskqd (8),\n.BR taskqd.conf (5),\n.BR taskq (3)");
}
