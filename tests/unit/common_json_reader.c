#include "common/json_reader.h"

#include "tests/unit/json_cases.h"

#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENDS_TOO_EARLY "the text ends too early"

// The text's copy ends where an unreadable page begins, so that reading one byte too many ends the test.
struct fence {
    char *start;
    size_t room;
};

static struct fence fence;

static void fence_up(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    ck_assert_int_eq(mprotect(p + page, page, PROT_NONE), 0);
    fence = (struct fence){.start = p, .room = page};
}

static void fence_down(void)
{
    ck_assert_int_eq(munmap(fence.start, 2 * fence.room), 0);
}

static const char *fenced(const char *text, size_t len)
{
    ck_assert_uint_le(len, fence.room);
    return memcpy(fence.start + fence.room - len, text, len);
}

struct outcome {
    bool good;
    size_t at; // where the error is, or where the value ends
    const char *error;
    struct json_value value;
};

static struct outcome read_all(const char *text, size_t len)
{
    struct outcome o = {0};
    struct json_reader r;
    json_reader_init(&r, text, len);
    if (json_reader_value(&r, &o.value)) {
        o.at = json_reader_offset(&r);
        o.good = json_reader_end(&r);
    }
    if (!o.good) {
        o.error = r.error;
        o.at = json_reader_offset(&r);
        ck_assert_ptr_nonnull(o.error);
        ck_assert_uint_le(o.at, len);
    }
    ck_assert_int_eq(json_text_valid(text, len), o.good);
    return o;
}

// Reads the same text level by level instead of whole.
static bool walk(const char *text, size_t len, const char **error, size_t *at)
{
    struct json_reader r;
    struct json_value key, value;
    json_reader_init(&r, text, len);
    char first = json_reader_peek(&r);
    if (first == '{') {
        ck_assert(json_reader_object_begin(&r));
        while (json_reader_member(&r, &key, &value)) {
            ck_assert_int_eq(key.type, JSONR_STRING);
            ck_assert_int_eq(key.raw.data[0], '"');
            ck_assert_int_eq(key.raw.data[key.raw.len - 1], '"');
            ck_assert(walk(value.raw.data, value.raw.len, error, at));
        }
    } else if (first == '[') {
        ck_assert(json_reader_array_begin(&r));
        while (json_reader_element(&r, &value))
            ck_assert(walk(value.raw.data, value.raw.len, error, at));
    } else {
        json_reader_value(&r, &value);
    }
    bool good = json_reader_end(&r);
    *error = r.error;
    *at = json_reader_offset(&r);
    return good;
}

static void check_prefix_of_good(const struct json_case *c, size_t n, size_t value_start, size_t value_end)
{
    struct outcome o = read_all(fenced(c->text, n), n);
    bool number = c->type == JSONR_NUMBER && n > value_start;
    bool complete = n >= value_end || (number && c->text[n - 1] >= '0' && c->text[n - 1] <= '9');

    ck_assert_msg(o.good == complete, "%s cut to %zu bytes", c->text, n);
    if (complete)
        return;
    bool cut_in_character = ((unsigned char)c->text[n] & 0xC0) == 0x80;
    if (!cut_in_character) {
        ck_assert_str_eq(o.error, ENDS_TOO_EARLY);
        ck_assert_uint_eq(o.at, n);
    }
}

static void check_prefix_of_bad(const struct json_case *c, size_t n)
{
    size_t bad_at = (size_t)c->bad_at;
    struct outcome o = read_all(fenced(c->text, n), n);

    if (n > bad_at) { // what no longer fits is there
        ck_assert_msg(!o.good, "%s cut to %zu bytes", c->text, n);
        ck_assert_uint_eq(o.at, bad_at);
        ck_assert_str_ne(o.error, ENDS_TOO_EARLY);
    } else if (!o.good && ((unsigned char)c->text[n] & 0xC0) != 0x80) {
        ck_assert_uint_eq(o.at, n);
        ck_assert_str_eq(o.error, ENDS_TOO_EARLY);
    }
}

