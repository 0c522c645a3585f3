// What RFC 8259's grammar accepts and rejects, rule by rule. The unit test holds the reader to it; the fuzz
// target starts from it.
#ifndef TESTS_UNIT_JSON_CASES_H
#define TESTS_UNIT_JSON_CASES_H

#include "common/json_reader.h"

struct json_case {
    const char *text;
    size_t len;
    long bad_at; // the offset of the byte that no longer fits (the length, if the text ends too early); -1:
                 // accepted
    enum jsonr_type type; // of what is accepted
};

#define GOOD(type_, text_)                                                                                   \
    {                                                                                                        \
        text_, sizeof(text_) - 1, -1, JSONR_##type_                                                          \
    }
#define BAD(bad_at_, text_)                                                                                  \
    {                                                                                                        \
        text_, sizeof(text_) - 1, bad_at_, JSONR_NULL                                                        \
    }

// clang-format off
static const struct json_case json_cases[] = {
    // Section 2: JSON-text = ws value ws; ws is space, tab, line feed, carriage return and nothing else.
    BAD(0, ""),
    BAD(1, " "),
    BAD(5, " \t\n\r "),
    GOOD(NULL, " \t\n\rnull\r\n\t "),
    GOOD(ARRAY, " [ 1 , 2 ] "),
    GOOD(OBJECT, "\t{\n\"a\"\r:\t1\n,\r\"b\" : 2 }\n"),
    BAD(0, "\v1"),
    BAD(0, "\f1"),
    BAD(1, "1\v"),
    BAD(1, "1\f"),
    BAD(0, "\0"),
    BAD(1, "1\0"),
    BAD(1, "[\0]"),
    BAD(2, "[1\0]"),
    BAD(2, "{}\0"),
    BAD(0, "\xC2\xA0" "1"),       // a no-break space
    BAD(1, "1\xE2\x80\xA8"),      // a line separator
    BAD(0, "\xEF\xBB\xBF" "1"),   // a byte order mark
    BAD(0, "\xEF\xBB\xBF{}"),
    BAD(0, "\xFF\xFE" "1\0"),        // UTF-16
    BAD(2, "1 2"),
    BAD(2, "{}{}"),
    BAD(3, "[] []"),
    BAD(2, "\"\"\"\""),
    BAD(4, "null,"),
    BAD(0, ","),
    BAD(0, ":"),
    BAD(0, "]"),
    BAD(0, "}"),
    BAD(0, "/**/1"),
    BAD(1, "1//x"),
    BAD(0, "#1"),
    BAD(0, ";"),
    BAD(0, "\\"),
    BAD(0, "\\u0031"),

    // Section 3: false null true, in lower case, and no other word.
    GOOD(NULL, "null"),
    GOOD(TRUE, "true"),
    GOOD(FALSE, "false"),
    BAD(3, "nul"),
    BAD(3, "tru"),
    BAD(4, "fals"),
    BAD(1, "n"),
    BAD(1, "t"),
    BAD(1, "f"),
    BAD(0, "Null"),
    BAD(0, "TRUE"),
    BAD(4, "falsE"),
    BAD(4, "nulll"),
    BAD(4, "truefalse"),
    BAD(3, "nul1"),
    BAD(1, "nope"),
    BAD(0, "None"),
    BAD(0, "undefined"),
    BAD(0, "NaN"),
    BAD(1, "nan"),
    BAD(0, "Infinity"),
    BAD(0, "inf"),
    BAD(0, "a"),
    BAD(0, "'a'"),
    BAD(0, "`a`"),

    // Section 4: objects.
    GOOD(OBJECT, "{}"),
    GOOD(OBJECT, "{ }"),
    GOOD(OBJECT, "{\"a\":1}"),
    GOOD(OBJECT, "{\"\":0}"),
    GOOD(OBJECT, "{\"a\":1,\"a\":2}"), // the names should be unique; the grammar does not demand it
    GOOD(OBJECT, "{\"a\":{\"b\":{\"c\":[]}},\"d\":{}}"),
    GOOD(OBJECT, "{\"a\":[],\"b\":\"\",\"c\":null,\"d\":true,\"e\":false,\"f\":-1.5e-7}"),
    GOOD(OBJECT, "{\"\\u0061\\\"\":\"\\\\\"}"),
    GOOD(OBJECT, "{\"a\\u0000b\":1}"),
    GOOD(OBJECT, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":{\"a\":[1,2.50]}}}"),
    BAD(1, "{"),
    BAD(1, "{]"),
    BAD(1, "{,}"),
    BAD(1, "{:1}"),
    BAD(1, "{1:1}"),
    BAD(1, "{a:1}"),
    BAD(1, "{'a':1}"),
    BAD(1, "{null:1}"),
    BAD(1, "{[]:1}"),
    BAD(1, "{{}:1}"),
    BAD(4, "{\"a\"}"),
    BAD(4, "{\"a\",1}"),
    BAD(4, "{\"a\"=1}"),
    BAD(5, "{\"a\" 1}"),
    BAD(5, "{\"a\":}"),
    BAD(5, "{\"a\":,\"b\":1}"),
    BAD(5, "{\"a\"::1}"),
    BAD(7, "{\"a\":1,}"),
    BAD(7, "{\"a\":1,,\"b\":2}"),
    BAD(7, "{\"a\":1 \"b\":2}"),
    BAD(6, "{\"a\":1;\"b\":2}"),
    BAD(6, "{\"a\":1:2}"),
    BAD(6, "{\"a\":1]"),
    BAD(6, "{\"a\":1"),
    BAD(7, "{\"a\":1}}"),
    BAD(7, "{\"a\":1,1}"),
    BAD(11, "{\"a\":{\"b\":1]}"),
    BAD(6, "{\"a\":[}"),
    BAD(2, "{\""),
    BAD(3, "{\"a"),
    BAD(4, "{\"a\""),
    BAD(5, "{\"a\":"),
    BAD(2, "{\"\x01\":1}"),
    BAD(2, "{\"\x80\":1}"),
    BAD(3, "{\"\\q\":1}"),

    // Section 5: arrays.
    GOOD(ARRAY, "[]"),
    GOOD(ARRAY, "[\n]"),
    GOOD(ARRAY, "[1]"),
    GOOD(ARRAY, "[1,2,3]"),
    GOOD(ARRAY, "[[],[[]],{},[{}]]"),
    GOOD(ARRAY, "[1,\"a\",null,true,false,{},[]]"),
    GOOD(ARRAY, "[{\"a\":[{\"b\":[{}]}]},[[[[1]]]]]"),
    BAD(1, "["),
    BAD(1, "[}"),
    BAD(1, "[,]"),
    BAD(1, "[,1]"),
    BAD(3, "[1,]"),
    BAD(3, "[1,,2]"),
    BAD(3, "[1 2]"),
    BAD(2, "[1:2]"),
    BAD(2, "[1;2]"),
    BAD(2, "[1}"),
    BAD(2, "[1"),
    BAD(3, "[1,"),
    BAD(4, "[\"a\":1]"),
    BAD(3, "[1]]"),
    BAD(3, "[[]"),
    BAD(3, "[[1}]"),
    BAD(3, "[{}}"),
    BAD(4, "[nul]"),
    BAD(1, "[a]"),
    BAD(3, "[\"]"),

    // Section 6: [ minus ] int [ frac ] [ exp ].
    GOOD(NUMBER, "0"),
    GOOD(NUMBER, "-0"),
    GOOD(NUMBER, "1"),
    GOOD(NUMBER, "-1"),
    GOOD(NUMBER, "10"),
    GOOD(NUMBER, "1234567890"),
    GOOD(NUMBER, "12345678901234567890123456789012345678901234567890"),
    GOOD(NUMBER, "0.0"),
    GOOD(NUMBER, "0.10"),
    GOOD(NUMBER, "-0.5"),
    GOOD(NUMBER, "2.50"),
    GOOD(NUMBER, "1.000000000000000000000000000000000001"),
    GOOD(NUMBER, "0e0"),
    GOOD(NUMBER, "0E0"),
    GOOD(NUMBER, "1e5"),
    GOOD(NUMBER, "1E+5"),
    GOOD(NUMBER, "1e-5"),
    GOOD(NUMBER, "1.5e007"),
    GOOD(NUMBER, "-1.5E-00"),
    GOOD(NUMBER, "1e400"),
    GOOD(NUMBER, "-1e-400"),
    GOOD(NUMBER, "1e99999999999999999999"),
    BAD(1, "-"),
    BAD(1, "- 1"),
    BAD(1, "--1"),
    BAD(1, "-a"),
    BAD(1, "-.5"),
    BAD(1, "-Infinity"),
    BAD(0, "+1"),
    BAD(0, ".5"),
    BAD(1, "00"),
    BAD(1, "01"),
    BAD(2, "-01"),
    BAD(2, "[01]"),
    BAD(1, "0x10"),
    BAD(1, "0b1"),
    BAD(2, "1."),
    BAD(2, "1.e5"),
    BAD(2, "1.-5"),
    BAD(3, "1.5.5"),
    BAD(3, "[1.]"),
    BAD(2, "1e"),
    BAD(2, "1E"),
    BAD(3, "1e+"),
    BAD(3, "1e-"),
    BAD(2, "1e.5"),
    BAD(3, "1e5.5"),
    BAD(3, "1e+-5"),
    BAD(3, "1e5e5"),
    BAD(1, "1a"),
    BAD(1, "1_000"),
    BAD(1, "1,000"),
    BAD(1, "1f"),
    BAD(1, "1-2"),
    BAD(1, "1+2"),
    BAD(0, "\xEF\xBC\x91"),       // a full-width 1

    // Section 7: strings. What must be escaped: the quote, the backslash, U+0000 to U+001F.
    GOOD(STRING, "\"\""),
    GOOD(STRING, "\"a\""),
    GOOD(STRING, "\" !#$%&'()*+,-./0:;<=>?@A[]^_`a{|}~\x7F\""),
    GOOD(STRING, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    GOOD(STRING, "\"\\u0000\""),
    GOOD(STRING, "\"\\u00e9\\u00E9\\uABCD\\uabcd\\uFfFf\""),
    GOOD(STRING, "\"\\ud83d\\ude00\""),
    GOOD(STRING, "\"\\ud800\""),  // a lone surrogate is within the grammar: section 8.2
    GOOD(STRING, "\"\\udc00\\ud800x\""),
    GOOD(STRING, "\"\\ud800\\n\""),
    GOOD(STRING, "\"\\uDEAD\""),
    GOOD(STRING, "\"0123456789abcdef0123456789abcdef0123456789\""),
    GOOD(STRING, "\"[{,:}]\""),
    BAD(1, "\""),
    BAD(2, "\"a"),
    BAD(2, "\"\\"),
    BAD(3, "\"\\\""),
    BAD(3, "\"\\n"),
    BAD(3, "\"\\u"),
    BAD(6, "\"\\u000"),
    BAD(7, "\"\\u0000"),
    BAD(6, "\"\\u000\""),
    BAD(3, "\"\\u\""),
    BAD(3, "\"\\ug000\""),
    BAD(6, "\"\\u000g\""),
    BAD(6, "\"\\u123 4\""),
    BAD(3, "\"\\u+123\""),
    BAD(3, "\"\\u-123\""),
    BAD(4, "\"\\u0x12\""),
    BAD(3, "\"\\u{41}\""),
    BAD(2, "\"\\U0041\""),
    BAD(2, "\"\\x41\""),
    BAD(2, "\"\\a\""),
    BAD(2, "\"\\v\""),
    BAD(2, "\"\\e\""),
    BAD(2, "\"\\0\""),
    BAD(2, "\"\\'\""),
    BAD(2, "\"\\N\""),
    BAD(2, "\"\\ \""),
    BAD(2, "\"\\\n\""),
    BAD(2, "\"\\\0\""),
    BAD(2, "\"\\\xC3\xA9\""),
    BAD(1, "\"\0\""),
    BAD(1, "\"\n\""),
    BAD(1, "\"\t\""),
    BAD(1, "\"\x1F\""),
    BAD(18, "\"01234567890123456\r\""),
    BAD(10, "\"012345678\n\""),
    BAD(2, "\"\"a\""),
    BAD(1, "\"\xC3\""),

    // Section 8.1: UTF-8, as RFC 3629 has it.
    GOOD(STRING, "\"\xC2\x80\""),          // U+0080
    GOOD(STRING, "\"\xC3\xA9\""),          // U+00E9
    GOOD(STRING, "\"\xDF\xBF\""),          // U+07FF
    GOOD(STRING, "\"\xE0\xA0\x80\""),      // U+0800
    GOOD(STRING, "\"\xE2\x82\xAC\""),      // U+20AC
    GOOD(STRING, "\"\xED\x9F\xBF\""),      // U+D7FF
    GOOD(STRING, "\"\xEE\x80\x80\""),      // U+E000
    GOOD(STRING, "\"\xEF\xBB\xBF\""),      // U+FEFF inside a string
    GOOD(STRING, "\"\xEF\xBF\xBE\xEF\xBF\xBF\""), // noncharacters are characters to the grammar
    GOOD(STRING, "\"\xF0\x90\x80\x80\""),  // U+10000
    GOOD(STRING, "\"\xF0\x9F\x98\x80\""),  // U+1F600
    GOOD(STRING, "\"\xF4\x8F\xBF\xBF\""),  // U+10FFFF
    GOOD(OBJECT, "{\"\xD0\xBA\xD0\xBB\xD1\x8E\xD1\x87\":\"\xE9\x8D\xB5\"}"),
    BAD(1, "\"\x80\""),
    BAD(1, "\"\xBF\""),
    BAD(1, "\"\xC0\x80\""),                // U+0000, overlong
    BAD(1, "\"\xC0\xAF\""),
    BAD(1, "\"\xC1\xBF\""),
    BAD(1, "\"\xE0\x80\x80\""),
    BAD(1, "\"\xE0\x9F\xBF\""),            // U+07FF, overlong
    BAD(1, "\"\xF0\x80\x80\x80\""),
    BAD(1, "\"\xF0\x8F\xBF\xBF\""),        // U+FFFF, overlong
    BAD(1, "\"\xED\xA0\x80\""),            // U+D800
    BAD(1, "\"\xED\xBF\xBF\""),            // U+DFFF
    BAD(1, "\"\xED\xA0\xBD\xED\xB8\x80\""), // a pair of them
    BAD(1, "\"\xF4\x90\x80\x80\""),        // U+110000
    BAD(1, "\"\xF5\x80\x80\x80\""),
    BAD(1, "\"\xF8\x88\x80\x80\x80\""),
    BAD(1, "\"\xFC\x84\x80\x80\x80\x80\""),
    BAD(1, "\"\xFE\""),
    BAD(1, "\"\xFF\""),
    BAD(1, "\"\xC3\x28\""),
    BAD(1, "\"\xE2\x28\xA1\""),
    BAD(1, "\"\xE2\x82\x28\""),
    BAD(1, "\"\xE2\x82\""),
    BAD(1, "\"\xF0\x28\x8C\xBC\""),
    BAD(1, "\"\xF0\x90\x28\xBC\""),
    BAD(1, "\"\xF0\x90\x80\x28\""),
    BAD(1, "\"\xF0\x9F\x98\""),
    BAD(3, "\"\xC3\xA9\xA9\""),
    BAD(1, "\"\xE9\""),                    // Latin-1
    BAD(3, "[\"a\xFF\"]"),
};
// clang-format on

#define JSON_CASES (sizeof json_cases / sizeof json_cases[0])

#endif
