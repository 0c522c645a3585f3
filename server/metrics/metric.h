// The metrics: one row each. The Prometheus text, the `metrics` of stats, the manual and the web page's
// fields come from this table; which of the engine's counters and gauges is seen as which metric stands with
// them (server/engine/stats.h).
#ifndef METRICS_METRIC_H
#define METRICS_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Types: COUNTER never falls while the daemon runs (a handler's begins again when it is changed); GAUGE is
// what is now; TIMES_MS and TIMES_NS are histograms of seconds that are counted in ms and ns. Where the first
// label is `queue`, the queues with the most unfinished jobs have a value of their own (setting
// metrics_queues), and all others one together, whose label is empty.
#define METRICS(X)                                                                                           \
    /* id, name, type, unit, label, second label, text */                                                    \
    X(BUILD_INFO, "taskq_build_info", GAUGE, "", "version", "durability", "1; the labels say what runs")     \
    X(JOBS, "taskq_jobs", GAUGE, "jobs", "queue", "state", "Jobs in each state")                             \
    X(OLDEST_AGE, "taskq_queue_oldest_age_seconds", GAUGE, "seconds", "queue", NULL,                         \
      "How long ago the oldest job that is ready was put; 0 where none is ready")                            \
    X(QUEUE_BYTES, "taskq_queue_bytes", GAUGE, "bytes", "queue", NULL,                                       \
      "What jobs, outcomes and dead jobs hold in memory")                                                    \
    X(QUEUE_PAUSED, "taskq_queue_paused", GAUGE, "", "queue", NULL, "1 for each queue that is paused")       \
    X(QUEUES, "taskq_queues", GAUGE, "queues", NULL, NULL, "Queues there are")                               \
    X(QUEUES_TOGETHER, "taskq_queues_together", GAUGE, "queues", NULL, NULL,                                 \
      "Queues that are counted together under the empty label")                                              \
    X(ENQUEUED, "taskq_jobs_enqueued_total", COUNTER, "jobs", NULL, NULL, "Jobs accepted")                   \
    X(TAKEN, "taskq_jobs_taken_total", COUNTER, "jobs", NULL, NULL, "Times that a job was handed out")       \
    X(FINISHED, "taskq_jobs_finished_total", COUNTER, "jobs", "outcome", NULL,                               \
      "Jobs that were done, became dead or were cancelled")                                                  \
    X(RETRIED, "taskq_jobs_retried_total", COUNTER, "attempts", "cause", NULL,                               \
      "Attempts that did not succeed and were given another")                                                \
    X(DEAD, "taskq_jobs_dead_total", COUNTER, "jobs", "reason", NULL,                                        \
      "Jobs that died, and why; those that moved to a dead-letter queue too")                                \
    X(MOVED, "taskq_jobs_moved_total", COUNTER, "jobs", NULL, NULL,                                          \
      "Dying jobs that moved to their dead-letter queue")                                                    \
    X(LOST, "taskq_jobs_lost_total", COUNTER, "jobs", NULL, NULL,                                            \
      "Times that a job came back because its consumer went")                                                \
    X(RELEASED, "taskq_jobs_released_total", COUNTER, "jobs", NULL, NULL,                                    \
      "Times that a job was given back uncounted")                                                           \
    X(LEASES_EXPIRED, "taskq_leases_expired_total", COUNTER, "leases", NULL, NULL, "Leases that ran out")    \
    X(DELETED, "taskq_jobs_deleted_total", COUNTER, "jobs", NULL, NULL, "Jobs removed by an administrator")  \
    X(KICKED, "taskq_jobs_kicked_total", COUNTER, "jobs", NULL, NULL, "Jobs made ready by an administrator") \
    X(REFUSED, "taskq_puts_refused_total", COUNTER, "puts", NULL, NULL,                                      \
      "Puts refused because the queue was full")                                                             \
    X(DROPPED, "taskq_outcomes_dropped_total", COUNTER, "jobs", "kind", NULL,                                \
      "Results and dead jobs that went before their time, to keep within bytes")                             \
    X(JOB_WAIT, "taskq_job_wait_seconds", TIMES_MS, "seconds", NULL, NULL,                                   \
      "From when a job became ready until it was handed out")                                                \
    X(JOB_RUN, "taskq_job_run_seconds", TIMES_MS, "seconds", NULL, NULL,                                     \
      "From when a job was handed out until it was acknowledged, failed, was buried or lost, or its lease "  \
      "ran out")                                                                                             \
    X(REQUEST, "taskq_request_seconds", TIMES_NS, "seconds", "method", NULL,                                 \
      "From when a request is carried out until its reply is written, its wait for a job included; "         \
      "what the reply then waits for is taskq_store_commit_seconds")                                         \
    X(WAITERS, "taskq_waiters", GAUGE, "requests", "kind", NULL,                                             \
      "Requests that wait for a job, for room or for a join")                                                \
    X(CONNECTIONS, "taskq_connections", GAUGE, "connections", NULL, NULL, "Connections there are")           \
    X(AUTH_FAILURES, "taskq_auth_failures_total", COUNTER, "tokens", NULL, NULL,                             \
      "Tokens that were nobody's")                                                                           \
    X(STRANGERS, "taskq_strangers", GAUGE, "connections", NULL, NULL,                                        \
      "Connections that have not said who they are, where they have to")                                     \
    X(STRANGERS_CLOSED, "taskq_strangers_closed_total", COUNTER, "connections", "cause", NULL,               \
      "Connections closed because there were too many of these, or their time was up")                       \
    X(QUOTA_USED, "taskq_quota_used", GAUGE, "", "identity", "quota",                                        \
      "What an identity with quotas uses of each, in its own unit")                                          \
    X(QUOTA_LIMIT, "taskq_quota_limit", GAUGE, "", "identity", "quota",                                      \
      "What it may use of each; absent where there is no bound")                                             \
    X(QUOTA_REFUSED, "taskq_quota_refused_total", COUNTER, "requests", "identity", NULL,                     \
      "Requests and connections of an identity that its quotas refused")                                     \
    X(QUOTA_SLOWED, "taskq_quota_slowed_total", COUNTER, "times", "identity", NULL,                          \
      "Times that a connection of an identity was not read for a while, for its rate's sake")                \
    X(LOG_DROPPED, "taskq_log_dropped_total", COUNTER, "lines", NULL, NULL,                                  \
      "Lines of the daemon's log that were lost, because nobody took them in time")                          \
    X(CERTIFICATE_END, "taskq_tls_certificate_not_after_seconds", GAUGE, "seconds", NULL, NULL,              \
      "Until when the TLS certificate is valid, as Unix time; absent without TLS")                           \
    X(REVOKED_END, "taskq_tls_crl_next_update_seconds", GAUGE, "seconds", NULL, NULL,                        \
      "Until when the first of the lists of revoked certificates holds, as Unix time; absent without lists") \
    X(HANDSHAKES, "taskq_tls_handshakes_total", COUNTER, "handshakes", "outcome", NULL,                      \
      "TLS handshakes that came to an end")                                                                  \
    X(HANDSHAKES_NOW, "taskq_tls_handshakes", GAUGE, "handshakes", NULL, NULL, "TLS handshakes under way")   \
    X(POOL_WORKERS, "taskq_pool_workers", GAUGE, "workers", "handler", "state",                              \
      "Workers of the daemon's own pool that run a job, and that do not")                                    \
    X(POOL_ATTEMPTS, "taskq_pool_attempts_total", COUNTER, "attempts", "handler", "outcome",                 \
      "Attempts of the pool's workers since their handler began as it is")                                   \
    X(STORE_COMMIT, "taskq_store_commit_seconds", TIMES_NS, "seconds", NULL, NULL,                           \
      "How long it takes to write a batch and have it on disk")                                              \
    X(STORE_BYTES, "taskq_store_bytes", GAUGE, "bytes", "kind", NULL,                                        \
      "The store: records that are needed, files of the log in use, and all its files")                      \
    X(STORE_SEGMENTS, "taskq_store_segments", GAUGE, "files", NULL, NULL, "Files of the log in use")         \
    X(STORE_RECORDS, "taskq_store_records_total", COUNTER, "records", NULL, NULL,                            \
      "Records written in batches")                                                                          \
    X(STORE_WRITTEN, "taskq_store_written_bytes_total", COUNTER, "bytes", NULL, NULL,                        \
      "Bytes written in batches")                                                                            \
    X(STORE_CLEANED, "taskq_store_cleaned_bytes_total", COUNTER, "bytes", NULL, NULL,                        \
      "Bytes of the log gone through to clean it")                                                           \
    X(MEMORY, "taskq_memory_bytes", GAUGE, "bytes", NULL, NULL, "What jobs, outcomes and waiting puts hold") \
    X(MEMORY_LIMIT, "taskq_memory_limit_bytes", GAUGE, "bytes", NULL, NULL, "What they may hold")            \
    X(LOCK_TAKEN, "taskq_lock_taken_total", COUNTER, "times", NULL, NULL,                                    \
      "How often a thread took the lock that the threads share")                                             \
    X(LOCK_WAITED, "taskq_lock_waited_total", COUNTER, "times", NULL, NULL,                                  \
      "How often of those another had it")                                                                   \
    X(PROCESS_CPU, "process_cpu_seconds_total", COUNTER, "seconds", NULL, NULL,                              \
      "Processor time that the daemon has used")                                                             \
    X(PROCESS_RESIDENT, "process_resident_memory_bytes", GAUGE, "bytes", NULL, NULL,                         \
      "Memory that the daemon has")                                                                          \
    X(PROCESS_VIRTUAL, "process_virtual_memory_bytes", GAUGE, "bytes", NULL, NULL,                           \
      "Addresses that the daemon has")                                                                       \
    X(PROCESS_VIRTUAL_MAX, "process_virtual_memory_max_bytes", GAUGE, "bytes", NULL, NULL,                   \
      "Addresses that it may have; -1: no limit")                                                            \
    X(PROCESS_FDS, "process_open_fds", GAUGE, "descriptors", NULL, NULL, "Descriptors that are open")        \
    X(PROCESS_FDS_MAX, "process_max_fds", GAUGE, "descriptors", NULL, NULL, "Descriptors that may be open")  \
    X(PROCESS_THREADS, "process_threads", GAUGE, "threads", NULL, NULL, "Threads of the daemon")             \
    X(PROCESS_START, "process_start_time_seconds", GAUGE, "seconds", NULL, NULL,                             \
      "When the daemon began, as Unix time")

enum metric_id {
#define X(id, name, type, unit, label, second, text) METRIC_##id,
    METRICS(X)
#undef X
        METRIC_COUNT,
    METRIC_TOLD // of the engine's rows: others tell the same in more detail
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_TIMES_MS, METRIC_TIMES_NS };

#define METRIC_LABELS_MAX 2

struct metric {
    enum metric_id id;
    const char *name;
    enum metric_type type;
    const char *unit;                      // "": none
    const char *labels[METRIC_LABELS_MAX]; // NULL: no more
    const char *text;
};

// The row; id is below METRIC_COUNT.
const struct metric *metric_row(enum metric_id id);

// Whether its first label is `queue`.
bool metric_by_queue(const struct metric *m);

// "counter", "gauge" or "histogram", as Prometheus has it.
const char *metric_type_name(enum metric_type type);

// The reference of all metrics, for a person.
void metrics_help(FILE *out);

#endif
