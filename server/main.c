// taskqd: the command line.
#include "common/log.h"
#include "server/daemon.h"
#include "server/daemon_tls.h"
#include "server/log_file.h"
#include "server/metrics/metric.h"
#include "server/new_certificate.h"
#include "server/new_token.h"
#include "server/pool/handler_files.h"
#include "server/pool/module_host.h"
#include "server/ports.h"
#include "server/privileges.h"
#include "server/settings.h"
#include "server/settings_table.h"
#include "server/tools.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static const char usage[] =
    "usage: taskqd [-c FILE] [-l [tls:]HOST:PORT | unix:PATH]... [-H HOST:PORT] [-d DATADIR | -m] "
    "[--recover]\n"
    "       taskqd -t [-c FILE] | --help-config | --help-metrics | --help-log\n"
    "       taskqd --new-token NAME [PATTERN ROLE...] | --new-certificate FOLDER HOST...\n"
    "       taskqd --check DATADIR | --dump DATADIR | --load DATADIR FILE\n"
    "\n"
    "Named priority, FIFO and LIFO job queues behind JSON-RPC 2.0 over TCP, with a worker pool.\n"
    "\n"
    "  -c, --config FILE    read the settings from FILE\n"
    "  -l, --listen ADDR    listen on HOST:PORT, [IPV6]:PORT or unix:PATH instead of what the settings say;\n"
    "                       may be given more than once; port 0 takes a free one, which the log names;\n"
    "                       tls:HOST:PORT is with TLS, with the certificate that the settings name\n"
    "  -H, --http ADDR      listen there for HTTP (metrics, the web page, JSON-RPC by POST) instead of what\n"
    "                       the settings say, which is 127.0.0.1:7481; none: nowhere\n"
    "  -d, --data DIR       keep the jobs in this folder\n"
    "  -m, --memory         keep the jobs in memory only: they are gone with the daemon\n"
    "  -t, --test           check the settings and exit\n"
    "      --recover        start although the log is damaged, leaving out what cannot be read and saying "
    "so\n"
    "      --check DIR      verify a data folder without changing anything\n"
    "      --dump DIR       print its queues and jobs as JSON lines\n"
    "      --load DIR FILE  put the lines of a dump (-: standard input) into an empty data folder\n"
    "      --new-token NAME [PATTERN ROLE...]\n"
    "                       print a new token, which is kept nowhere, and the configuration's section for "
    "it,\n"
    "                       with these roles (put, take, read, admin) on the queues of this pattern\n"
    "      --new-certificate DIR HOST...\n"
    "                       make a certificate for these hosts' names or IP addresses, with a CA of your own "
    "in\n"
    "                       that folder, which is made if there is none, and print the settings for it\n"
    "      --help-config    print the reference of all settings and exit\n"
    "      --help-metrics   print what every metric says and exit\n"
    "      --help-log       print what the log can say and exit\n"
    "  -h, --help           print this and exit\n"
    "  -V, --version        print the version and exit\n";

struct arguments {
    const char *config;
    struct handler_texts listen, http;
    const char *data_dir;
    const char *check, *dump, *load, *new_token, *new_certificate;
    bool memory_only, test, recover;
};

enum {
    OPTION_RECOVER = 256,
    OPTION_CHECK,
    OPTION_DUMP,
    OPTION_LOAD,
    OPTION_NEW_TOKEN,
    OPTION_NEW_CERTIFICATE,
    OPTION_HELP_CONFIG,
    OPTION_HELP_METRICS,
    OPTION_HELP_LOG
};

static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                        {"listen", required_argument, NULL, 'l'},
                                        {"http", required_argument, NULL, 'H'},
                                        {"data", required_argument, NULL, 'd'},
                                        {"memory", no_argument, NULL, 'm'},
                                        {"test", no_argument, NULL, 't'},
                                        {"recover", no_argument, NULL, OPTION_RECOVER},
                                        {"check", required_argument, NULL, OPTION_CHECK},
                                        {"dump", required_argument, NULL, OPTION_DUMP},
                                        {"load", required_argument, NULL, OPTION_LOAD},
                                        {"new-token", required_argument, NULL, OPTION_NEW_TOKEN},
                                        {"new-certificate", required_argument, NULL, OPTION_NEW_CERTIFICATE},
                                        {"help-config", no_argument, NULL, OPTION_HELP_CONFIG},
                                        {"help-metrics", no_argument, NULL, OPTION_HELP_METRICS},
                                        {"help-log", no_argument, NULL, OPTION_HELP_LOG},
                                        {"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, 'V'},
                                        {NULL, 0, NULL, 0}};

static int wrong(const char *what)
{
    fprintf(stderr, "taskqd: %s\n%s", what, usage);
    return EXIT_USAGE;
}

