#include "server/pool/handler_files.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHER 64999 // a user that owns nothing here

static char folder[64];
static struct handler_settings h;
static struct handler_fault fault;

// What the checks are told of the daemon: nothing, or that it is this process.
static const struct handler_daemon elsewhere;
static struct handler_daemon here = {.here = true, .user_sure = true};

static void setup(void)
{
    strcpy(folder, "/tmp/taskq-handler-files-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert(handler_settings_init(&h, "h"));
    ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
    here.user = geteuid();
}

static void teardown(void)
{
    char command[128];
    handler_settings_release(&h);
    ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

// A file in the folder; returns its whole path.
static const char *make(const char *name, mode_t mode, const char *text)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    ck_assert_int_eq(close(fd), 0);
    return path;
}

static bool nobody_else(void)
{
    struct passwd *nobody = getpwnam("nobody");
    return nobody && nobody->pw_uid != geteuid();
}

static void command(const char *program)
{
    if (h.command.count == 0)
        ck_assert(handler_texts_add(&h.command, program));
    else
        ck_assert(handler_text_set(&h.command.items[0], program));
}

static void fine(const struct handler_daemon *d)
{
    bool found = handler_files_fault(&h, d, &fault);
    ck_assert_msg(!found, "%s %s: %s", fault.setting, fault.file, fault.why);
}

static void wrong(const struct handler_daemon *d, const char *setting, const char *file, const char *why)
{
    ck_assert_msg(handler_files_fault(&h, d, &fault), "%s is found to be fine", file);
    ck_assert_str_eq(fault.setting, setting);
    ck_assert_str_eq(fault.file, file);
    ck_assert_msg(strstr(fault.why, why), "\"%s\" does not say %s", fault.why, why);
    ck_assert_msg(strstr(fault.why, ": "), "\"%s\" does not say what to do", fault.why);
}

START_TEST(a_program_with_a_path)
{
    const struct handler_daemon *const both[] = {&elsewhere, &here};
    for (int i = 0; i < 2; i++) {
        command("/bin/sh");
        fine(both[i]);
        command("/no/such/program");
        wrong(both[i], "command", "/no/such/program", "not there");
        command("/bin/sh/program");
        wrong(both[i], "command", "/bin/sh/program", "Not a directory");
        command("/usr");
        wrong(both[i], "command", "/usr", "no regular file");
        command(make("plain", 0644, "#!/bin/sh\n"));
        wrong(both[i], "command", h.command.items[0],
              i ? "the daemon's user may not execute" : "nobody may execute");
        command(make("script", 0755, "#!/bin/sh\n"));
        fine(both[i]);
        command(make("lost", 0755, "#! /no/such/python3 -u\n"));
        wrong(both[i], "command", h.command.items[0], "interpreter /no/such/python3,");
        command(make("dos", 0755, "#!/bin/sh\r\n"));
        wrong(both[i], "command", h.command.items[0], "interpreter /bin/sh?,");
        command(make("cut", 0755, "#!/no"));
        fine(both[i]);
    }
}
END_TEST

START_TEST(a_program_on_the_path)
{
    command("sh");
    fine(&elsewhere);
    fine(&here);
    command("no-such-program");
    wrong(&elsewhere, "command", "no-such-program", "no folder of PATH");
    wrong(&here, "command", "no-such-program", "no folder of PATH");

    // A service's PATH has more in it than this one.
    ck_assert_int_eq(setenv("PATH", "/usr", 1), 0);
    command("sh");
    fine(&elsewhere);
    wrong(&here, "command", "sh", "no folder of PATH");

    // What the handler sets is known everywhere; the last one wins, and a name alone takes it away.
    char path[128];
    snprintf(path, sizeof path, "PATH=/no/such/folder:%s", folder);
    ck_assert(handler_texts_add(&h.env, "PATH=/usr"));
    wrong(&elsewhere, "command", "sh", "no folder of PATH");
    ck_assert(handler_texts_add(&h.env, path));
    make("mine", 0755, "");
    command("mine");
    fine(&elsewhere);
    fine(&here);
    make("mine", 0644, "");
    wrong(&elsewhere, "command", "mine", "nobody may execute");
    wrong(&here, "command", "mine", "the daemon's user may not execute");
    ck_assert(handler_texts_add(&h.env, "PATH"));
    command("sh");
    fine(&elsewhere);
}
END_TEST

START_TEST(where_it_starts)
{
    make("mine", 0755, "");
    command("./mine");
    fine(&here);
    command("./others");
    wrong(&here, "command", "./others", "not there");
    fine(&elsewhere); // who knows in which folder
    ck_assert(handler_text_set(&h.cwd, folder));
    wrong(&elsewhere, "command", "./others", "not there");
    command("./mine");
    fine(&elsewhere);

    // A part of PATH may be the present folder, too.
    command("mine");
    wrong(&elsewhere, "command", "mine", "no folder of PATH");
    ck_assert(handler_texts_add(&h.env, "PATH=/usr:"));
    fine(&elsewhere);
    make("mine", 0755, "#!/no/such/shell\n");
    wrong(&elsewhere, "command", "mine", "interpreter");
    ck_assert(handler_text_set(&h.cwd, "relative"));
    fine(&elsewhere);

    wrong(&here, "cwd", "relative", "not there");
    ck_assert(handler_text_set(&h.cwd, "/no/such/folder"));
    wrong(&elsewhere, "cwd", "/no/such/folder", "not there");
    ck_assert(handler_text_set(&h.cwd, "/bin/sh"));
    wrong(&elsewhere, "cwd", "/bin/sh", "Not a directory");
}
END_TEST

START_TEST(a_module)
{
    h.kind = HANDLER_MODULE;
    ck_assert(handler_text_set(&h.module, "/no/such/module.so"));
    wrong(&elsewhere, "module", "/no/such/module.so", "not there");
    wrong(&here, "module", "/no/such/module.so", "not there");
    ck_assert(handler_text_set(&h.module, make("module.so", 0644, "")));
    fine(&elsewhere);
    fine(&here);
    ck_assert(handler_text_set(&h.module, "./module.so"));
    fine(&here);
    ck_assert(handler_text_set(&h.module, "./other.so"));
    fine(&elsewhere);
    wrong(&here, "module", "./other.so", "not there");
    ck_assert(handler_text_set(&h.module, "/usr"));
    wrong(&elsewhere, "module", "/usr", "no regular file");
}
END_TEST

START_TEST(only_what_is_sure_of_another_user_is_told)
{
    const struct handler_daemon other = {.user_sure = true, .user = OTHER};
    command(make("private", 0700, ""));
    wrong(&other, "command", h.command.items[0], "the daemon's user may not execute");
    fine(&elsewhere); // it may be our own
    command(make("group", 0710, ""));
    fine(&other); // it may be of that group
    command(make("public", 0701, ""));
    fine(&other);
    const struct handler_daemon owner = {.user_sure = true, .user = geteuid()};
    command(make("mine", 0600, ""));
    wrong(&owner, "command", h.command.items[0], "may not execute");

    h.kind = HANDLER_MODULE;
    ck_assert(handler_text_set(&h.module, make("private.so", 0600, "")));
    wrong(&other, "module", h.module, "may not read");
    fine(&owner);
    fine(&elsewhere);

    // The handler's own user counts, whoever the daemon is.
    if (nobody_else()) {
        ck_assert(handler_text_set(&h.user, "nobody"));
        wrong(&owner, "module", h.module, "its user may not read");
        ck_assert_int_eq(chmod(h.module, 0604), 0);
        fine(&owner);
    }

    // What cannot be looked into has nothing that is surely missing.
    ck_assert_int_eq(mkdir("closed", 0700), 0);
    char path[128];
    snprintf(path, sizeof path, "%s/closed", folder);
    ck_assert(handler_text_set(&h.cwd, path));
    h.kind = HANDLER_EXEC;
    command("/bin/sh");
    if (nobody_else())
        wrong(&owner, "cwd", path, "its user may not enter");
    ck_assert_int_eq(chmod("closed", 0), 0);
    free(h.user);
    h.user = NULL;
    fine(&elsewhere);
    free(h.cwd);
    h.cwd = NULL;
    snprintf(path, sizeof path, "%s/closed/program", folder);
    command(path);
    if (geteuid() != 0) {
        fine(&elsewhere);
        wrong(&here, "command", path, "may not execute");
    }
}
END_TEST

START_TEST(what_is_built_in_needs_no_file)
{
    h.kind = HANDLER_ECHO;
    fine(&here);
}
END_TEST

START_TEST(a_check_names_the_first_handler_that_has_something_wrong)
{
    char why[HANDLER_WHY_MAX];
    struct handler_settings all[2];
    const char *const programs[] = {"/bin/sh", "/no/such/program"};
    for (int i = 0; i < 2; i++) {
        ck_assert(handler_settings_init(&all[i], i ? "second" : "first"));
        ck_assert(handler_texts_add(&all[i].command, programs[i]));
    }
    ck_assert(handler_files_check(all, 1, NULL, why));
    ck_assert(!handler_files_check(all, 2, NULL, why));
    ck_assert_str_eq(why, "handler \"second\": command \"/no/such/program\": it is not there: install it, or "
                          "correct command");
    ck_assert(handler_text_set(&all[1].command.items[0], make("private", 0700, "")));
    ck_assert(handler_files_check(all, 2, NULL, why));
    if (nobody_else()) {
        ck_assert(!handler_files_check(all, 2, "nobody", why));
        ck_assert_ptr_nonnull(strstr(why, "the daemon's user may not execute it"));
    }
    for (int i = 0; i < 2; i++)
        handler_settings_release(&all[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool/handler_files");
    TCase *c = tcase_create("handler_files");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_program_with_a_path);
    tcase_add_test(c, a_program_on_the_path);
    tcase_add_test(c, where_it_starts);
    tcase_add_test(c, a_module);
    tcase_add_test(c, only_what_is_sure_of_another_user_is_told);
    tcase_add_test(c, what_is_built_in_needs_no_file);
    tcase_add_test(c, a_check_names_the_first_handler_that_has_something_wrong);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
