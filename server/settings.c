#include "server/settings.h"

#include "common/log.h"
#include "common/utf8.h"
#include "server/settings_access.h"
#include "server/settings_table.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- defaults

void settings_init(struct settings *s)
{
    *s = (struct settings){0};
#define DEFAULT_TEXT(field, value)
#define DEFAULT_TEXTS(field, value)
#define DEFAULT_ADDRESSES(field, value)
#define DEFAULT_FLAG(field, value)                          s->field = (value);
#define DEFAULT_COUNT(field, value)                         s->field = (value);
#define DEFAULT_BYTES(field, value)                         s->field = (value);
#define DEFAULT_SECONDS(field, value)                       s->field = (value);
#define DEFAULT_CHOICE(field, value)                        s->field = (value);
#define DEFAULT_MODE(field, value)                          s->field = (value);
#define X(field, type, low, high, value, words, when, text) DEFAULT_##type(field, value)
    SETTINGS(X)
#undef X
}

static void texts_release(struct handler_texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i]);
    free(t->items);
    *t = (struct handler_texts){0};
}

static void sections_release(struct settings *s)
{
    free(s->queues);
    for (size_t i = 0; i < s->handler_count; i++)
        handler_settings_release(&s->handlers[i]);
    free(s->handlers);
    access_release(&s->access);
    s->queues = NULL;
    s->handlers = NULL;
    s->queue_count = s->handler_count = 0;
}

void settings_release(struct settings *s)
{
#define RELEASE_TEXT(field)      free(s->field);
#define RELEASE_TEXTS(field)     texts_release(&s->field);
#define RELEASE_ADDRESSES(field) texts_release(&s->field);
#define RELEASE_FLAG(field)
#define RELEASE_COUNT(field)
#define RELEASE_BYTES(field)
#define RELEASE_SECONDS(field)
#define RELEASE_CHOICE(field)
#define RELEASE_MODE(field)
#define X(field, type, low, high, value, words, when, text) RELEASE_##type(field)
    SETTINGS(X)
#undef X
    sections_release(s);
    *s = (struct settings){0};
}

// ---- the file

// libConfuse reports through a callback that knows only its own object: where the message goes hangs on the
// parser's one file name.
struct parse {
    char *why;
    bool failed;
};
static _Thread_local struct parse *parsing;

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format, va_list args)
{
    if (!parsing || parsing->failed)
        return; // the first is the cause of the others
    parsing->failed = true;
    int n = snprintf(parsing->why, SETTINGS_WHY_MAX,
                     "%s:%d: ", cfg && cfg->filename ? cfg->filename : "configuration", cfg ? cfg->line : 0);
    if (n < SETTINGS_WHY_MAX)
        vsnprintf(parsing->why + n, SETTINGS_WHY_MAX - (size_t)n, format, args);
}

static const struct setting_row *row_of(const struct setting_row *rows, const char *name)
{
    while (rows->name && strcmp(rows->name, name) != 0)
        rows++;
    return rows->name ? rows : NULL;
}

// Called for each value right after its line was read, so that the message can name the line.
static int check_value(const struct setting_row *rows, cfg_t *cfg, cfg_opt_t *opt)
{
    const struct setting_row *row = row_of(rows, cfg_opt_name(opt));
    const char *text = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
    char why[200], *texts = NULL;
    if (row->kind->list && cfg_opt_size(opt) > (unsigned long long)row->high) {
        cfg_error(cfg, "%s: at most %d are taken", row->name, (int)row->high);
        return -1;
    }
    union {
        uint64_t number;
        double share;
        char name[QUEUE_NAME_MAX + 1];
        char *text;
        struct handler_texts texts;
        struct token_hash hash;
        unsigned roles;
    } scratch = {0};
    bool ok = row->kind->read(row, text, &scratch, why, sizeof why);
    if (row->kind == &setting_kind_text)
        texts = scratch.text;
    if (row->kind->texts)
        texts_release(&scratch.texts);
    free(texts);
    if (!ok && row->kind->secret)
        cfg_error(cfg, "%s: %s", row->name, why);
    else if (!ok)
        cfg_error(cfg, "%s = \"%s\": %s", row->name, text, why);
    return ok ? 0 : -1;
}