START_TEST(every_case_of_the_grammar)
{
    const struct json_case *c = &json_cases[_i];
    struct outcome o = read_all(fenced(c->text, c->len), c->len);

    ck_assert_msg(o.good == (c->bad_at < 0), "%s: %s", c->text, o.good ? "accepted" : o.error);
    if (o.good) {
        ck_assert_int_eq(o.value.type, c->type);
        size_t start = strspn(c->text, " \t\r\n");
        ck_assert_ptr_eq(o.value.raw.data, fence.start + fence.room - c->len + start);
        ck_assert_uint_eq(o.value.raw.len, o.at - start);
        ck_assert_uint_eq(o.value.escaped, c->type == JSONR_STRING && strchr(c->text, '\\'));
        ck_assert_uint_eq(o.value.integer, c->type == JSONR_NUMBER && !strpbrk(c->text, ".eE"));
        for (size_t n = 0; n < c->len; n++)
            check_prefix_of_good(c, n, start, o.at);
    } else {
        ck_assert_msg(o.at == (size_t)c->bad_at, "%s: %s at %zu, not %ld", c->text, o.error, o.at, c->bad_at);
        for (size_t n = 0; n < c->len; n++)
            check_prefix_of_bad(c, n);
    }
}
END_TEST

START_TEST(level_by_level_is_as_whole)
{
    const struct json_case *c = &json_cases[_i];
    for (size_t n = 0; n <= c->len; n++) {
        const char *text = fenced(c->text, n), *error;
        size_t at;
        struct outcome o = read_all(text, n);
        ck_assert_int_eq(walk(text, n, &error, &at), o.good);
        if (!o.good) {
            ck_assert_str_eq(error, o.error);
            ck_assert_uint_eq(at, o.at);
        }
    }
}
END_TEST

// In a block of exactly its size, so that a sanitizer sees what reads before or after it.
START_TEST(no_byte_outside_the_text_is_read)
{
    const struct json_case *c = &json_cases[_i];
    for (size_t n = 1; n <= c->len; n++) {
        char *copy = malloc(n);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, c->text, n);
        read_all(copy, n);
        free(copy);
    }
    ck_assert(!json_text_valid(NULL, 0));
}
END_TEST

START_TEST(errors_say_what_is_wrong)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", ENDS_TOO_EARLY},
        {"x", "a value was expected"},
        {"[1,]", "a value was expected"},
        {"{1:1}", "a member's name in quotes was expected"},
        {"{\"a\" 1}", "a colon was expected"},
        {"{\"a\":1 \"b\":2}", "a comma or } was expected"},
        {"[1 2]", "a comma or ] was expected"},
        {"01", "a number does not begin with 0"},
        {"[-00]", "a number does not begin with 0"},
        {"1.e5", "a digit was expected"},
        {"\"\\x\"", "there is no such escape in JSON"},
        {"\"\\u12g4\"", "\\u takes four hexadecimal digits"},
        {"\"\n\"", "a control character in a string must be escaped"},
        {"\"\xFF\"", "this is not UTF-8"},
        {"1 2", "something follows where the text should end"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_str_eq(read_all(rows[i].text, strlen(rows[i].text)).error, rows[i].error);
}
END_TEST

START_TEST(every_byte_in_a_string)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[] = {'"', (char)byte, '"'};
        bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
        ck_assert_msg(read_all(fenced(text, 3), 3).good == plain, "byte %d", byte);
    }
}
END_TEST

START_TEST(every_byte_after_a_backslash)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[] = {'"', '\\', (char)byte, '"'};
        bool escape = byte != 0 && strchr("\"\\/bfnrt", byte);
        ck_assert_msg(read_all(fenced(text, 4), 4).good == escape, "byte %d", byte);
        for (int i = 0; i < 4; i++) {
            char hex[] = "\"\\u0aF9\"";
            hex[3 + i] = (char)byte;
            bool digit = byte != 0 && strchr("0123456789abcdefABCDEF", byte);
            ck_assert_msg(read_all(fenced(hex, 8), 8).good == digit, "byte %d", byte);
        }
    }
}
END_TEST

