// The reader held against jansson: what one accepts the other must, and both must see the same values. Where
// they differ by right, the input is not compared:
//   - jansson refuses numbers that fit neither 64 bits nor a double; the grammar has no range;
//   - jansson refuses a lone surrogate written as an escape, which the grammar has;
//   - jansson refuses "\u0000" in a member's name;
//   - jansson passes over a NUL right after a number or a word;
//   - jansson goes 2,048 levels deep, the reader 128.
// Then what was read is written, and read again.
#include "tests/fuzz/fuzz.h"

#include "common/json_reader.h"
#include "common/json_writer.h"
#include "tests/unit/json_cases.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>

#define TOO_DEEP "nested deeper than 128"

const struct slice *fuzz_seeds(size_t *count)
{
    static const char *const lines[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":{\"a\":[1,2."
        "50]}}}",
        "[{\"jsonrpc\":\"2.0\",\"method\":\"ack\",\"params\":{\"ids\":[1,2,3]}},{\"jsonrpc\":\"2.0\",\"id\":"
        "\"\\u00e9\"}]",
        "{\"\\u006dethod\":\"get\",\"n\":[-0,0.1,1e-7,9007199254740993,-9223372036854775808,1."
        "7976931348623157e308]}",
        "[[[[[[[[{\"a\":[[[[{\"b\":\"\\ud83d\\ude00 \xF0\x9F\x98\x80 \xD0\xB6\"}]]]]}]]]]]]]]",
        "\"a longer string of more than sixteen plain bytes, then \\\"escapes\\\" \\\\ \\/ "
        "\\b\\f\\n\\r\\t\\u001f\"",
    };
    enum { LINES = sizeof lines / sizeof *lines };
    static struct slice seeds[JSON_CASES + LINES];
    for (size_t i = 0; i < JSON_CASES; i++)
        seeds[i] = (struct slice){json_cases[i].text, json_cases[i].len};
    for (size_t i = 0; i < LINES; i++)
        seeds[JSON_CASES + i] = slice_of(lines[i]);
    *count = JSON_CASES + LINES;
    return seeds;
}

const struct slice *fuzz_tokens(size_t *count)
{
    static const struct slice tokens[] = {
        SLICE("{"),
        SLICE("}"),
        SLICE("["),
        SLICE("]"),
        SLICE(","),
        SLICE(":"),
        SLICE("\""),
        SLICE("\\"),
        SLICE("\\u"),
        SLICE("\\u0000"),
        SLICE("\\ud800"),
        SLICE("\\udc00"),
        SLICE("\\u0041"),
        SLICE("\\n"),
        SLICE("{\"a\":"),
        SLICE("{}"),
        SLICE("[]"),
        SLICE("\"\""),
        SLICE("null"),
        SLICE("true"),
        SLICE("false"),
        SLICE("0"),
        SLICE("-1"),
        SLICE("1.5"),
        SLICE("1e5"),
        SLICE("E+"),
        SLICE("."),
        SLICE(" "),
        SLICE("\n"),
        SLICE("\xC3\xA9"),
        SLICE("\xED"),
        SLICE("\xE2\x82"),
        SLICE("\xEF\xBB\xBF"),
        SLICE("\xF0\x9F\x98\x80"),
        SLICE("9223372036854775807"),
    };
    *count = sizeof tokens / sizeof *tokens;
    return tokens;
}

// Whether jansson's refusal is one of those that the grammar does not ask for.
static bool is_jansson_alone(const json_error_t *e)
{
    enum json_error_code code = json_error_code(e);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           strstr(e->text, "invalid Unicode '\\u") != NULL;
}

// Whether the reader's refusal is one that jansson lacks.
static bool is_reader_alone(const struct json_reader *r)
{
    bool at_nul = r->at > r->start && r->at < r->end && *r->at == 0 && isalnum((unsigned char)r->at[-1]);
    return at_nul || strcmp(r->error, TOO_DEEP) == 0;
}

static char *unescape(const struct json_value *v, struct slice *out)
{
    char *buf = malloc(v->raw.len);
    const char *why;
    FUZZ_CHECK(buf);
    FUZZ_CHECK(json_value_string(v, buf, v->raw.len, out, &why));
    return buf;
}

static void check_string(const struct json_value *v, const json_t *theirs)
{
    struct slice ours, back;
    char *buf = unescape(v, &ours);
    FUZZ_CHECK(json_is_string(theirs));
    FUZZ_CHECK(slice_same(ours, (struct slice){json_string_value(theirs), json_string_length(theirs)}));
    FUZZ_CHECK(json_string_is(v, json_string_value(theirs)) == !memchr(ours.data, 0, ours.len));

    struct buffer a = BUFFER_INIT, b = BUFFER_INIT;
    json_write_string(&a, ours);
    json_write_bytes(&b, ours);
    FUZZ_CHECK(slice_same((struct slice){a.data, a.len}, (struct slice){b.data, b.len}));
    struct json_reader r;
    struct json_value again;
    json_reader_init(&r, a.data, a.len);
    FUZZ_CHECK(json_reader_value(&r, &again) && json_reader_end(&r));
    char *buf_again = unescape(&again, &back);
    FUZZ_CHECK(slice_same(ours, back));
    free(buf_again);
    free(buf);
    buffer_release(&a);
    buffer_release(&b);
}

