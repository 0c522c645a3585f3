#include "server/pool/exec_text.h"

#include "common/json_reader.h"
#include "common/json_writer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

void exec_tail_add(struct exec_tail *t, const char *data, size_t len)
{
    if (len > EXEC_TAIL_MAX) {
        data += len - EXEC_TAIL_MAX;
        len = EXEC_TAIL_MAX;
        t->len = 0;
        t->cut = true;
    }
    if (len > sizeof t->bytes - t->len) {
        memmove(t->bytes, t->bytes + t->len - EXEC_TAIL_MAX, EXEC_TAIL_MAX);
        t->len = EXEC_TAIL_MAX;
        t->cut = true;
    }
    memcpy(t->bytes + t->len, data, len);
    t->len += len;
}

struct slice exec_tail_slice(const struct exec_tail *t)
{
    struct slice s = {t->bytes, t->len};
    bool cut = t->cut;
    if (s.len > EXEC_TAIL_MAX) {
        s.data += s.len - EXEC_TAIL_MAX;
        s.len = EXEC_TAIL_MAX;
        cut = true;
    }
    // At most three bytes of a character that was cut in two.
    for (int i = 0; cut && i < 3 && s.len > 0 && ((unsigned char)*s.data & 0xc0) == 0x80; i++) {
        s.data++;
        s.len--;
    }
    return s;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_space(*s.data)) {
        s.data++;
        s.len--;
    }
    return s;
}

void exec_result_write(struct buffer *b, struct slice printed)
{
    struct slice value = trimmed(printed);
    if (value.len > 0 && json_text_valid(value.data, value.len)) {
        size_t from = b->len;
        json_write_slice(b, value);
        // Inside a string they cannot stand.
        for (size_t i = from; !b->failed && i < b->len; i++)
            if (b->data[i] == '\n' || b->data[i] == '\r')
                b->data[i] = ' ';
        return;
    }
    if (printed.len > 0 && printed.data[printed.len - 1] == '\n')
        printed.len--;
    json_write_bytes(b, printed);
}

// The names that POSIX and Linux have; the others are rare, and get a number.
static const struct {
    int number;
    const char *name;
} signals[] = {
#define SIGNAL(name)                                                                                         \
    {                                                                                                        \
        name, #name                                                                                          \
    }
    SIGNAL(SIGHUP),  SIGNAL(SIGINT),  SIGNAL(SIGQUIT), SIGNAL(SIGILL),  SIGNAL(SIGTRAP), SIGNAL(SIGABRT),
    SIGNAL(SIGBUS),  SIGNAL(SIGFPE),  SIGNAL(SIGKILL), SIGNAL(SIGUSR1), SIGNAL(SIGSEGV), SIGNAL(SIGUSR2),
    SIGNAL(SIGPIPE), SIGNAL(SIGALRM), SIGNAL(SIGTERM), SIGNAL(SIGXCPU), SIGNAL(SIGXFSZ), SIGNAL(SIGVTALRM),
    SIGNAL(SIGPROF), SIGNAL(SIGIO),   SIGNAL(SIGSYS),
#undef SIGNAL
};

static void write_signal(struct buffer *b, int number)
{
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (signals[i].number == number) {
            json_write_string(b, slice_of(signals[i].name));
            return;
        }
    char text[32];
    snprintf(text, sizeof text, "signal %d", number);
    json_write_string(b, slice_of(text));
}

void exec_error_write(struct buffer *b, enum exec_end end, int64_t value, struct slice tail)
{
    json_write_raw(b, "{");
    switch (end) {
    case EXEC_EXIT:
        json_write_key(b, "exit");
        json_write_int(b, value);
        break;
    case EXEC_SIGNAL:
        json_write_key(b, "signal");
        write_signal(b, (int)value);
        break;
    case EXEC_TIMEOUT:
        json_write_key(b, "timeout");
        json_write_seconds(b, value);
        break;
    case EXEC_OUTPUT:
        json_write_key(b, "output");
        json_write_int(b, value);
        break;
    }
    json_write_key(b, "stderr");
    json_write_bytes(b, tail);
    json_write_raw(b, "}");
}

void exec_answer_write(struct buffer *b, const char *why, struct slice tail)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence, "the child's answer %s", why);
    json_write_raw(b, "{");
    json_write_key(b, "answer");
    json_write_string(b, slice_of(sentence));
    json_write_key(b, "stderr");
    json_write_bytes(b, tail);
    json_write_raw(b, "}");
}

void exec_refusal_write(struct buffer *b, const char *name, const char *text, const char *detail)
{
    char sentence[256];
    int len = snprintf(sentence, sizeof sentence, "%s%s%s", text, detail ? ": " : "", detail ? detail : "");
    size_t n = len < (int)sizeof sentence ? (size_t)len : sizeof sentence - 1;
    json_write_raw(b, "{");
    json_write_key(b, name);
    json_write_bytes(b, (struct slice){sentence, n}); // the system's texts may be in any character set
    json_write_raw(b, "}");
}

bool exec_input(struct buffer *b, struct slice body, bool unquote, struct slice *input, const char **why)
{
    *input = body;
    struct json_reader r;
    struct json_value v;
    json_reader_init(&r, body.data, body.len);
    if (!unquote || json_reader_peek(&r) != '"' || !json_reader_value(&r, &v))
        return true;
    if (v.escaped && !buffer_reserve(b, v.raw.len))
        return true;
    return json_value_string(&v, b->data, v.escaped ? b->cap : v.raw.len, input, why);
}