START_TEST(every_byte_alone_and_between_tokens)
{
    static const char *const tokens[] = {"{", "\"a\"", ":", "[", "1", ",", "2", "]", "}", ""};
    for (int byte = 0; byte < 256; byte++) {
        char one = (char)byte;
        bool digit = byte >= '0' && byte <= '9', space = byte != 0 && strchr(" \t\n\r", byte);
        ck_assert_int_eq(read_all(fenced(&one, 1), 1).good, digit);
        for (size_t gap = 0; gap < 10; gap++) {
            char text[48];
            size_t len = 0;
            for (size_t i = 0; i < 10; i++) {
                if (i == gap)
                    text[len++] = one;
                memcpy(text + len, tokens[i], strlen(tokens[i]));
                len += strlen(tokens[i]);
            }
            bool before_number = gap == 4 || gap == 6, after_number = gap == 5 || gap == 7;
            bool good = space || (before_number && (byte == '-' || (digit && byte != '0'))) ||
                        (after_number && digit);
            ck_assert_msg(read_all(fenced(text, len), len).good == good, "byte %d in gap %zu", byte, gap);
            // Far from the end names are looked for in another way.
            memset(text + len, ' ', 32);
            len += 32;
            ck_assert_msg(read_all(fenced(text, len), len).good == good, "byte %d in gap %zu", byte, gap);
        }
    }
}
END_TEST

// Strings are skipped 16, 8 and 1 bytes at a time: whatever the length and the place, the odd byte is found.
START_TEST(an_odd_byte_at_every_place)
{
    static const char odd[] = {'"', '\\', 0x1F, 0x00, '\n', (char)0x80, (char)0xFF};
    for (size_t len = 1; len <= 70; len++) {
        char text[80];
        text[0] = '"';
        memset(text + 1, 'x', len);
        text[len + 1] = '"';
        ck_assert(read_all(fenced(text, len + 2), len + 2).good);
        ck_assert_uint_eq(read_all(fenced(text, len + 1), len + 1).at, len + 1);
        for (size_t at = 1; at <= len; at++) {
            for (size_t i = 0; i < sizeof odd; i++) {
                text[at] = odd[i];
                struct outcome o = read_all(fenced(text, len + 2), len + 2);
                ck_assert(!o.good);
                size_t escaped_quote = odd[i] == '\\' && at == len; // it was the last one
                ck_assert_uint_eq(o.at, at + (odd[i] == '"' || odd[i] == '\\') + escaped_quote);
            }
            text[at] = 'x';
        }
    }
}
END_TEST

// So are digits, 8 and 1 at a time.
START_TEST(an_odd_byte_among_digits)
{
    for (size_t len = 1; len <= 33; len++) {
        char text[40];
        memset(text, '7', sizeof text);
        ck_assert(read_all(fenced(text, len), len).good);
        for (size_t at = 1; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                bool digit = byte >= '0' && byte <= '9',
                     space = strchr(" \t\n\r", byte) && byte && at + 1 == len;
                bool rest = (byte == '.' || byte == 'e' || byte == 'E') && at + 1 < len;
                text[at] = (char)byte;
                ck_assert_msg(read_all(fenced(text, len), len).good == (digit || space || rest),
                              "byte %d at %zu of %zu", byte, at, len);
            }
            text[at] = '7';
        }
    }
}
END_TEST

// `depth` levels, arrays and objects in turn as the bits of `kinds` say; the innermost is empty or, with
// `truth`, holds true.
static size_t nest(char *text, unsigned depth, uint64_t kinds, bool truth)
{
    size_t len = 0;
    for (unsigned i = 0; i < depth; i++) {
        bool object = kinds >> i % 64 & 1, last = i + 1 == depth && !truth;
        const char *open = !object ? "[" : last ? "{" : "{\"a\":";
        memcpy(text + len, open, strlen(open));
        len += strlen(open);
    }
    if (truth) {
        memcpy(text + len, "true", 4);
        len += 4;
    }
    for (unsigned i = depth; i-- > 0;)
        text[len++] = kinds >> i % 64 & 1 ? '}' : ']';
    return len;
}

START_TEST(nesting_is_bounded)
{
    static const uint64_t kinds[] = {0, UINT64_MAX, 0xAAAAAAAAAAAAAAAA, 0x123456789ABCDEF0, 0xFFFFFFFF};
    static char text[8 * (JSON_DEPTH_LIMIT + 2)];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int truth = 0; truth < 2; truth++) {
            size_t len = nest(text, JSON_DEPTH_MAX, kinds[k], truth);
            ck_assert(read_all(fenced(text, len), len).good);
            // a closer that does not fit is found at every depth
            for (size_t i = len - JSON_DEPTH_MAX; i < len; i++) {
                char closer = text[i];
                text[i] = closer == '}' ? ']' : '}';
                ck_assert(!json_text_valid(text, len));
                text[i] = closer;
            }
            len = nest(text, JSON_DEPTH_MAX + 1, kinds[k], truth);
            struct outcome o = read_all(fenced(text, len), len);
            ck_assert(!o.good);
            ck_assert_str_eq(o.error, "nested deeper than 128");
        }
    }
    size_t len = nest(text, JSON_DEPTH_MAX + 1, 0, false);
    ck_assert_uint_eq(read_all(text, len).at, JSON_DEPTH_MAX);
}
END_TEST

