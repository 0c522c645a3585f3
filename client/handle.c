#include "client/handle.h"

#include "client/call.h"
#include "client/link.h"
#include "client/receive.h"
#include "client/renew.h"
#include "client/text.h"
#include "client/token.h"
#include "common/clock.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECT_TIMEOUT 5.0
#define REPLY_TIMEOUT   60.0
#define MAX_REPLY       ((size_t)256 << 20)
#define PATIENCE        30.0

enum taskq_error handle_fail(struct taskq *q, enum taskq_error error, const char *format, ...)
{
    char *message = NULL;
    va_list args;
    va_start(args, format); // formatted first: the old message may be among the arguments
    if (error == TASKQ_NO_MEMORY || vasprintf(&message, format, args) < 0)
        message = NULL;
    va_end(args);
    free(q->error_message);
    q->error_message = message;
    q->error_text = taskq_error_text(error);
    q->error_code = (int)error;
    taskq_text_release(&q->error_data);
    return error;
}

enum taskq_error handle_fail_reply(struct taskq *q, const struct taskq_reply *reply)
{
    if (reply->error == TASKQ_OK)
        return TASKQ_OK;
    enum taskq_error e = handle_fail(q, reply->error, "%s", reply->message);
    q->error_code = reply->code;
    if (reply->data != NULL)
        (void)text_copy(&q->error_data,
                        (struct slice){reply->data, reply->data_len}); // without memory: no data
    return e;
}

static bool bad_time(double t)
{
    return isnan(t) || t > 1e9;
}

static enum taskq_error find_token(struct taskq *q, const char *file)
{
    char why[TOKEN_WHY];
    enum taskq_error e = token_find(file, &q->token, why);
    return e == TASKQ_OK ? TASKQ_OK : handle_fail(q, e, "%s", why);
}

static enum taskq_error set_up_tls(struct taskq *q, const struct taskq_options *o)
{
    char why[TLS_WHY];
    if (!q->address.tls)
        return tls_options_given(o)
                   ? handle_fail(q, TASKQ_USAGE,
                                 "%s is reached without TLS, but what was said about certificates needs it: "
                                 "the address begins with taskqs:// then",
                                 q->address_text)
                   : TASKQ_OK;
    enum taskq_error e = tls_context_new(&q->tls, o, q->address.host, why);
    return e == TASKQ_OK ? TASKQ_OK : handle_fail(q, e, "%s", why);
}

static enum taskq_error set_up(struct taskq *q, const char *address, const struct taskq_options *o)
{
    static const struct taskq_options defaults;
    if (o == NULL)
        o = &defaults;
    if (bad_time(o->connect_timeout) || bad_time(o->reply_timeout) || bad_time(o->patience))
        return handle_fail(q, TASKQ_USAGE, "a timeout is at most 1e9 seconds");
    double connect = o->connect_timeout == 0 ? CONNECT_TIMEOUT : o->connect_timeout;
    double reply = o->reply_timeout == 0 ? REPLY_TIMEOUT : o->reply_timeout;
    q->connect_ns = connect < 0 ? -1 : (int64_t)(connect * 1e9);
    q->reply_ns = reply < 0 ? -1 : (int64_t)(reply * 1e9);
    q->max_reply = o->max_reply == 0 ? MAX_REPLY : o->max_reply;
    q->futures.patience = o->patience == 0 ? PATIENCE : o->patience;

    if (address == NULL)
        address = getenv("TASKQ_ADDR");
    if (address == NULL || address[0] == '\0')
        address = TASKQ_DEFAULT_ADDRESS;
    q->address_text = strdup(address);
    q->client = o->client == NULL ? NULL : strdup(o->client);
    if (q->address_text == NULL || (o->client != NULL && q->client == NULL))
        return handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    const char *why;
    if (!address_parse(&q->address, address, &why))
        return handle_fail(q, TASKQ_USAGE, "\"%s\" is no address: %s", address, why);
    enum taskq_error e = set_up_tls(q, o);
    return e == TASKQ_OK ? find_token(q, o->token_file) : e;
}

static enum taskq_error open_descriptors(struct taskq *q)
{
    q->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    q->renew_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->wake < 0 || q->renew_wake < 0)
        return handle_fail(q, TASKQ_SYSTEM, "no eventfd: %s", strerror(errno));
    return TASKQ_OK;
}

enum taskq_error taskq_open(struct taskq **out, const char *address, const struct taskq_options *options)
{
    *out = NULL;
    struct taskq *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return TASKQ_NO_MEMORY;
    q->channel = (struct channel)CHANNEL_NONE;
    q->wake = q->renew_wake = -1;
    q->next_request = 1;
    q->settled = true;
    q->arrivals_end = &q->arrivals;
    futures_init(&q->futures);
    q->error_text = taskq_error_text(TASKQ_OK);
    q->renew_at = INT64_MAX;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); // as clock_ns()
    pthread_cond_init(&q->renew_cond, &attr);
    pthread_condattr_destroy(&attr);
    *out = q;

    enum taskq_error e = set_up(q, address, options);
    if (e == TASKQ_OK)
        e = open_descriptors(q);
    if (e == TASKQ_OK)
        e = link_ensure(q, false);
    if (e != TASKQ_OK && e != TASKQ_NO_DAEMON && e != TASKQ_TLS)
        q->unusable = true;
    return e;
}

// What was sent is not taken back; but what was not sent yet is offered once, so that acknowledgements that
// were sent just before do not stay behind.
static void say_the_rest(struct taskq *q)
{
    int64_t deadline = clock_ns() + 1000000000;
    while (link_flush(q) && q->out_at < q->out.len && clock_ns() < deadline)
        if (link_step(q, deadline, false) == LINK_LOST)
            return;
}

void taskq_close(struct taskq *q)
{
    if (q == NULL)
        return;
    renew_stop(q);
    say_the_rest(q);
    channel_close(&q->channel);
    if (q->wake >= 0)
        close(q->wake);
    if (q->renew_wake >= 0)
        close(q->renew_wake);
    futures_close(q);
    receive_release(q);
    flight_release(&q->flight);
    lease_table_release(&q->leases);
    buffer_release(&q->in);
    buffer_release(&q->out);
    buffer_release(&q->request);
    buffer_release(&q->message);
    buffer_release(&q->farewell);
    taskq_text_release(&q->error_data);
    free(q->error_message);
    free(q->address_text);
    free(q->client);
    token_drop(q->token);
    tls_context_free(q->tls);
    pthread_cond_destroy(&q->renew_cond);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

const char *taskq_address(const struct taskq *q)
{
    return q->address_text;
}

const char *taskq_error_message(const struct taskq *q)
{
    if (q == NULL)
        return taskq_error_text(TASKQ_NO_MEMORY);
    return q->error_message != NULL ? q->error_message : q->error_text;
}

int taskq_error_code(const struct taskq *q)
{
    return q == NULL ? TASKQ_NO_MEMORY : q->error_code;
}

const char *taskq_error_data(const struct taskq *q, size_t *len)
{
    if (len != NULL)
        *len = q == NULL ? 0 : q->error_data.len;
    return q == NULL ? NULL : q->error_data.data;
}

void taskq_interrupt(struct taskq *q)
{
    int saved = errno;
    uint64_t one = 1;
    (void)!write(q->wake, &one, sizeof(one)); // full: it is signalled already
    errno = saved;
}

int taskq_fd(const struct taskq *q)
{
    return q->channel.fd;
}
