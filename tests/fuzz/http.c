// HTTP requests: whatever comes, in whatever pieces, is understood as the same, or refused the same; no more
// is gathered than may be; and making a body one line changes nothing of what it says.
#include "tests/fuzz/fuzz.h"

#include "common/buffer.h"
#include "common/json_reader.h"
#include "server/admin/body.h"
#include "server/admin/guard.h"
#include "server/admin/head.h"

#include <string.h>

#define BODY_MAX 300

static const struct slice seeds[] = {
    SLICE("POST /rpc HTTP/1.1\r\nHost: localhost:7481\r\nContent-Type: application/json\r\nContent-Length: "
          "40\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"),
    SLICE("POST /rpc HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: "
          "chunked\r\n\r\n5;a=b\r\n{\"a\n\"\r\n2\r\n:1\r\n1\r\n}\r\n0\r\nA: "
          "b\r\n\r\n"),
    SLICE("GET http://127.0.0.1/a?b HTTP/1.0\r\nConnection: keep-alive, close\r\nOrigin: http://127.0.0.1\r\n"
          "Authorization: Bearer taskq_0\r\nIf-None-Match: \"x\"\r\nExpect: 100-continue\r\n\r\n"),
};

const struct slice *fuzz_seeds(size_t *count)
{
    *count = sizeof seeds / sizeof *seeds;
    return seeds;
}

const struct slice *fuzz_tokens(size_t *count)
{
    static const struct slice tokens[] = {
        SLICE("\r\n"),       SLICE("\r"),          SLICE("\n"),
        SLICE("\r\n\r\n"),   SLICE("Host: x\r\n"), SLICE("Content-Length: 3\r\n"),
        SLICE(" HTTP/1.1"),  SLICE("0\r\n"),       SLICE("Transfer-Encoding: chunked\r\n"),
        SLICE("\"\\\"\n\""), SLICE("1\r\n1\r\n"),  SLICE("fffffffffffffff"),
        SLICE("[1,\n2]"),    SLICE("https://"),    SLICE("Connection: close\r\n"),
    };
    *count = sizeof tokens / sizeof *tokens;
    return tokens;
}

// The head that begins at `text`, in pieces of `step` bytes. Its length; 0: there is none.
static size_t find(const char *text, size_t len, size_t step)
{
    size_t scanned = 0, end = 0;
    while (end < len) {
        end = len - end < step ? len : end + step;
        enum head_found found = head_find(text, end, &scanned);
        FUZZ_CHECK(scanned <= end);
        if (found == HEAD_WHOLE)
            return scanned;
        if (found == HEAD_BROKEN)
            return 0;
        FUZZ_CHECK(scanned == end);
    }
    return 0;
}

static void check_inside(struct slice s, const char *text, size_t len)
{
    FUZZ_CHECK(s.len == 0 || (s.data >= text && s.data + s.len <= text + len) || slice_equal(s, "/"));
}

static void check_head(const char *text, size_t len, const struct head *h)
{
    static char *names[] = {"x"};
    FUZZ_CHECK(h->method.len > 0 && h->path.len > 0);
    FUZZ_CHECK(!(h->chunked && h->has_length) && !(h->chunked && h->old));
    FUZZ_CHECK(!memchr(h->path.data, '?', h->path.len) && !memchr(h->path.data, ' ', h->path.len));
    const struct slice all[] = {h->method, h->path,          h->host,  h->origin, h->site,
                                h->type,   h->authorization, h->known, h->expect, h->coding};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        check_inside(all[i], text, len);
        FUZZ_CHECK(all[i].len == 0 ||
                   (!memchr(all[i].data, '\n', all[i].len) && !memchr(all[i].data, '\r', all[i].len)));
    }
    check_inside(head_token(h), text, len);
    (void)guard_host(h->host, names, 1);
    (void)guard_origin(h->origin, h->site, h->host);
}

// Whether it is JSON.
static bool is_json(const char *text, size_t len)
{
    struct json_reader r;
    struct json_value v;
    json_reader_init(&r, text, len);
    return json_reader_value(&r, &v) && json_reader_end(&r);
}

static void check_line(struct buffer *b)
{
    bool was = is_json(b->data, b->len);
    body_to_line(b->data, b->len);
    FUZZ_CHECK(b->len == 0 || !memchr(b->data, '\n', b->len));
    FUZZ_CHECK(is_json(b->data, b->len) == was);
}

// A body in pieces of `step` bytes: the status, what it used and its content.
static unsigned take(const struct head *h, const char *text, size_t len, size_t step, struct buffer *out,
                     size_t *used, bool *done)
{
    struct body b;
    *used = 0;
    body_begin(&b, h->chunked, h->length);
    while (!b.done && *used < len) {
        size_t n = len - *used < step ? len - *used : step, taken;
        unsigned status = body_take(&b, text + *used, n, BODY_MAX, out, &taken);
        FUZZ_CHECK(taken <= n && out->len <= BODY_MAX);
        *used += taken;
        if (status)
            return status;
        FUZZ_CHECK(b.done || taken == n);
    }
    *done = b.done;
    return 0;
}

static void check_body(const struct head *h, const char *text, size_t len, size_t step)
{
    struct buffer one = BUFFER_INIT, two = BUFFER_INIT;
    size_t used, other;
    bool done = false, done_too = false;
    unsigned status = take(h, text, len, len ? len : 1, &one, &used, &done);
    FUZZ_CHECK(take(h, text, len, step, &two, &other, &done_too) == status);
    if (status == 0) {
        FUZZ_CHECK(done == done_too && used == other && one.len == two.len);
        FUZZ_CHECK(one.len == 0 || memcmp(one.data, two.data, one.len) == 0);
        if (done && one.len > 0)
            check_line(&one);
    }
    buffer_release(&one);
    buffer_release(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t step = size > 0 ? 1 + data[size - 1] % 7 : 1;
    size_t len = find(text, size, size ? size : 1);
    FUZZ_CHECK(find(text, size, step) == len);
    struct head h;
    const char *why = NULL;
    if (len > 2 && text[0] != '\r') {
        unsigned status = head_parse(text, len, &h, &why);
        FUZZ_CHECK(status == 0 || (why && status >= 400));
        if (status == 0) {
            check_head(text, len, &h);
            check_body(&h, text + len, size - len, step);
        }
    }
    struct head chunks = {.chunked = true};
    check_body(&chunks, text, size, step);
    return 0;
}