START_TEST(the_bound_may_be_set_and_counts_what_is_begun)
{
    static char text[8 * (JSON_DEPTH_LIMIT + 2)];
    struct json_reader r;
    struct json_value v;
    for (unsigned max = 1; max <= JSON_DEPTH_LIMIT; max++) {
        for (unsigned depth = max; depth <= max + 1; depth++) {
            size_t len = nest(text, depth, 0xF0F0F0F0F0F0F0F0, true);
            json_reader_init(&r, text, len);
            r.depth_max = max;
            ck_assert_int_eq(json_reader_value(&r, &v) && json_reader_end(&r), depth == max);

            len = nest(text, depth, 0, true);
            json_reader_init(&r, text, len);
            r.depth_max = max;
            ck_assert(json_reader_array_begin(&r));
            ck_assert_int_eq(json_reader_element(&r, &v) && !json_reader_element(&r, &v) &&
                                 json_reader_end(&r),
                             depth == max);
        }
    }
    json_reader_init(&r, "[1]", 3);
    r.depth_max = 0;
    ck_assert(!json_reader_array_begin(&r));
    ck_assert_str_eq(r.error, "nested too deep");
}
END_TEST

START_TEST(a_long_line_of_values_is_not_nesting)
{
    static char text[4 * 1000 + 2];
    size_t len = 0;
    text[len++] = '[';
    for (int i = 0; i < 1000; i++) {
        memcpy(text + len, i % 2 ? "{}," : "[],", 3);
        len += 3;
    }
    text[len - 1] = ']';
    ck_assert(json_text_valid(text, len));
}
END_TEST

START_TEST(members_and_elements_are_slices_of_the_text)
{
    static const char text[] = " { \"a\" : 1.50 , \"b\\n\":[ 1 ,{}] ,\"\": \"x\\u0041\" }\n";
    static const struct {
        const char *key, *raw;
        enum jsonr_type type;
    } want[] = {{"\"a\"", "1.50", JSONR_NUMBER},
                {"\"b\\n\"", "[ 1 ,{}]", JSONR_ARRAY},
                {"\"\"", "\"x\\u0041\"", JSONR_STRING}};
    struct json_reader r;
    struct json_value key, value;
    json_reader_init(&r, text, sizeof text - 1);
    ck_assert(json_reader_object_begin(&r));
    for (int i = 0; i < 3; i++) {
        ck_assert(json_reader_member(&r, &key, &value));
        ck_assert(slice_equal(key.raw, want[i].key));
        ck_assert(slice_equal(value.raw, want[i].raw));
        ck_assert_int_eq(value.type, want[i].type);
        ck_assert_int_eq(value.escaped, i == 2);
        ck_assert_int_eq(key.escaped, i == 1);
    }
    ck_assert(!json_reader_member(&r, &key, &value));
    ck_assert_ptr_null(r.error);
    ck_assert(json_reader_end(&r));
    ck_assert_uint_eq(json_reader_offset(&r), sizeof text - 1);
}
END_TEST

START_TEST(an_error_stays)
{
    struct json_reader r;
    struct json_value key, value;
    json_reader_init(&r, "[1 2]", 5);
    ck_assert(!json_reader_object_begin(&r));
    ck_assert_str_eq(r.error, "an object was expected");
    ck_assert(!json_reader_array_begin(&r));
    ck_assert(!json_reader_value(&r, &value));
    ck_assert(!json_reader_member(&r, &key, &value));
    ck_assert(!json_reader_element(&r, &value));
    ck_assert_int_eq(json_reader_peek(&r), 0);
    ck_assert(!json_reader_end(&r));
    ck_assert_str_eq(r.error, "an object was expected");
    ck_assert_uint_eq(json_reader_offset(&r), 0);

    json_reader_init(&r, " {}", 3);
    ck_assert(!json_reader_array_begin(&r));
    ck_assert_str_eq(r.error, "an array was expected");
    ck_assert_uint_eq(json_reader_offset(&r), 1);
}
END_TEST

