#include "server/pool/handler_files.h"

#include "common/log.h"
#include "server/pool/spawn_user.h"
#include "server/pool/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Where a service manager has a daemon look whose PATH is not known here.
#define SERVICE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#define FIRST_LINE_MAX 256

// Where a handler's process starts and as whom.
struct view {
    const struct handler_settings *handler;
    int folder; // where it starts; AT_FDCWD: where this process is
    bool folder_sure;
    bool user_sure;
    uid_t user;
    bool here; // with this process's PATH, unless the handler has one of its own
};

// ---- one file: 0 where it is fine or nobody can know, else an errno value

static bool is_me(const struct view *v)
{
    return v->user_sure && v->user == geteuid();
}

// `bits`: 0111 to execute or to enter it, 0444 to read it.
static bool surely_denied(const struct view *v, int folder, const char *name, const struct stat *st,
                          mode_t bits)
{
    if (is_me(v))
        return faccessat(folder, name, bits == 0111 ? X_OK : R_OK, AT_EACCESS) != 0 && errno == EACCES;
    if (!v->user_sure || v->user == 0) // root may all but execute what nobody may
        return S_ISREG(st->st_mode) && bits == 0111 && (st->st_mode & bits) == 0;
    // An access list is seen in the group's bits only, which show the most that anybody gets by it.
    return (st->st_mode & bits & (st->st_uid == v->user ? 0700 : 0077)) == 0;
}

static bool surely_missing(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
}

static int look(const struct view *v, int folder, const char *name, mode_t type, mode_t bits)
{
    struct stat st;
    if (fstatat(folder, name, &st, 0) != 0)
        return surely_missing(errno) || (errno == EACCES && is_me(v)) ? errno : 0;
    if ((st.st_mode & S_IFMT) != type)
        return type == S_IFDIR ? ENOTDIR : EISDIR;
    return surely_denied(v, folder, name, &st, bits) ? EACCES : 0;
}

static int look_in_folder(const struct view *v, const char *name, mode_t bits)
{
    return name[0] != '/' && !v->folder_sure ? 0 : look(v, v->folder, name, S_IFREG, bits);
}

// ---- the program

// As the spawner seeks it. `file`: what is there, if anything is.
static int look_on(const struct view *v, const char *path, const char *name, char file[PATH_MAX])
{
    bool denied = false;
    for (const char *part = path;; part++) {
        int n = (int)strcspn(part, ":");
        file[0] = '\0';
        if (part[0] != '/' && !v->folder_sure)
            return 0;
        int length = snprintf(file, PATH_MAX, "%.*s%s%s", n, part, n ? "/" : "", name);
        int error = length < PATH_MAX ? look(v, v->folder, file, S_IFREG, 0111) : ENOENT;
        if (!error)
            return 0;
        denied = denied || !surely_missing(error);
        part += n;
        if (*part == '\0')
            break;
    }
    return denied ? EACCES : ENOENT;
}

// The PATH that the handler sets; NULL: it leaves it alone.
static const char *own_path(const struct handler_settings *s)
{
    const char *path = NULL;
    for (size_t i = 0; i < s->env.count; i++) {
        const char *entry = s->env.items[i];
        if (strncmp(entry, "PATH=", 5) == 0)
            path = entry + 5;
        else if (strcmp(entry, "PATH") == 0)
            path = SPAWN_DEFAULT_PATH;
    }
    return path;
}

static int look_for_program(const struct view *v, const char *name, char file[PATH_MAX])
{
    if (strchr(name, '/')) {
        snprintf(file, PATH_MAX, "%s", name);
        return look_in_folder(v, name, 0111);
    }
    const char *path = own_path(v->handler), *ours = getenv("PATH");
    int error = look_on(v, path ? path : ours ? ours : SPAWN_DEFAULT_PATH, name, file);
    return error && !path && !v->here ? look_on(v, SERVICE_PATH, name, file) : error;
}

// A script's interpreter that is not there; false: it is, or this is none, or it cannot be read.
static bool interpreter_missing(const struct view *v, const char *file, char name[FIRST_LINE_MAX])
{
    char line[FIRST_LINE_MAX + 1];
    if (file[0] != '/' && !v->folder_sure)
        return false;
    int fd = openat(v->folder, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, line, FIRST_LINE_MAX);
    close(fd);
    if (n < 3 || memcmp(line, "#!", 2) != 0)
        return false;
    line[n] = '\0';
    char *begin = line + 2 + strspn(line + 2, " \t");
    size_t length = strcspn(begin, " \t\n");
    if (begin[0] != '/' || begin[length] == '\0') // what is cut is not known
        return false;
    begin[length] = '\0';
    struct stat st;
    if (stat(begin, &st) == 0 || errno != ENOENT)
        return false;
    for (size_t i = 0; i <= length; i++) // such as the carriage return of a script from elsewhere
        name[i] = begin[i] && (unsigned char)begin[i] < 0x20 ? '?' : begin[i];
    return true;
}

