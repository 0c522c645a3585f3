// The daemon's settings: one row each. The configuration file, its checks and its help come from this table;
// queues' and handlers' rows stand in server/engine/settings.h and server/pool/handler_settings.h.
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include "server/access/identity.h"
#include "server/engine/settings.h"
#include "server/pool/handler_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The C type of a row's field: FLAG bool; COUNT and BYTES uint64_t; SECONDS int64_t, ms inside and in the
// table; MODE uint64_t, permissions; TEXT char *, NULL where it is not given; TEXTS and ADDRESSES struct
// handler_texts;// CHOICE an index into the row's words. LIVE: a reload of the configuration applies it;
// START: only a start does.
#define SETTINGS(X)                                                                                          \
    /* field, type, lowest, highest, default, words of a choice, when a change takes effect, text */         \
    X(listen, ADDRESSES, 0, 64, 0, NULL, START,                                                              \
      "where to listen: HOST:PORT, [IPV6]:PORT, unix:PATH, or with TLS tls:HOST:PORT; none: "                \
      "127.0.0.1:7480. Port 0 takes a free one")                                                             \
    X(tls_certificate, TEXT, 0, 0, 0, NULL, LIVE,                                                            \
      "for TLS: the file of the daemon's certificate and of those between it and its CA's, in PEM; this "    \
      "and "                                                                                                 \
      "the other files of TLS are read again at each reload")                                                \
    X(tls_key, TEXT, 0, 0, 0, NULL, LIVE,                                                                    \
      "the file of the certificate's key, in PEM, not encrypted; refused where everybody can read it")       \
    X(tls_client, CHOICE, 0, 2, 0, "none optional required", LIVE,                                           \
      "whether clients are asked for a certificate: none, optional or required")                             \
    X(tls_client_ca, TEXT, 0, 0, 0, NULL, LIVE,                                                              \
      "the file of the certificates of those that may issue clients' certificates")                          \
    X(tls_client_crl, TEXT, 0, 0, 0, NULL, LIVE,                                                             \
      "the file of the lists of revoked ones, one of each of those; none: no list is looked at")             \
    X(tls_handshakes, COUNT, 1, 100000, 256, NULL, LIVE,                                                     \
      "TLS handshakes at a time; who comes then waits, and who takes more than a second has to go")          \
    X(tls_handshake_timeout, SECONDS, 100, 600000, 10000, NULL, LIVE,                                        \
      "how long a TLS handshake may take, from the connection on")                                           \
    X(http, ADDRESSES, 0, 16, 0, "none", START,                                                              \
      "where to listen for HTTP (metrics, the web page, JSON-RPC by POST), as listen; not given: "           \
      "127.0.0.1:7481; none: nowhere")                                                                       \
    X(http_hosts, TEXTS, 0, 64, 0, NULL, START,                                                              \
      "names under which HTTP is asked for, next to localhost and addresses: others are refused, as a page " \
      "of another host could make its name point here")                                                      \
    X(http_connections, COUNT, 1, 100000, 256, NULL, LIVE, "HTTP connections at a time")                     \
    X(metrics_open, FLAG, 0, 1, 0, NULL, START, "true: GET /metrics needs no token where there are tokens")  \
    X(data_dir, TEXT, 0, 0, 0, NULL, START,                                                                  \
      "the folder that keeps the jobs; none: /var/lib/taskq for root, else ~/.local/share/taskq")            \
    X(memory_only, FLAG, 0, 1, 0, NULL, START,                                                               \
      "true: jobs are kept in memory only and are gone with the daemon")                                     \
    X(durability, CHOICE, 0, 1, 0, "always interval", START,                                                 \
      "always: a reply means that it is on disk; interval: it will be soon")                                 \
    X(interval, SECONDS, 1, 60000, 100, NULL, START,                                                         \
      "with durability interval: how often what changed is written")                                         \
    X(run_as, TEXT, 0, 63, 0, NULL, START,                                                                   \
      "the user that the daemon becomes when root starts it, once its addresses are bound; none: it stays "  \
      "who started it")                                                                                      \
    X(threads, COUNT, 0, 64, 0, NULL, START, "network threads; 0: half as many as there are cores, 1 to 4")  \
    X(max_body, BYTES, 1024, 67108864, 1048576, NULL, START,                                                 \
      "the largest body, result or error, as JSON text")                                                     \
    X(max_request, BYTES, 0, 268435456, 0, NULL, START, "the longest request line; 0: max_body and 64 KiB")  \
    X(max_connections, COUNT, 0, 1000000, 0, NULL, LIVE,                                                     \
      "connections at a time; 0: as many as the descriptors allow")                                          \
    X(max_strangers, COUNT, 1, 100000, 1024, NULL, LIVE,                                                     \
      "where clients have to say who they are: connections at a time that have not yet, and with TLS those " \
      "that have not shaken hands; a quarter of them from one address")                                      \
    X(max_waits, COUNT, 1, 1000000, 1024, NULL, LIVE, "requests of one connection that may wait at a time")  \
    X(max_subscriptions, COUNT, 0, 10000000, 65536, NULL, LIVE,                                              \
      "jobs of whose end one connection may have itself told at a time")                                     \
    X(max_queues, COUNT, 1, 100000000, 1000000, NULL, LIVE, "queues at a time")                              \
    X(memory, BYTES, 0, 9007199254740991, 0, NULL, LIVE,                                                     \
      "what jobs, outcomes and waiting puts may hold; over it puts are refused; 0: half of the machine's "   \
      "or the container's memory")                                                                           \
    X(output_limit, BYTES, 65536, 1073741824, 1048576, NULL, LIVE,                                           \
      "while so much of a connection's replies is not read, it is not listened to")                          \
    X(shutdown_timeout, SECONDS, 0, 86400000, 30000, NULL, LIVE,                                             \
      "how long running jobs may go on when the daemon is stopped")                                          \
    X(insecure, FLAG, 0, 1, 0, NULL, START,                                                                  \
      "true: addresses that other machines can reach may be listened on also without TLS, in clear text, "   \
      "and also without anything that says who may do what, open to everybody")                              \
    X(unix_mode, MODE, 0, 511, 432, NULL, START, "permissions of Unix sockets, such as 0660")                \
    X(segment_size, BYTES, 0, 268435456, 0, NULL, START, "size of the store's files; 0: by max_body")        \
    X(metrics_queues, COUNT, 0, 100000, 1000, NULL, LIVE,                                                    \
      "so many queues, those with the most unfinished jobs, have metrics and a history of their own; the "   \
      "others have theirs together. Each costs 2 KB of memory")                                              \
    X(log_level, CHOICE, 0, 3, 1, "debug info warning error", LIVE,                                          \
      "lines below this level are not written: debug, info, warning or error")                               \
    X(log_format, CHOICE, 0, 1, 0, "logfmt json", LIVE,                                                      \
      "how a line of the log is written: key=value pairs, or a JSON object")                                 \
    X(log_file, TEXT, 0, 0, 0, NULL, LIVE,                                                                   \
      "the file that the log is written to, opened anew by a reload; none: standard error")