// Fills *a. -1: go on; else the exit status.
static int parse(int argc, char **argv, struct arguments *a)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:l:d:mthVH:", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            a->config = optarg;
            break;
        case 'l':
            if (!handler_texts_add(&a->listen, optarg))
                return wrong("out of memory");
            break;
        case 'd':
            a->data_dir = optarg;
            break;
        case 'm':
            a->memory_only = true;
            break;
        case 't':
            a->test = true;
            break;
        case 'H':
            if (!handler_texts_add(&a->http, optarg))
                return wrong("out of memory");
            break;
        case OPTION_RECOVER:
            a->recover = true;
            break;
        case OPTION_CHECK:
            a->check = optarg;
            break;
        case OPTION_DUMP:
            a->dump = optarg;
            break;
        case OPTION_LOAD:
            a->load = optarg;
            break;
        case OPTION_NEW_TOKEN:
            a->new_token = optarg;
            break;
        case OPTION_HELP_LOG:
            log_file_help(stdout);
            return EXIT_SUCCESS;
        case OPTION_HELP_METRICS:
            metrics_help(stdout);
            return EXIT_SUCCESS;
        case OPTION_NEW_CERTIFICATE:
            a->new_certificate = optarg;
            break;
        case OPTION_HELP_CONFIG:
            settings_help(stdout);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        case 'V':
            puts("taskqd " TASKQ_VERSION);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr); // getopt has said what is wrong
            return EXIT_USAGE;
        }
    }
    if (a->data_dir && a->memory_only)
        return wrong("-d and -m exclude each other");
    if (!!a->check + !!a->dump + !!a->load + !!a->new_token + !!a->new_certificate + a->test > 1)
        return wrong("-t, --check, --dump, --load, --new-token and --new-certificate exclude each other");
    if (!a->load && !a->new_certificate && !a->new_token && optind < argc)
        return wrong("there is an argument too many");
    if (a->load && optind + 1 != argc)
        return wrong("--load takes a folder and a file");
    if (a->new_certificate && optind == argc)
        return wrong("--new-certificate takes a folder and the names that clients call the daemon's host by");
    return -1;
}

static void forget(struct handler_texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i]);
    free(t->items);
    *t = (struct handler_texts){0};
}

// What was given takes the place of what is there.
static bool replace(struct handler_texts *there, const struct handler_texts *given)
{
    if (given->count > 0)
        forget(there);
    for (size_t i = 0; i < given->count; i++)
        if (!handler_texts_add(there, given->items[i]))
            return false;
    return true;
}

// The command line wins over the file.
static bool override(struct settings *s, const struct arguments *a, char why[SETTINGS_WHY_MAX])
{
    snprintf(why, SETTINGS_WHY_MAX, "out of memory");
    if (!replace(&s->listen, &a->listen) || !replace(&s->http, &a->http))
        return false;
    if (a->memory_only)
        s->memory_only = true;
    if (a->data_dir) {
        s->memory_only = false;
        return handler_text_set(&s->data_dir, a->data_dir);
    }
    return true;
}

// The settings as file and command line say: at the start, and at each reload.
static bool read_settings(void *context, struct settings *s, char why[SETTINGS_WHY_MAX])
{
    const struct arguments *a = context;
    return (!a->config || settings_read(s, a->config, why)) && override(s, a, why) &&
           settings_complete(s, why);
}

static int serve(struct arguments *a)
{
    struct settings s;
    struct daemon_source source = {.read = a->config ? read_settings : NULL, .context = a};
    char why[SETTINGS_WHY_MAX];
    int status = EXIT_FAILURE;
    settings_init(&s);
    bool ok = read_settings(a, &s, why) &&
              (!a->test || (daemon_tls_check(&s, why) && ports_check(&s, why) && privileges_check(&s, why) &&
                            handler_files_check(s.handlers, s.handler_count, s.run_as, why)));
    if (!ok)
        fprintf(stderr, "taskqd: %s\n", why);
    else if (a->test)
        printf("%s: the settings are fine\n", a->config ? a->config : "taskqd");
    if (ok && !a->test) {
        log_look_for_journal();
        log_set_level((enum log_level)s.log_level);
        log_set_format((enum log_format)s.log_format);
        struct privileges privileges;
        if (privileges_begin(&privileges, &s, why) && log_file_open(s.log_file, why))
            status = daemon_run(&s, &source, &privileges, a->recover);
        else
            fprintf(stderr, "taskqd: %s\n", why);
    } else if (ok) {
        status = EXIT_SUCCESS;
    }
    settings_release(&s);
    return status;
}

// glibc gives each thread a heap of its own, which it extends page by page, with a system call for each. Jobs
// are made and freed by all threads alike, so one heap that grows in large steps is quicker and wastes less.
static void tune_malloc(void)
{
#if defined(M_ARENA_MAX) && defined(M_TOP_PAD)
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TOP_PAD, 1 << 20);
#endif
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    if (argc > 1 && strcmp(argv[1], MODULE_HOST_OPTION) == 0) // a child of a running daemon
        return module_host_main(argc, argv);
    tune_malloc();
    signal(SIGPIPE, SIG_IGN);
    int status = parse(argc, argv, &a);
    if (status == -1 && a.check)
        status = tools_check(a.check);
    else if (status == -1 && a.dump)
        status = tools_dump(a.dump);
    else if (status == -1 && a.load)
        status = tools_load(a.load, argv[optind]);
    else if (status == -1 && a.new_token)
        status = new_token(a.new_token, argv + optind, (size_t)(argc - optind));
    else if (status == -1 && a.new_certificate)
        status = new_certificate(a.new_certificate, argv + optind, (size_t)(argc - optind));
    else if (status == -1)
        status = serve(&a);
    forget(&a.listen);
    forget(&a.http);
    return status;
}