#define CHECK(of)                                                                                            \
    static int check_##of(cfg_t *cfg, cfg_opt_t *opt)                                                        \
    {                                                                                                        \
        return check_value(of##_rows, cfg, opt);                                                             \
    }
CHECK(daemon)
CHECK(queue)
CHECK(handler)
CHECK(token)
CHECK(quota)
CHECK(grant)

// Every setting is a string to libConfuse: it is our rows that say what it may be.
unsigned settings_options(const struct setting_row *rows, cfg_opt_t *out)
{
    unsigned n = 0;
    for (; rows->name; rows++, n++) {
        cfg_opt_t text = CFG_STR((char *)(uintptr_t)rows->name, NULL, CFGF_NODEFAULT);
        cfg_opt_t list = CFG_STR_LIST((char *)(uintptr_t)rows->name, NULL, CFGF_NODEFAULT);
        out[n] = rows->kind->list ? list : text;
    }
    out[n] = (cfg_opt_t)CFG_END();
    return n;
}

bool settings_apply(const struct setting_row *rows, cfg_t *cfg, void *into, unsigned *named, char *why)
{
    for (unsigned i = 0; rows[i].name; i++) {
        unsigned count = cfg_size(cfg, rows[i].name);
        char *field = (char *)into + rows[i].offset;
        if (count && rows[i].kind->texts)
            texts_release((struct handler_texts *)(void *)field);
        for (unsigned v = 0; v < count; v++) {
            char reason[200];
            if (!rows[i].kind->read(&rows[i], cfg_getnstr(cfg, rows[i].name, v), field, reason,
                                    sizeof reason)) {
                snprintf(why, SETTINGS_WHY_MAX, "%s: %s", rows[i].name, reason);
                return false;
            }
            if (named)
                *named |= 1u << i;
        }
    }
    return true;
}

static bool read_queues(struct settings *s, cfg_t *cfg, char *why)
{
    unsigned count = cfg_size(cfg, "queue");
    s->queues = calloc(count ? count : 1, sizeof *s->queues);
    if (!s->queues)
        return false;
    for (; s->queue_count < count; s->queue_count++) {
        cfg_t *section = cfg_getnsec(cfg, "queue", (unsigned)s->queue_count);
        struct queue_section *q = &s->queues[s->queue_count];
        const char *name = cfg_title(section);
        if (!utf8_is_name(name, QUEUE_NAME_MAX)) {
            cfg_error(section,
                      "queue \"%.100s\": a name has 1 to %d bytes of UTF-8 without control characters", name,
                      QUEUE_NAME_MAX);
            return false;
        }
        strcpy(q->name, name);
        q->settings = queue_settings_default;
        if (!settings_apply(queue_rows, section, &q->settings, &q->named, why))
            return false;
        if (strcmp(q->settings.dead_letter, name) == 0) {
            cfg_error(section, "queue \"%.100s\": dead_letter = \"%.100s\" is the queue itself", name, name);
            return false;
        }
    }
    return true;
}

// What is wrong among several is told at the first that does not go with those before it.
static bool check_handlers(struct settings *s, cfg_t *cfg)
{
    char reason[HANDLER_WHY_MAX];
    size_t fine = 0, wrong = s->handler_count;
    if (handler_settings_check(s->handlers, wrong, reason))
        return true;
    while (wrong - fine > 1) {
        size_t middle = fine + (wrong - fine) / 2;
        if (handler_settings_check(s->handlers, middle, reason))
            fine = middle;
        else
            wrong = middle;
    }
    if (!handler_settings_check(s->handlers, wrong, reason))
        cfg_error(cfg_getnsec(cfg, "handler", (unsigned)wrong - 1), "%s", reason);
    return false;
}

static bool read_handlers(struct settings *s, cfg_t *cfg, char *why)
{
    unsigned count = cfg_size(cfg, "handler");
    s->handlers = calloc(count ? count : 1, sizeof *s->handlers);
    if (!s->handlers)
        return false;
    while (s->handler_count < count) {
        cfg_t *section = cfg_getnsec(cfg, "handler", (unsigned)s->handler_count);
        struct handler_settings *h = &s->handlers[s->handler_count];
        if (!handler_settings_init(h, cfg_title(section)))
            return false;
        s->handler_count++;
        if (!settings_apply(handler_rows, section, h, NULL, why))
            return false;
    }
    return check_handlers(s, cfg);
}

static void set_checks(cfg_t *cfg)
{
    char path[80];
    settings_access_checks(cfg, check_token, check_quota, check_grant);
    for (const struct setting_row *r = daemon_rows; r->name; r++)
        cfg_set_validate_func(cfg, r->name, check_daemon);
    for (const struct setting_row *r = queue_rows; r->name; r++) {
        snprintf(path, sizeof path, "queue|%s", r->name);
        cfg_set_validate_func(cfg, path, check_queue);
    }
    for (const struct setting_row *r = handler_rows; r->name; r++) {
        snprintf(path, sizeof path, "handler|%s", r->name);
        cfg_set_validate_func(cfg, path, check_handler);
    }
}

// A folder opens like a file, and libConfuse's scanner ends the process where it cannot read.
static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    if (argc == 1 && is_folder(argv[0])) {
        cfg_error(cfg, "%s: %s", argv[0], strerror(EISDIR));
        return -1;
    }
    return cfg_include(cfg, opt, argc, argv);
}

