// What a child writes, cut into lines however it comes and read as answers: never more than one answer out of
// a line, and what is read says what the line does.
#include "tests/fuzz/fuzz.h"

#include "common/json_reader.h"
#include "server/pool/answer.h"
#include "server/pool/line_reader.h"

#include <math.h>
#include <string.h>

#define ID       7
#define LINE_MAX 200

const struct slice *fuzz_seeds(size_t *count)
{
    static const struct slice seeds[] = {
        SLICE("{\"id\":7,\"result\":{\"a\":[1,2]}}\n"),
        SLICE("{\"id\":7,\"error\":\"no\",\"delay\":1.5,\"bury\":true}\n{\"id\":7,\"result\":null}\n"),
        SLICE("{\"id\":7,\"progress\":{\"done\":1,\"total\":3,\"message\":\"\\u00e9n \xc3\xa9\"}}\r\n\n"),
    };
    *count = sizeof seeds / sizeof *seeds;
    return seeds;
}

const struct slice *fuzz_tokens(size_t *count)
{
    static const struct slice tokens[] = {
        SLICE("\n"),          SLICE("{\"id\":7,"),    SLICE("\"id\":"),
        SLICE("\"result\":"), SLICE("\"error\":"),    SLICE("\"delay\":"),
        SLICE("\"bury\":"),   SLICE("\"progress\":"), SLICE("\"done\":"),
        SLICE("\"total\":"),  SLICE("\"message\":"),  SLICE("1e999"),
        SLICE("-1"),          SLICE("true"),          SLICE("\\ud800"),
        SLICE("\xff"),        SLICE("}}\n"),          SLICE("{\"\\u0069d\":7"),
    };
    *count = sizeof tokens / sizeof *tokens;
    return tokens;
}

static void check_progress(const struct progress_report *p)
{
    const struct progress_text *t = &p->text;
    FUZZ_CHECK(t->has_done || t->has_message);
    FUZZ_CHECK(isfinite(t->done) && isfinite(t->total) && t->done >= 0 && t->total >= 0);
    FUZZ_CHECK(t->message.len <= PROGRESS_MESSAGE_MAX);
    FUZZ_CHECK(t->has_message ? t->message.data == p->message : t->message.len == 0);
}

static void check_line(struct slice line)
{
    struct answer a;
    struct progress_report p;
    const char *why = NULL;
    if (!answer_parse(line, ID, &a, &p, &why)) {
        FUZZ_CHECK(why);
        return;
    }
    FUZZ_CHECK(json_text_valid(line.data, line.len) && !why);
    if (a.kind == ANSWER_PROGRESS) {
        check_progress(&p);
        return;
    }
    FUZZ_CHECK(json_text_valid(a.value.data, a.value.len));
    FUZZ_CHECK(a.value.data > line.data && a.value.data + a.value.len < line.data + line.len);
    FUZZ_CHECK(a.kind == ANSWER_ERROR ? a.delay >= -1 && a.delay <= ANSWER_DELAY_MAX
                                      : a.delay == -1 && !a.bury);
}

// The next line as it must be, from the whole text.
static enum line expected(struct slice *rest, struct slice *line)
{
    const char *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    if (len > LINE_MAX)
        return LINE_TOO_LONG;
    if (!end)
        return LINE_MORE;
    *line = (struct slice){rest->data, len};
    *rest = (struct slice){end + 1, rest->len - len - 1};
    return LINE_READ;
}

// The first byte says how large the pieces are.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = 1 + data[0];
    struct slice all = {(const char *)data + 1, size - 1}, rest = all, line, want;
    struct line_reader r = {0};
    enum line got = LINE_MORE;
    for (size_t at = 0; at < all.len && got == LINE_MORE; at += piece) {
        size_t n = all.len - at < piece ? all.len - at : piece;
        FUZZ_CHECK(line_reader_add(&r, all.data + at, n) == FILL_SOME);
        while ((got = line_reader_next(&r, LINE_MAX, &line)) == LINE_READ) {
            FUZZ_CHECK(expected(&rest, &want) == LINE_READ && slice_same(line, want));
            check_line(line);
        }
    }
    if (all.len > 0)
        FUZZ_CHECK(expected(&rest, &want) == got);
    FUZZ_CHECK(got == LINE_TOO_LONG || line_reader_empty(&r) == (rest.len == 0));
    line_reader_release(&r);
    return 0;
}
