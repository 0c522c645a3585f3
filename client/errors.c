#include "client/taskq.h"
#include "common/error.h"

// The library's own errors; the daemon's are in common/error.h, whose codes the public enum repeats.
static const struct {
    enum taskq_error error;
    const char *name;
    const char *text;
} own[] = {
    {TASKQ_OK, "ok", "ok"},
    {TASKQ_NO_DAEMON, "no_daemon", "no connection to the daemon could be made"},
    {TASKQ_LOST, "lost", "the connection was lost before the reply came: it may have been done or not"},
    {TASKQ_UNSENT, "unsent", "the connection was lost before this was sent: it was not done"},
    {TASKQ_NO_MEMORY, "no_memory", "there is no memory left"},
    {TASKQ_USAGE, "usage", "an argument is not what this takes"},
    {TASKQ_PROTOCOL, "protocol", "what answered does not speak this protocol"},
    {TASKQ_UNKNOWN, "unknown", "the daemon answered with an error that this library does not know"},
    {TASKQ_NOTHING, "nothing", "nothing is in flight"},
    {TASKQ_SYSTEM, "system", "the system refused something"},
    {TASKQ_TLS, "tls", "no TLS connection that can be trusted could be made: nothing was done"},
};

const char *taskq_error_name(enum taskq_error error)
{
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (own[i].error == error)
            return own[i].name;
    enum error e = error_of_code((int)error);
    return e == ERROR_NONE ? "unknown" : error_name(e);
}

const char *taskq_error_text(enum taskq_error error)
{
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (own[i].error == error)
            return own[i].text;
    enum error e = error_of_code((int)error);
    return e == ERROR_NONE ? "this library knows no such error" : error_text(e);
}

const char *taskq_version(void)
{
    return TASKQ_VERSION;
}