// A file that ends within a section is all right for libConfuse, but it was cut off. With one } more it still
// is all right then, and else no longer.
static bool is_whole(cfg_opt_t *options, const char *path, char *why)
{
    char ignored[SETTINGS_WHY_MAX], *text = NULL;
    size_t size = 0;
    struct stat st;
    int lines = 0, c;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return true; // nothing that can be read twice
    FILE *file = fopen(path, "re"), *copy = file ? open_memstream(&text, &size) : NULL;
    while (copy && (c = getc(file)) != EOF && putc(c, copy) != EOF)
        lines += c == '\n';
    bool read = copy && !ferror(file) && fputs("\n}\n", copy) >= 0;
    if (file)
        fclose(file);
    read = copy && fclose(copy) == 0 && read;
    cfg_t *cfg = read ? cfg_init(options, CFGF_NONE) : NULL;
    if (!cfg) {
        snprintf(why, SETTINGS_WHY_MAX, "%s: %s", path, strerror(errno));
    } else {
        struct parse p = {.why = ignored}, *outer = parsing;
        cfg_set_error_function(cfg, on_error);
        parsing = &p;
        if (cfg_parse_buf(cfg, text) == CFG_SUCCESS)
            snprintf(why, SETTINGS_WHY_MAX, "%s:%d: the file ends within a section: a } is missing", path,
                     lines);
        parsing = outer;
        cfg_free(cfg);
    }
    free(text);
    return !why[0];
}

static bool parse_file(cfg_t *cfg, cfg_opt_t *options, const char *path, char *why)
{
    set_checks(cfg);
    errno = EISDIR;
    int result = is_folder(path) ? CFG_FILE_ERROR : cfg_parse(cfg, path);
    if (result == CFG_FILE_ERROR)
        snprintf(why, SETTINGS_WHY_MAX, "%s: %s", path, strerror(errno));
    else if (result != CFG_SUCCESS && !why[0])
        snprintf(why, SETTINGS_WHY_MAX, "%s: cannot be read as a configuration", path);
    return result == CFG_SUCCESS && is_whole(options, path, why);
}

// What is wrong only when a section or the file is seen as a whole has the line where the section ends.
static bool apply_all(struct settings *s, cfg_t *cfg, const char *path, char *why)
{
    char reason[SETTINGS_WHY_MAX] = "out of memory";
    sections_release(s);
    if (settings_apply(daemon_rows, cfg, s, NULL, reason) && read_queues(s, cfg, reason) &&
        read_handlers(s, cfg, reason) && settings_access_read(&s->access, cfg, reason))
        return true;
    if (why[0])
        return false;
    int n = snprintf(why, SETTINGS_WHY_MAX, "%s: ", path);
    if (n < SETTINGS_WHY_MAX)
        snprintf(why + n, SETTINGS_WHY_MAX - (size_t)n, "%s", reason);
    return false;
}

static void make_one_line(char *why)
{
    for (; *why; why++)
        if ((unsigned char)*why < 0x20 || *why == 0x7f)
            *why = '?';
}

