#include "server/settings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/taskqXXXXXX", path[64], other[64], why[SETTINGS_WHY_MAX];
static struct settings s;

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void setup(void)
{
    strcpy(folder, "/tmp/taskqXXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/taskqd.conf", folder);
    snprintf(other, sizeof other, "%s/other.conf", folder);
    settings_init(&s);
}

static void teardown(void)
{
    settings_release(&s);
    unlink(path);
    unlink(other);
    rmdir(folder);
}

static void reads(const char *text)
{
    write_file(path, text);
    ck_assert_msg(settings_read(&s, path, why), "%s", why);
}

// The message is one line: the file, `rest`.
static void refuses(const char *text, const char *rest)
{
    write_file(path, text);
    ck_assert_msg(!settings_read(&s, path, why), "%s", text);
    ck_assert_msg(strncmp(why, path, strlen(path)) == 0, "%s", why);
    ck_assert_msg(strstr(why + strlen(path), rest), "%s does not say %s", why, rest);
    ck_assert_msg(!strpbrk(why, "\n\r\t"), "%s", why);
    settings_release(&s);
    settings_init(&s);
}

// ---- every row, from a file into its field. Each type has a text that is not the default, and what it
// becomes.

#define IS_COUNT(f, low, high)   ck_assert_uint_eq(f, (uint64_t)(low) + 1)
#define IS_MODE(f, low, high)    ck_assert_uint_eq(f, (uint64_t)(low) + 1)
#define IS_BYTES(f, low, high)   ck_assert_uint_eq(f, (uint64_t)(high))
#define IS_SECONDS(f, low, high) ck_assert_int_eq(f, (int64_t)(low) + 7)
#define IS_SHARE(f, low, high)   ck_assert_double_eq(f, 0.375)
#define IS_FLAG(f, low, high)    ck_assert_int_eq(f, flag)
#define IS_ORDER(f, low, high)   ck_assert(f)
#define IS_CHOICE(f, low, high)  ck_assert_uint_eq(f, (uint64_t)(high))
#define IS_NAME(f, low, high)    ck_assert_str_eq(f, "a name")
#define IS_TEXT(f, low, high)    ck_assert_str_eq(f, "/some where")
#define IS_ADDRESSES(f, low, high)                                                                           \
    ck_assert_uint_eq((f).count, 2);                                                                         \
    ck_assert_str_eq((f).items[0], "unix:/o ne");                                                            \
    ck_assert_str_eq((f).items[1], "tls:[::1]:2")
#define IS_KIND(f, low, high)  ck_assert_int_eq(f, HANDLER_EXEC)
#define IS_INPUT(f, low, high) ck_assert_int_eq(f, HANDLER_INPUT_TEXT)
#define IS_TEXTS(f, low, high)                                                                               \
    ck_assert_uint_eq((f).count, 2);                                                                         \
    ck_assert_str_eq((f).items[0], "one");                                                                   \
    ck_assert_str_eq((f).items[1], "t w\"o");                                                                \
    ck_assert_ptr_null((f).items[2])

// The text of a row, by its type; flags are given twice, as true and as false.
enum {
    TYPE_COUNT,
    TYPE_MODE,
    TYPE_BYTES,
    TYPE_SECONDS,
    TYPE_SHARE,
    TYPE_FLAG,
    TYPE_ORDER,
    TYPE_CHOICE,
    TYPE_NAME,
    TYPE_TEXT,
    TYPE_TEXTS,
    TYPE_ADDRESSES,
    TYPE_KIND,
    TYPE_INPUT
};