// ---- what is said

__attribute__((format(printf, 4, 5))) static bool say(struct handler_fault *f, const char *setting,
                                                      const char *file, const char *format, ...)
{
    va_list args;
    f->setting = setting;
    f->file = file;
    va_start(args, format);
    vsnprintf(f->why, sizeof f->why, format, args);
    va_end(args);
    return true;
}

static bool say_error(struct handler_fault *f, const struct view *v, const char *setting, const char *file,
                      int error, const char *may)
{
    switch (error) {
    case 0:
        return false;
    case ENOENT:
        return say(f, setting, file, "it is not there: install it, or correct %s", setting);
    case EISDIR:
        return say(f, setting, file, "it is no regular file: correct %s", setting);
    case EACCES:
        return say(f, setting, file, "%s %s it: change the permissions, or correct %s",
                   !v->user_sure      ? "nobody may"
                   : v->handler->user ? "its user may not"
                                      : "the daemon's user may not",
                   may, setting);
    default:
        return say(f, setting, file, "%s: correct %s", strerror(error), setting);
    }
}

static bool command_fault(const struct view *v, struct handler_fault *f)
{
    const char *name = v->handler->command.items[0];
    char file[PATH_MAX], interpreter[FIRST_LINE_MAX];
    int error = look_for_program(v, name, file);
    if (error == ENOENT && !strchr(name, '/'))
        return say(f, "command", name, "it is in no folder of PATH: install it, or give its whole path");
    if (error)
        return say_error(f, v, "command", name, error, "execute");
    return interpreter_missing(v, file, interpreter) &&
           say(f, "command", name,
               "its first line names the interpreter %s, which is not there: install that, or correct the "
               "line",
               interpreter);
}

// Opens the folder that the process starts in, where there is one.
static bool folder_fault(struct view *v, struct handler_fault *f)
{
    const char *cwd = v->handler->cwd;
    if (!cwd)
        return false;
    if (cwd[0] != '/' && !v->here)
        return false;
    int error = look(v, AT_FDCWD, cwd, S_IFDIR, 0111);
    if (error == ENOENT)
        return say(f, "cwd", cwd, "it is not there: make it, or correct cwd");
    if (error)
        return say_error(f, v, "cwd", cwd, error, "enter");
    v->folder = open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    v->folder_sure = v->folder >= 0;
    return false;
}

bool handler_files_fault(const struct handler_settings *s, const struct handler_daemon *d,
                         struct handler_fault *fault)
{
    struct spawn_user own;
    struct view v = {.handler = s,
                     .folder = AT_FDCWD,
                     .folder_sure = d->here && !s->cwd,
                     .user_sure = d->user_sure,
                     .user = d->user,
                     .here = d->here};
    if (!handler_needs_spawner(s))
        return false;
    if (s->user) {
        v.user_sure = spawn_user_lookup(s->user, &own) == 0;
        v.user = v.user_sure ? own.uid : 0;
    }
    bool found = folder_fault(&v, fault);
    if (!found && s->kind == HANDLER_MODULE)
        found = say_error(fault, &v, "module", s->module, look_in_folder(&v, s->module, 0444), "read");
    else if (!found)
        found = command_fault(&v, fault);
    if (v.folder >= 0)
        close(v.folder);
    return found;
}

bool handler_files_check(const struct handler_settings *handlers, size_t count, const char *run_as,
                         char why[HANDLER_WHY_MAX])
{
    struct spawn_user user;
    struct handler_daemon d = {.user_sure = run_as && spawn_user_lookup(run_as, &user) == 0};
    if (d.user_sure)
        d.user = user.uid;
    for (size_t i = 0; i < count; i++) {
        struct handler_fault f;
        if (handler_files_fault(&handlers[i], &d, &f)) {
            snprintf(why, HANDLER_WHY_MAX, "handler \"%.100s\": %s \"%.150s\": %.200s", handlers[i].name,
                     f.setting, f.file, f.why);
            return false;
        }
    }
    return true;
}

void handler_files_warn(const struct handler_settings *handlers, size_t count)
{
    struct handler_daemon d = {.here = true, .user_sure = true, .user = geteuid()};
    for (size_t i = 0; i < count; i++) {
        struct handler_fault f;
        if (handler_files_fault(&handlers[i], &d, &f))
            log_event(LOG_HANDLER_UNREADY, KV("handler", handlers[i].name), KV("setting", f.setting),
                      KV("file", f.file), KV("why", f.why));
    }
}