START_TEST(leaving_in_the_middle_is_no_end)
{
    struct json_reader r;
    struct json_value value;
    json_reader_init(&r, "[1,2]", 5);
    ck_assert(json_reader_array_begin(&r));
    ck_assert(json_reader_element(&r, &value));
    ck_assert(!json_reader_end(&r));
    json_reader_init(&r, "[", 1);
    ck_assert(json_reader_array_begin(&r));
    ck_assert(!json_reader_end(&r));
    ck_assert_str_eq(r.error, ENDS_TOO_EARLY);
}
END_TEST

START_TEST(what_is_known_is_passed_by_comparing)
{
    static const char text[] = "{\"a\":1,\"b\":[2],\"c\":3}";
    struct json_reader r;
    struct json_value key, value;
    json_reader_init(&r, text, sizeof text - 1);
    ck_assert(!json_reader_pass(&r, SLICE("\"a\":")));
    ck_assert(json_reader_object_begin(&r));
    ck_assert(!json_reader_pass(&r, SLICE("\"a\": ")));
    ck_assert(json_reader_pass(&r, SLICE("\"a\":1,\"b\":")));
    ck_assert(json_reader_value(&r, &value));
    ck_assert(slice_equal(value.raw, "[2]"));
    ck_assert(json_reader_member(&r, &key, &value)); // behind its comma
    ck_assert(json_string_is(&key, "c"));
    ck_assert(!json_reader_pass(&r, SLICE("}}")));
    ck_assert(!json_reader_member(&r, &key, &value));
    ck_assert(json_reader_end(&r));

    json_reader_init(&r, text, 5); // nothing behind the end is compared
    ck_assert(json_reader_object_begin(&r));
    ck_assert(!json_reader_pass(&r, SLICE("\"a\":1")));
    ck_assert(json_reader_pass(&r, SLICE("\"a\":")));
    ck_assert(!json_reader_value(&r, &value));
    ck_assert_str_eq(r.error, "the text ends too early");
    ck_assert(!json_reader_pass(&r, SLICE("")));

    json_reader_init(&r, text, sizeof text - 1); // the first member is passed: a comma is due
    ck_assert(json_reader_object_begin(&r));
    ck_assert(json_reader_pass(&r, SLICE("\"a\":1")));
    ck_assert(json_reader_key(&r, &key));
    ck_assert(json_string_is(&key, "b"));
}
END_TEST

START_TEST(peek_shows_what_comes)
{
    struct json_reader r;
    json_reader_init(&r, " \n x", 4);
    ck_assert_int_eq(json_reader_peek(&r), 'x');
    ck_assert_int_eq(json_reader_peek(&r), 'x');
    json_reader_init(&r, "  ", 2);
    ck_assert_int_eq(json_reader_peek(&r), 0);
    ck_assert_ptr_null(r.error);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/json_reader");
    TCase *c = tcase_create("grammar");
    tcase_add_checked_fixture(c, fence_up, fence_down);
    tcase_add_loop_test(c, every_case_of_the_grammar, 0, (int)JSON_CASES);
    tcase_add_loop_test(c, level_by_level_is_as_whole, 0, (int)JSON_CASES);
    tcase_add_loop_test(c, no_byte_outside_the_text_is_read, 0, (int)JSON_CASES);
    tcase_add_test(c, errors_say_what_is_wrong);
    tcase_add_test(c, every_byte_in_a_string);
    tcase_add_test(c, every_byte_after_a_backslash);
    tcase_add_test(c, every_byte_alone_and_between_tokens);
    tcase_add_test(c, an_odd_byte_at_every_place);
    tcase_add_test(c, an_odd_byte_among_digits);
    tcase_add_test(c, nesting_is_bounded);
    tcase_add_test(c, the_bound_may_be_set_and_counts_what_is_begun);
    tcase_add_test(c, a_long_line_of_values_is_not_nesting);
    suite_add_tcase(s, c);
    c = tcase_create("walking");
    tcase_add_test(c, members_and_elements_are_slices_of_the_text);
    tcase_add_test(c, an_error_stays);
    tcase_add_test(c, leaving_in_the_middle_is_no_end);
    tcase_add_test(c, what_is_known_is_passed_by_comparing);
    tcase_add_test(c, peek_shows_what_comes);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