static void text_of(char *out, size_t size, int type, int64_t low, int64_t high, const char *words, bool flag)
{
    switch (type) {
    case TYPE_COUNT:
    case TYPE_MODE:
        snprintf(out, size, "%lld", (long long)low + 1);
        break;
    case TYPE_BYTES:
        snprintf(out, size, "%lld", (long long)high);
        break;
    case TYPE_SECONDS:
        snprintf(out, size, "%lldms", (long long)low + 7);
        break;
    case TYPE_SHARE:
        snprintf(out, size, "0.375");
        break;
    case TYPE_FLAG:
        snprintf(out, size, "%s", flag ? "true" : "false");
        break;
    case TYPE_ORDER:
        snprintf(out, size, "lifo");
        break;
    case TYPE_CHOICE:
        snprintf(out, size, "%s", strrchr(words, ' ') + 1);
        break;
    case TYPE_NAME:
        snprintf(out, size, "\"a name\"");
        break;
    case TYPE_TEXT:
        snprintf(out, size, "\"/some where\"");
        break;
    case TYPE_TEXTS:
        snprintf(out, size, "{\"one\", 't w\"o'}");
        break;
    case TYPE_ADDRESSES:
        snprintf(out, size, "{\"unix:/o ne\", \"tls:[::1]:2\"}");
        break;
    case TYPE_KIND:
        snprintf(out, size, "exec");
        break;
    default:
        snprintf(out, size, "text");
    }
}