// A queue that is declared at the start.
struct queue_section {
    char name[QUEUE_NAME_MAX + 1];
    struct queue_settings settings;
    unsigned named; // bits of enum queue_setting: what the section says
};

struct settings {
    struct handler_texts listen;
    struct handler_texts http; // complete: empty for nowhere
    struct handler_texts http_hosts;
    uint64_t http_connections;
    bool metrics_open;
    char *tls_certificate, *tls_key, *tls_client_ca, *tls_client_crl;
    uint64_t tls_client; // enum tls_client
    uint64_t tls_handshakes;
    int64_t tls_handshake_timeout;
    char *data_dir;
    bool memory_only;
    uint64_t durability;
    int64_t interval;
    char *run_as;
    uint64_t threads;
    uint64_t max_body;
    uint64_t max_request;
    uint64_t max_connections;
    uint64_t max_strangers;
    uint64_t max_waits;
    uint64_t max_subscriptions;
    uint64_t max_queues;
    uint64_t memory;
    uint64_t output_limit;
    int64_t shutdown_timeout;
    bool insecure;
    uint64_t unix_mode;
    uint64_t segment_size;
    uint64_t metrics_queues;
    uint64_t log_level;
    uint64_t log_format;
    char *log_file;
    struct queue_section *queues;
    size_t queue_count;
    struct handler_settings *handlers;
    size_t handler_count;
    struct access
        access; // until the daemon has taken it over; none: whoever reaches the daemon may do everything
};

enum { DURABILITY_ALWAYS, DURABILITY_INTERVAL };

#define SETTINGS_WHY_MAX 512

// The defaults of the table.
void settings_init(struct settings *s);
void settings_release(struct settings *s);

// Reads a configuration file over what is in s; queues, handlers and identities are those of the file alone.
// False: `why` is one line that names file, line and the wrong word.
bool settings_read(struct settings *s, const char *path, char why[SETTINGS_WHY_MAX])
    __attribute__((warn_unused_result));

// Fills in what is left to the machine (threads, memory, max_request, data_dir) and checks what depends on
// each other. False: `why`.
bool settings_complete(struct settings *s, char why[SETTINGS_WHY_MAX]) __attribute__((warn_unused_result));

// The word of a choice: settings_word("durability", 1) is "interval".
const char *settings_durability(const struct settings *s);

#endif