bool settings_read(struct settings *s, const char *path, char why[SETTINGS_WHY_MAX])
{
    static cfg_opt_t queue_options[SETTINGS_ROWS_MAX], handler_options[SETTINGS_ROWS_MAX],
        options[SETTINGS_ROWS_MAX]; // libConfuse keeps pointers to them
    settings_options(queue_rows, queue_options);
    settings_options(handler_rows, handler_options);
    unsigned n = settings_options(daemon_rows, options);
    options[n++] = (cfg_opt_t)CFG_SEC("queue", queue_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    options[n++] =
        (cfg_opt_t)CFG_SEC("handler", handler_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    n += settings_access_options(options + n);
    options[n++] = (cfg_opt_t)CFG_FUNC("include", include);
    options[n] = (cfg_opt_t)CFG_END();

    struct parse p = {.why = why};
    why[0] = '\0';
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (!cfg) {
        snprintf(why, SETTINGS_WHY_MAX, "out of memory");
        return false;
    }
    cfg_set_error_function(cfg, on_error);
    parsing = &p;
    bool ok = parse_file(cfg, options, path, why) && apply_all(s, cfg, path, why);
    parsing = NULL;
    make_one_line(why);
    cfg_free(cfg);
    return ok;
}

// ---- what the machine decides

// The memory that this process may use: the machine's, or less where a container says so.
static uint64_t usable_memory(void)
{
    uint64_t most = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (unsigned i = 0; i < 2; i++) {
        FILE *f = fopen(limits[i], "re");
        unsigned long long bytes;
        if (f && fscanf(f, "%llu", &bytes) == 1 && bytes > 0 && bytes < most)
            most = bytes;
        if (f)
            fclose(f);
    }
    return most;
}

static bool default_data_dir(struct settings *s)
{
    char path[4096];
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (geteuid() == 0)
        snprintf(path, sizeof path, "/var/lib/taskq");
    else if (base && base[0])
        snprintf(path, sizeof path, "%s/taskq", base);
    else
        snprintf(path, sizeof path, "%s/.local/share/taskq", home && home[0] ? home : ".");
    return handler_text_set(&s->data_dir, path);
}

// "none" alone means nowhere.
static bool complete_http(struct settings *s, char why[SETTINGS_WHY_MAX])
{
    for (size_t i = 0; i < s->http.count; i++) {
        if (strcmp(s->http.items[i], "none") != 0)
            continue;
        if (s->http.count > 1) {
            snprintf(why, SETTINGS_WHY_MAX, "http: none does not go together with an address");
            return false;
        }
        texts_release(&s->http);
    }
    return true;
}

// Nothing of root is left that could run a handler as somebody else.
static bool check_users(const struct settings *s, char why[SETTINGS_WHY_MAX])
{
    for (size_t i = 0; s->run_as && i < s->handler_count; i++) {
        const struct handler_settings *h = &s->handlers[i];
        if (!h->user || strcmp(h->user, s->run_as) == 0)
            continue;
        snprintf(
            why, SETTINGS_WHY_MAX,
            "handler \"%s\": user = \"%s\" needs a daemon that stays root, and run_as = \"%s\" is for one "
            "that does not",
            h->name, h->user, s->run_as);
        return false;
    }
    return true;
}

bool settings_complete(struct settings *s, char why[SETTINGS_WHY_MAX])
{
    snprintf(why, SETTINGS_WHY_MAX, "out of memory");
    if ((!s->listen.count && !handler_texts_add(&s->listen, "127.0.0.1:7480")) ||
        (!s->http.count && !handler_texts_add(&s->http, "127.0.0.1:7481")))
        return false;
    if (!complete_http(s, why))
        return false;
    if (!s->memory_only && !s->data_dir && !default_data_dir(s))
        return false;
    if (!s->threads) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        // One thread serves some hundred thousand requests a second; clients, handlers and the store's thread
        // want cores too, and a handoff within a thread is quicker than one between two.
        s->threads = cores < 4 ? 1 : cores > 8 ? 4 : (uint64_t)cores / 2;
    }
    if (!s->memory)
        s->memory = usable_memory() / 2;
    if (!check_users(s, why))
        return false;
    if (!s->max_request)
        s->max_request = s->max_body + 65536;
    if (s->max_request < s->max_body + 1024) {
        snprintf(why, SETTINGS_WHY_MAX,
                 "max_request has to be at least 1024 bytes more than max_body, or the largest body cannot "
                 "be put");
        return false;
    }
    return true;
}

const char *settings_durability(const struct settings *s)
{
    if (s->memory_only)
        return "memory";
    return s->durability == DURABILITY_ALWAYS ? "always" : "interval";
}
