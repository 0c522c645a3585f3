// What the log can say: one row an event. Its name is for programs and does not change, its text is for
// people; what belongs to the single line stands in key=value pairs behind them.
#ifndef COMMON_LOG_EVENTS_H
#define COMMON_LOG_EVENTS_H

// JOB: it concerns a job, and has its id. LIMITED: a client or a child can cause it as often as it likes, so
// that only so many a second are written (common/log.h) and the others counted. BOTH: both. PLAIN: neither.
#define LOG_EVENTS(X)                                                                                        \
    /* constant, name, level, kind, text */                                                                  \
    /* from start to stop */                                                                                 \
    X(LOADING, "loading", INFO, PLAIN, "jobs are read from the disk")                                        \
    X(LOADED, "loaded", INFO, PLAIN, "the jobs of before are there again")                                   \
    X(ORPHANS, "orphans", WARNING, PLAIN, "records without what they belong to were left out")               \
    X(RECOVERED, "recovered", WARNING, PLAIN, "something was left out of the log of changes")                \
    X(INSECURE, "insecure", WARNING, PLAIN, "the settings say insecure = true")                              \
    X(LISTENING, "listening", INFO, PLAIN, "connections are taken")                                          \
    X(START_FAILED, "start_failed", ERROR, PLAIN, "the daemon cannot start")                                 \
    X(STOPPING, "stopping", INFO, PLAIN, "no new jobs; what runs may finish")                                \
    X(HURRYING, "hurrying", INFO, PLAIN, "stopping at once: what runs is put back")                          \
    X(STOPPED, "stopped", INFO, PLAIN, "the daemon has stopped")                                             \
    X(SPAWNER_GONE, "spawner_gone", ERROR, PLAIN,                                                            \
      "the process that starts commands is gone; the daemon stops, so that it can be started whole again")   \
    X(ENDED, "ended", ERROR, PLAIN, "the daemon ends now: what was not answered was not promised")           \
    X(OUT_OF_MEMORY, "out_of_memory", ERROR, PLAIN, "there is no memory left")                               \
    /* configuration */                                                                                      \
    X(RELOADED, "reloaded", INFO, PLAIN, "the configuration was read again")                                 \
    X(RELOAD_IGNORED, "reload_ignored", INFO, PLAIN, "the configuration is not read again")                  \
    X(RELOAD_FAILED, "reload_failed", ERROR, PLAIN,                                                          \
      "the configuration cannot be read, and all stays as it was")                                           \
    X(SETTING_CHANGED, "setting_changed", INFO, PLAIN, "a setting changed")                                  \
    X(SETTING_WAITS, "setting_waits", WARNING, PLAIN,                                                        \
      "a setting changed that takes effect at the next start")                                               \
    X(QUEUE_REFUSED, "queue_refused", ERROR, PLAIN, "a queue cannot be declared as the configuration says")  \
    X(HANDLERS_CHANGED, "handlers_changed", INFO, PLAIN, "handlers came, went or changed")                   \
    X(HANDLERS_REFUSED, "handlers_refused", ERROR, PLAIN, "the handlers stay as they were")                  \
    X(ACCESS_CHANGED, "access_changed", INFO, PLAIN, "who may do what has changed")                          \
    X(ACCESS_REFUSED, "access_refused", ERROR, PLAIN, "who may do what stays as it was")                     \
    X(ACCESS_WAITS, "access_waits", WARNING, PLAIN,                                                          \
      "there are no identities any more, which takes effect at the next start")                              \
    X(TLS_RELOADED, "tls_reloaded", INFO, PLAIN, "the files of TLS were read again")                         \
    X(TLS_REFUSED, "tls_refused", ERROR, PLAIN, "TLS stays as it was")                                       \
    X(TLS_WAITS, "tls_waits", WARNING, PLAIN,                                                                \
      "TLS takes effect at the next start: there was none at this one")                                      \
    X(TLS_UNREADABLE, "tls_unreadable", WARNING, PLAIN,                                                      \
      "a reload will not be able to read a file of TLS: make it readable for the daemon's user")             \
    X(CERTIFICATE_EXPIRES, "certificate_expires", WARNING, PLAIN,                                            \
      "the TLS certificate expires soon: get a new one and send SIGHUP")                                     \
    X(CERTIFICATE_EXPIRED, "certificate_expired", ERROR, PLAIN,                                              \
      "the TLS certificate expired, and clients refuse it: get a new one and send SIGHUP")                   \
    X(CRL_EXPIRES, "crl_expires", WARNING, PLAIN,                                                            \
      "tls_client_crl is out of date soon, and clients' certificates are refused from then on: get the "     \
      "next list from the CA and send SIGHUP")                                                               \
    X(CRL_EXPIRED, "crl_expired", ERROR, PLAIN,                                                              \
      "tls_client_crl is out of date, and clients' certificates are refused: get the present list from the " \
      "CA and send SIGHUP")                                                                                  \
    /* the log itself */                                                                                     \
    X(LOG_OPENED, "log_opened", INFO, PLAIN, "the log goes on in a file")                                    \
    X(LOG_REFUSED, "log_refused", ERROR, PLAIN,                                                              \
      "the log stays where it was, also if that was moved away: let the daemon's user write the file and "   \
      "send SIGHUP again")                                                                                   \
    X(LOG_DROPPED, "log_dropped", WARNING, PLAIN, "lines of the log were lost: nobody took them in time")    \
    /* the disk */                                                                                           \
    X(DISK_FULL, "disk_full", ERROR, LIMITED,                                                                \
      "puts are refused until there is space on the disk; acks and gets go on from a reserve")               \
    X(DISK_SPACE, "disk_space", INFO, LIMITED, "the disk has space again: puts are taken")                   \
    X(DISK_LOSES, "disk_loses", ERROR, PLAIN, "the disk is full: what was not answered is not kept")         \
    X(STORE_FAILED, "store_failed", ERROR, PLAIN, "changes cannot be written down any more")                 \
    X(BACKUP_DONE, "backup_done", INFO, PLAIN, "a backup is complete")                                       \
    X(BACKUP_FAILED, "backup_failed", WARNING, PLAIN, "a backup failed")                                     \
    /* clients */                                                                                            \
    X(ACCEPT_FAILED, "accept_failed", WARNING, PLAIN, "connections cannot be accepted for now")              \
    X(TURNED_AWAY, "turned_away", WARNING, PLAIN, "connections are turned away: there are too many")         \
    X(TURNED_AWAY_DEAF, "turned_away_deaf", DEBUG, LIMITED, "a connection over the limit heard nothing")     \
    X(CLIENT_MUTE, "client_mute", INFO, PLAIN, "a connection is closed that has not said who it is")         \
    X(CLIENT_NOBODY, "client_nobody", INFO, LIMITED,                                                         \
      "a connection is closed: its client is nobody any more")                                               \
    X(CLIENT_NAME, "client_name", DEBUG, LIMITED, "a client says what program it is")                        \
    X(TOKEN_WRONG, "token_wrong", WARNING, PLAIN, "a client gave a token that is nobody's")                  \
    X(STRANGER_TURNED_AWAY, "stranger_turned_away", WARNING, PLAIN,                                          \
      "a connection is turned away: too many have not said who they are")                                    \
    X(STRANGERS_SILENCED, "strangers_silenced", WARNING, PLAIN,                                              \
      "lines about clients that are nobody were left out")                                                   \
    X(CLIENT_UNTRUSTED, "client_untrusted", INFO, PLAIN,                                                     \
      "a connection is closed: its certificate is not trusted any more")                                     \
    X(CLIENT_MEMORY, "client_memory", WARNING, LIMITED, "a connection is closed for lack of memory")         \
    X(HANDSHAKE_FAILED, "handshake_failed", WARNING, PLAIN, "a TLS handshake failed")                        \
    X(ADMIN, "admin", INFO, PLAIN, "an admin action")                                                        \
    /* handlers */                                                                                           \
    X(HANDLER_SAYS, "handler_says", INFO, JOB, "what a handler wrote on standard error")                     \
    X(HANDLER_SILENCED, "handler_silenced", INFO, JOB, "a handler wrote more than the log takes")            \
    X(HANDLER_BLOCKED, "handler_blocked", WARNING, BOTH,                                                     \
      "nothing can be started on this machine for now; the job waits")                                       \
    X(HANDLER_UNREADY, "handler_unready", WARNING, PLAIN,                                                    \
      "what a handler runs is not there or may not be used: its jobs fail until it is")                      \
    X(HANDLER_STARVED, "handler_starved", WARNING, LIMITED, "a worker cannot get a job")                     \
    X(JOB_TAKEN_AWAY, "job_taken_away", DEBUG, BOTH, "a job was taken away while it ran")                    \
    X(JOB_UNTOLD, "job_untold", WARNING, BOTH, "how a job went was not taken")                               \
    X(CHILD_TALKS, "child_talks", WARNING, LIMITED, "a child writes what is no answer, and is replaced")     \
    X(CHILD_ENDED, "child_ended", DEBUG, LIMITED, "a child ended between jobs")                              \
    X(CHILD_USELESS, "child_useless", WARNING, LIMITED,                                                      \
      "a child ended before it read a job; the next one has to wait")                                        \
    X(HOST_STARTED, "host_started", DEBUG, LIMITED, "a module's host is started")                            \
    X(HOST_REFUSED, "host_refused", WARNING, LIMITED, "a module's host cannot be started")                   \
    X(HOST_UNLOADED, "host_unloaded", WARNING, LIMITED, "a module's host could not load it")                 \
    X(HOST_ENDED, "host_ended", WARNING, LIMITED,                                                            \
      "a module's host ended; the jobs that it ran are counted as lost")

#endif