static void check_number(const struct json_value *v, const json_t *theirs)
{
    double n, back;
    FUZZ_CHECK(json_value_double(v, &n));
    if (v->integer) {
        int64_t i;
        FUZZ_CHECK(json_value_int64(v, &i));
        FUZZ_CHECK(json_is_integer(theirs) && json_integer_value(theirs) == i);
        FUZZ_CHECK(n == (double)i);
    } else {
        FUZZ_CHECK(json_is_real(theirs) && json_real_value(theirs) == n);
    }
    struct buffer b = BUFFER_INIT;
    struct json_reader r;
    struct json_value again;
    json_write_double(&b, n);
    json_reader_init(&r, b.data, b.len);
    FUZZ_CHECK(json_reader_value(&r, &again) && json_reader_end(&r));
    FUZZ_CHECK(json_value_double(&again, &back) && back == n && !signbit(back) == !signbit(n));
    buffer_release(&b);
}

static void check_value(const struct json_value *v, const json_t *theirs);

static void check_object(struct json_reader *r, const json_t *theirs)
{
    struct json_value key, value;
    size_t count = 0;
    FUZZ_CHECK(json_is_object(theirs) && json_reader_object_begin(r));
    struct json_reader counting = *r;
    while (json_reader_member(&counting, &key, &value))
        count++;
    FUZZ_CHECK(json_reader_end(&counting));
    FUZZ_CHECK(count >= json_object_size(theirs));
    while (json_reader_member(r, &key, &value)) {
        struct slice name;
        char *buf = unescape(&key, &name), *text = strndup(name.data, name.len);
        FUZZ_CHECK(text);
        const json_t *inner = json_object_get(theirs, text);
        FUZZ_CHECK(inner);
        if (count == json_object_size(theirs)) // otherwise jansson keeps one of several
            check_value(&value, inner);
        free(text);
        free(buf);
    }
}

static void check_array(struct json_reader *r, const json_t *theirs)
{
    struct json_value value;
    size_t count = 0;
    FUZZ_CHECK(json_is_array(theirs) && json_reader_array_begin(r));
    while (json_reader_element(r, &value))
        check_value(&value, json_array_get(theirs, count++));
    FUZZ_CHECK(count == json_array_size(theirs));
}

static void check_value(const struct json_value *v, const json_t *theirs)
{
    struct json_reader r;
    json_reader_init(&r, v->raw.data, v->raw.len);
    switch (v->type) {
    case JSONR_NULL:
        FUZZ_CHECK(json_is_null(theirs) && slice_equal(v->raw, "null"));
        return;
    case JSONR_FALSE:
        FUZZ_CHECK(json_is_false(theirs) && slice_equal(v->raw, "false"));
        return;
    case JSONR_TRUE:
        FUZZ_CHECK(json_is_true(theirs) && slice_equal(v->raw, "true"));
        return;
    case JSONR_NUMBER:
        check_number(v, theirs);
        return;
    case JSONR_STRING:
        check_string(v, theirs);
        return;
    case JSONR_ARRAY:
        check_array(&r, theirs);
        break;
    case JSONR_OBJECT:
        check_object(&r, theirs);
        break;
    }
    FUZZ_CHECK(json_reader_end(&r));
}

// Whatever the bytes are, they can be written as a string.
static void check_bytes(struct slice bytes)
{
    struct buffer b = BUFFER_INIT;
    json_write_bytes(&b, bytes);
    FUZZ_CHECK(!b.failed && json_text_valid(b.data, b.len));
    buffer_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct json_reader r;
    struct json_value value;
    json_error_t e;

    check_bytes(text);
    json_reader_init(&r, text.data, text.len);
    bool good = json_reader_value(&r, &value) && json_reader_end(&r);
    FUZZ_CHECK(good == json_text_valid(text.data, text.len));
    FUZZ_CHECK(good == !r.error && json_reader_offset(&r) <= size);

    json_t *theirs = json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (good && theirs) {
        check_value(&value, theirs);
    } else if (good && !is_jansson_alone(&e)) {
        fprintf(stderr, "the reader accepts, jansson says at %d: %s\n", e.position, e.text);
        abort();
    } else if (!good && theirs && !is_reader_alone(&r)) {
        fprintf(stderr, "jansson accepts, the reader says at %zu: %s\n", json_reader_offset(&r), r.error);
        abort();
    }
    json_decref(theirs);
    return 0;
}