START_TEST(every_row_of_the_daemon_lands_in_its_field)
{
    bool flag = _i;
    char text[200], line[300];
#define X(field, type, low, high, value, words, when, help)                                                  \
    text_of(text, sizeof text, TYPE_##type, low, high, words, flag);                                         \
    snprintf(line, sizeof line, #field " = %s\n", text);                                                     \
    reads(line);                                                                                             \
    IS_##type(s.field, low, high);                                                                           \
    settings_release(&s);                                                                                    \
    settings_init(&s);
    SETTINGS(X)
#undef X
}
END_TEST

START_TEST(every_row_of_a_queue_lands_in_its_field_and_is_named_alone)
{
    bool flag = _i;
    char text[200], line[300];
#define X(field, type, low, high, value, help)                                                               \
    text_of(text, sizeof text, TYPE_##type, low, high, NULL, flag);                                          \
    snprintf(line, sizeof line, "queue \"q\" {\n" #field " = %s\n}\n", text);                                \
    reads(line);                                                                                             \
    ck_assert_uint_eq(s.queue_count, 1);                                                                     \
    ck_assert_str_eq(s.queues[0].name, "q");                                                                 \
    IS_##type(s.queues[0].settings.field, low, high);                                                        \
    ck_assert_uint_eq(s.queues[0].named, 1u << QUEUE_SETTING_##field);                                       \
    settings_release(&s);                                                                                    \
    settings_init(&s);
    QUEUE_SETTINGS(X)
#undef X
}
END_TEST

START_TEST(every_row_of_a_handler_lands_in_its_field)
{
    bool flag = _i;
    const char *refusal;
    char text[200], line[300];
#define X(field, type, low, high, value, help)                                                               \
    text_of(text, sizeof text, TYPE_##type, low, high, NULL, flag);                                          \
    refusal = NULL;                                                                                          \
    if (strcmp(#field, "user") == 0) {                                                                       \
        snprintf(text, sizeof text, "%s", "\"no such user, says the check\"");                               \
        refusal = text + 1;                                                                                  \
    } else if (strcmp(#field, "module") == 0 || strcmp(#field, "function") == 0) {                           \
        refusal = #field " is for handlers of kind module";                                                  \
    }                                                                                                        \
    snprintf(line, sizeof line, "handler \"h\" {\n command = {\"one\", 't w\"o'}\n " #field " = %s\n}\n",    \
             text);                                                                                          \
    if (!refusal) {                                                                                          \
        reads(line);                                                                                         \
        ck_assert_uint_eq(s.handler_count, 1);                                                               \
        ck_assert_str_eq(s.handlers[0].name, "h");                                                           \
        IS_##type(s.handlers[0].field, low, high);                                                           \
    } else {                                                                                                 \
        refuses(line, refusal);                                                                              \
    }                                                                                                        \
    settings_release(&s);                                                                                    \
    settings_init(&s);
    HANDLER_SETTINGS(X)
#undef X
}
END_TEST

// ---- every row refuses what is out of its range, and says where

static void refuses_number(const char *section, const char *field, const char *number)
{
    char line[300], words[300];
    snprintf(line, sizeof line, "\n%s%s = %s\n%s", section, field, number, section[0] ? "}\n" : "");
    snprintf(words, sizeof words, ":3: %s = \"%s\": ", field, number);
    refuses(line, words);
}

#define RANGE_COUNT(section, field, low, high)                                                               \
    snprintf(text, sizeof text, "%lld", (long long)(high) + 1);                                              \
    refuses_number(section, field, text);                                                                    \
    refuses_number(section, field, "-1");                                                                    \
    if ((low) > 0)                                                                                           \
        refuses_number(section, field, "0");
#define RANGE_MODE  RANGE_COUNT
#define RANGE_BYTES RANGE_COUNT
#define RANGE_SECONDS(section, field, low, high)                                                             \
    snprintf(text, sizeof text, "%lldms", (long long)(high) + 1);                                            \
    refuses_number(section, field, text);                                                                    \
    if ((low) > 0)                                                                                           \
        refuses_number(section, field, "0");
#define RANGE_SHARE(section, field, low, high)  refuses_number(section, field, "1.5");
#define RANGE_FLAG(section, field, low, high)   refuses_number(section, field, "2");
#define RANGE_ORDER(section, field, low, high)  refuses_number(section, field, "random");
#define RANGE_CHOICE(section, field, low, high) refuses_number(section, field, "no-such-word");
#define RANGE_KIND(section, field, low, high)   refuses_number(section, field, "no-such-kind");
#define RANGE_INPUT(section, field, low, high)  refuses_number(section, field, "no-such-input");
#define RANGE_NAME(section, field, low, high)
#define RANGE_TEXT(section, field, low, high)
#define RANGE_TEXTS(section, field, low, high)
#define RANGE_ADDRESSES(section, field, low, high)

START_TEST(a_module_has_its_own_rows)
{
    reads("handler \"h\" {\n kind = module\n module = \"/a.so\"\n function = \"f\"\n}\n");
    ck_assert_str_eq(s.handlers[0].module, "/a.so");
    ck_assert_str_eq(s.handlers[0].function, "f");
}
END_TEST

START_TEST(every_row_refuses_what_is_out_of_its_range_and_says_where)
{
    char text[64];
#define X(field, type, low, high, value, words, when, help) RANGE_##type("\n", #field, low, high)
    SETTINGS(X)
#undef X
#define X(field, type, low, high, value, help) RANGE_##type("queue \"q\" {\n", #field, low, high)
    QUEUE_SETTINGS(X)
#undef X
#define X(field, type, low, high, value, help) RANGE_##type("handler \"h\" {\n", #field, low, high)
    HANDLER_SETTINGS(X)
#undef X
}
END_TEST

START_TEST(a_list_has_its_bound)
{
    char text[8192] = "\nlisten = {\"a:1\"";
    for (int i = 1; i < 64; i++)
        strcat(text, ", \"a:1\"");
    strcat(text, "}\n");
    reads(text);
    ck_assert_uint_eq(s.listen.count, 64);
    strcpy(strstr(text, "}"), ", \"b:1\"}\n");
    refuses(text, ":2: listen");
}
END_TEST

START_TEST(a_queues_name_in_a_setting_is_bounded)
{
    char text[600], name[QUEUE_NAME_MAX + 2] = {0};
    memset(name, 'x', QUEUE_NAME_MAX);
    snprintf(text, sizeof text, "queue \"q\" { dead_letter = \"%s\" }\n", name);
    reads(text);
    ck_assert_str_eq(s.queues[0].settings.dead_letter, name);
    name[QUEUE_NAME_MAX] = 'x';
    snprintf(text, sizeof text, "queue \"q\" { dead_letter = \"%s\" }\n", name);
    refuses(text, ":1: dead_letter");
    refuses("queue \"q\" { dead_letter = \"a\xff\" }\n", ":1: dead_letter");
    refuses("queue \"q\" { dead_letter = \"a\x01\" }\n", ":1: dead_letter");
}
END_TEST

// ---- what is wrong with a section as a whole

START_TEST(what_is_wrong_with_a_section_is_told_where_it_ends)
{
    refuses("queue \"a\" {\n}\nqueue \"b\" {\n  dead_letter = \"b\"\n}\n",
            ":5: queue \"b\": dead_letter = \"b\" is the queue itself");
    refuses("handler \"a\" {\n  kind = echo\n  queues = {\"x\", \"y\"}\n}\n"
            "handler \"b\" {\n  kind = echo\n  queues = {\"z\", \"y\"}\n}\n"
            "handler \"c\" {\n  kind = echo\n}\n",
            ":8: handler \"b\": queue \"y\" is served by handler \"a\" already, and has one handler");
    refuses("handler \"a\" {\n  kind = noop\n}\nhandler \"b\" {\n}\n",
            ":5: handler \"b\": its kind is exec and it has no command");
    refuses("handler \"a\" {\n}\n", ":2: handler \"a\"");
    write_file(other, "handler \"b\" {\n  kind = noop\n  queues = {\"a\"}\n}\n");
    char text[200];
    snprintf(text, sizeof text, "handler \"a\" { kind = noop }\n\n\n\n\n\ninclude(\"%s\")\n", other);
    write_file(path, text);
    ck_assert(!settings_read(&s, path, why));
    ck_assert_ptr_nonnull(strstr(why, "other.conf:4: handler \"b\": queue \"a\" is served by"));
}
END_TEST

// ---- defaults

START_TEST(an_empty_file_leaves_the_defaults)
{
    reads(_i ? "# nothing\n\n" : "");
    struct settings fresh;
    settings_init(&fresh);
#define SAME_TEXT(field)      ck_assert_ptr_null(s.field);
#define SAME_TEXTS(field)     ck_assert_uint_eq(s.field.count, 0);
#define SAME_ADDRESSES(field) ck_assert_uint_eq(s.field.count, 0);
#define SAME_FLAG(field)      ck_assert_int_eq(s.field, fresh.field);
#define SAME_COUNT(field)     ck_assert_uint_eq(s.field, fresh.field);
#define SAME_MODE(field)      ck_assert_uint_eq(s.field, fresh.field);
#define SAME_BYTES(field)     ck_assert_uint_eq(s.field, fresh.field);
#define SAME_CHOICE(field)    ck_assert_uint_eq(s.field, fresh.field);
#define SAME_SECONDS(field)   ck_assert_int_eq(s.field, fresh.field);
#define X(field, type, low, high, value, words, when, help)                                                  \
    SAME_##type(field) if (strcmp(#type, "TEXT") != 0 && strcmp(#type, "TEXTS") != 0)                        \
        ck_assert_int_le((low), (value));                                                                    \
    if (strcmp(#type, "TEXT") != 0 && strcmp(#type, "TEXTS") != 0)                                           \
        ck_assert_int_le((value), (high));
    SETTINGS(X)
#undef X
    ck_assert_uint_eq(s.queue_count, 0);
    ck_assert_uint_eq(s.handler_count, 0);
    ck_assert_uint_eq(s.max_body, 1 << 20);
    ck_assert_int_eq(s.shutdown_timeout, 30000);
    ck_assert_uint_eq(s.unix_mode, 0660);
    ck_assert(!s.insecure && !s.memory_only);
    ck_assert_str_eq(settings_durability(&s), "always");
}
END_TEST

START_TEST(sections_without_settings_have_the_defaults)
{
    reads("queue \"q\" {}\nqueue \"r\" { maxsize = 3 }\nhandler \"h\" { kind = echo }\n");
    ck_assert_uint_eq(s.queue_count, 2);
    ck_assert_uint_eq(s.queues[0].named, 0);
    ck_assert_mem_eq(&s.queues[0].settings, &queue_settings_default, sizeof queue_settings_default);
    ck_assert_str_eq(s.queues[1].name, "r");
    ck_assert_uint_eq(s.queues[1].settings.maxsize, 3);
    ck_assert_int_eq(s.queues[1].settings.lease, queue_settings_default.lease);
    ck_assert_uint_eq(s.handler_count, 1);
    ck_assert_int_eq(s.handlers[0].kind, HANDLER_ECHO);
    ck_assert_uint_eq(s.handlers[0].workers, 1);
    ck_assert_uint_eq(s.handlers[0].queues.count, 1); // the one of its own name
    ck_assert_str_eq(s.handlers[0].queues.items[0], "h");
}
END_TEST

START_TEST(what_is_not_in_a_file_stays_as_it_was)
{
    reads("threads = 3\nlisten = {\"a:1\"}\nqueue \"q\" {}\nhandler \"h\" { kind = echo }\n");
    reads("max_waits = 7\n");
    ck_assert_uint_eq(s.threads, 3);
    ck_assert_uint_eq(s.max_waits, 7);
    ck_assert_str_eq(s.listen.items[0], "a:1");
    reads("listen = {\"b:1\", \"c:1\"}\n");
    ck_assert_uint_eq(s.listen.count, 2);
    ck_assert_str_eq(s.listen.items[0], "b:1");
}
END_TEST

// ---- what is wrong with a file

START_TEST(unknown_names_are_told_with_their_line)
{
    refuses("threads = 1\n\nlistn = {}\n", ":3: no such option 'listn'");
    refuses("queue \"q\" {\n  leese = 3\n}\n", ":2: no such option 'leese'");
    refuses("handler \"q\" {\n\n  comand = 3\n}\n", ":3: no such option 'comand'");
    refuses("queues \"q\" {}\n", ":1: no such option 'queues'");
}
END_TEST

START_TEST(broken_files_are_refused)
{
    refuses("threads 4\n", ":1: ");
    refuses("threads =\n", ": ");
    refuses("queue {}\n", ":1: missing title");
    refuses("data_dir = \"x\n", ": ");
    refuses("threads = \"x\ny\"\n", "threads = \"x?y\": a whole number");
    refuses("\x01\n", ":1: ");
    refuses("queue \"q\" {\n", ":1: the file ends within a section: a } is missing");
    refuses("threads = 3\nqueue \"q\" {\n  lease = 3\n",
            ":3: the file ends within a section: a } is missing");
    refuses("token \"t\" {\n  grant \"*\" { roles = {put}\n}\n", ": the file ends within a section");
    refuses("queue \"q\" {\n}\n}\n", ":3: ");
    reads("queue \"q\" {\n  dead_letter = \"}\"\n} # {\n");
    reads("queue \"q\" {\n  dead_letter = \"{\"\n}");
}
END_TEST

START_TEST(addresses_are_checked_where_they_stand)
{
    refuses("threads = 3\nlisten = {\"127.0.0.1\"}\n", ":2: listen = \"127.0.0.1\": ");
    refuses("listen = {\"127.0.0.1:1\", \"127.0.0.1:65536\"}\n", ":1: listen = \"127.0.0.1:65536\": ");
    refuses("listen = {\"unix:\"}\n", ":1: listen = \"unix:\": a socket's path has");
    refuses("listen = {\"tls:unix:/a\"}\n", ":1: listen = \"tls:unix:/a\": a Unix socket takes no TLS");
    refuses("listen = {\"none\"}\n", ":1: listen = \"none\": ");
    refuses("\nhttp = {\"7481\"}\n", ":2: http = \"7481\": an address is written HOST:PORT");
    reads("listen = {\"no-such-host.invalid:1\", \"tls:[::]:2\", \"unix:/a b\"}\nhttp = {\"none\"}\n");
}
END_TEST

START_TEST(a_section_stands_once)
{
    refuses("queue \"q\" {}\nqueue \"r\" {}\nqueue \"q\" {}\n", ":3: found duplicate title 'q'");
    refuses("handler \"h\" { kind = echo }\nhandler \"h\" { kind = noop }\n",
            ":2: found duplicate title 'h'");
}
END_TEST

START_TEST(names_of_queues_are_checked)
{
    char text[400], name[QUEUE_NAME_MAX + 2] = {0};
    refuses("queue \"\" {}\n", "a name has 1 to 255 bytes");
    refuses("queue \"a\nb\" {}\n", "a name has 1 to 255 bytes");
    refuses("queue \"a\x7f\" {}\n", "a name has 1 to 255 bytes");
    refuses("queue \"a\xff\" {}\n", "of UTF-8"); // which no reply could have in it
    reads("queue \"\u00e4\" {}\n");
    memset(name, 'x', QUEUE_NAME_MAX + 1);
    snprintf(text, sizeof text, "queue \"%s\" {}\n", name);
    refuses(text, "a name has 1 to 255 bytes");
    name[QUEUE_NAME_MAX] = '\0';
    snprintf(text, sizeof text, "queue \"%s\" {}\n", name);
    reads(text);
    ck_assert_str_eq(s.queues[0].name, name);
}
END_TEST

START_TEST(handlers_are_checked_together)
{
    refuses("handler \"h\" { workers = 3 }\n", "handler \"h\": its kind is exec and it has no command");
    refuses("handler \"h\" { kind = echo command = {\"x\"} }\n",
            "handler \"h\": command is for handlers that");
    refuses(
        "handler \"a\" { kind = echo queues = {\"x\"} }\nhandler \"b\" { kind = echo queues = {\"x\"} }\n",
        "queue \"x\" is served by handler");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
    ck_assert(!settings_read(&s, path, why));
    ck_assert_ptr_nonnull(strstr(why, "taskqd.conf: No such file or directory"));
    ck_assert(!settings_read(&s, folder, why));
    ck_assert_ptr_nonnull(strstr(why, folder));
    ck_assert_ptr_nonnull(strstr(why, "Is a directory"));
}
END_TEST

// libConfuse's own words come after the file's name, however long that is.
START_TEST(a_long_path_does_not_overrun_the_message)
{
    char deep[1000];
    int n = snprintf(deep, sizeof deep, "%s", folder);
    while (n < 700)
        n += snprintf(deep + n, sizeof deep - (size_t)n, "/.");
    snprintf(deep + n, sizeof deep - (size_t)n, "/taskqd.conf");
    write_file(path, "nonsense = 1\n");
    struct {
        char why[SETTINGS_WHY_MAX], after[16];
    } room;
    memset(&room, 'x', sizeof room);
    ck_assert(!settings_read(&s, deep, room.why));
    ck_assert_uint_le(strlen(room.why), SETTINGS_WHY_MAX - 1);
    ck_assert_mem_eq(room.after, "xxxxxxxxxxxxxxxx", 16);
}
END_TEST

// ---- include

START_TEST(another_file_can_be_included)
{
    char text[200];
    write_file(other, "threads = 2\nqueue \"q\" { lease = 5 }\n");
    snprintf(text, sizeof text, "max_waits = 3\ninclude(\"%s\")\nqueue \"r\" {}\n", other);
    reads(text);
    ck_assert_uint_eq(s.threads, 2);
    ck_assert_uint_eq(s.max_waits, 3);
    ck_assert_uint_eq(s.queue_count, 2);
    ck_assert_int_eq(s.queues[0].settings.lease, 5000);
}
END_TEST

START_TEST(what_is_wrong_in_an_included_file_names_that_file)
{
    char text[200], words[200];
    write_file(other, "\n\nthreads = many\n");
    snprintf(text, sizeof text, "include(\"%s\")\n", other);
    write_file(path, text);
    ck_assert(!settings_read(&s, path, why));
    snprintf(words, sizeof words, "%s:3: threads = \"many\"", other);
    ck_assert_msg(strncmp(why, words, strlen(words)) == 0, "%s", why);
}
END_TEST

START_TEST(an_include_that_is_not_there_is_told_with_its_line)
{
    char text[200];
    snprintf(text, sizeof text, "\ninclude(\"%s\")\n", other);
    refuses(text, ":2: ");
    snprintf(text, sizeof text, "\ninclude(\"%s\")\n", folder);
    refuses(text, "Is a directory");
}
END_TEST

// ---- what the machine decides

START_TEST(completing_fills_in_what_is_left_open)
{
    ck_assert(settings_complete(&s, why));
    ck_assert_uint_eq(s.listen.count, 1);
    ck_assert_str_eq(s.listen.items[0], "127.0.0.1:7480");
    ck_assert_uint_ge(s.threads, 1);
    ck_assert_uint_le(s.threads, 4);
    ck_assert_uint_ge(s.memory, 1 << 20);
    ck_assert_uint_eq(s.max_request, s.max_body + 65536);
    ck_assert_ptr_nonnull(s.data_dir);
    ck_assert_ptr_nonnull(strstr(s.data_dir, "taskq"));
}
END_TEST

START_TEST(completing_leaves_what_is_given)
{
    reads("listen = {\"[::1]:1\"}\nthreads = 9\nmemory = 5M\nmax_body = 2K\nmax_request = 3072\ndata_dir = "
          "\"d\"\n");
    ck_assert(settings_complete(&s, why));
    ck_assert_uint_eq(s.listen.count, 1);
    ck_assert_str_eq(s.listen.items[0], "[::1]:1");
    ck_assert_uint_eq(s.threads, 9);
    ck_assert_uint_eq(s.memory, 5 << 20);
    ck_assert_uint_eq(s.max_request, 3072);
    ck_assert_str_eq(s.data_dir, "d");
}
END_TEST

START_TEST(a_request_has_to_hold_the_largest_body)
{
    reads("max_body = 2K\nmax_request = 3071\n");
    ck_assert(!settings_complete(&s, why));
    ck_assert_ptr_nonnull(strstr(why, "max_request has to be at least 1024 bytes more than max_body"));
}
END_TEST

START_TEST(memory_only_needs_no_folder)
{
    reads("memory_only = true\ndurability = interval\n");
    ck_assert(settings_complete(&s, why));
    ck_assert_ptr_null(s.data_dir);
    ck_assert_str_eq(settings_durability(&s), "memory");
    s.memory_only = false;
    ck_assert_str_eq(settings_durability(&s), "interval");
}
END_TEST

static void add_cases(Suite *suite)
{
    TCase *c = tcase_create("rows");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, every_row_of_the_daemon_lands_in_its_field, 0, 2);
    tcase_add_loop_test(c, every_row_of_a_queue_lands_in_its_field_and_is_named_alone, 0, 2);
    tcase_add_loop_test(c, every_row_of_a_handler_lands_in_its_field, 0, 2);
    tcase_add_test(c, a_module_has_its_own_rows);
    tcase_add_test(c, every_row_refuses_what_is_out_of_its_range_and_says_where);
    tcase_add_test(c, a_list_has_its_bound);
    tcase_add_test(c, what_is_wrong_with_a_section_is_told_where_it_ends);
    tcase_add_test(c, a_queues_name_in_a_setting_is_bounded);
    tcase_add_loop_test(c, an_empty_file_leaves_the_defaults, 0, 2);
    tcase_add_test(c, sections_without_settings_have_the_defaults);
    tcase_add_test(c, what_is_not_in_a_file_stays_as_it_was);
    suite_add_tcase(suite, c);
    c = tcase_create("files");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, unknown_names_are_told_with_their_line);
    tcase_add_test(c, broken_files_are_refused);
    tcase_add_test(c, addresses_are_checked_where_they_stand);
    tcase_add_test(c, a_section_stands_once);
    tcase_add_test(c, names_of_queues_are_checked);
    tcase_add_test(c, handlers_are_checked_together);
    tcase_add_test(c, a_file_that_cannot_be_read_is_named);
    tcase_add_test(c, a_long_path_does_not_overrun_the_message);
    tcase_add_test(c, another_file_can_be_included);
    tcase_add_test(c, what_is_wrong_in_an_included_file_names_that_file);
    tcase_add_test(c, an_include_that_is_not_there_is_told_with_its_line);
    suite_add_tcase(suite, c);
    c = tcase_create("complete");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, completing_fills_in_what_is_left_open);
    tcase_add_test(c, completing_leaves_what_is_given);
    tcase_add_test(c, a_request_has_to_hold_the_largest_body);
    tcase_add_test(c, memory_only_needs_no_folder);
    suite_add_tcase(suite, c);
}

int main(void)
{
    Suite *suite = suite_create("settings");
    add_cases(suite);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
