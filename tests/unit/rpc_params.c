#include "server/rpc/params.h"

#include "server/rpc/method.h"
#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct peer peer;

static void setup(void)
{
    world_init(&world);
    peer_open(&world, &peer);
}

static void teardown(void)
{
    world_release(&world);
}

static const char *ask(const char *method, const char *params)
{
    static char line[16384];
    snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{%s}}", method,
             params);
    return peer_ask(&peer, line);
}

static bool refused(const char *method, const char *params, const char *param)
{
    char wanted[400];
    snprintf(wanted, sizeof wanted, "\"data\":{\"name\":\"invalid_params\",\"param\":\"%s\"}", param);
    return strstr(ask(method, params), wanted) != NULL;
}

static bool answered(const char *method, const char *params)
{
    return strstr(ask(method, params), "\"result\":") != NULL;
}

// ---- every row of every method

START_TEST(an_unknown_param_is_named)
{
    const struct method *m = method_at((unsigned)_i);
    ck_assert_msg(refused(m->name, "\"frob\":1", "frob"), "%s", m->name);
    ck_assert_msg(refused(m->name, "\"frob\":{\"a\":[1]}", "frob"), "%s", m->name);
}
END_TEST

START_TEST(a_required_param_is_missed)
{
    const struct method *m = method_at((unsigned)_i);
    for (unsigned i = 0; i < m->param_count; i++) {
        if (!(m->required & PARAM_BIT(m->params[i].bit)))
            continue;
        ck_assert_msg(refused(m->name, "", m->params[i].name), "%s %s", m->name, m->params[i].name);
        return; // the first that is missing is named
    }
}
END_TEST

// Something that every type refuses, or NULL where there is none: `body` is anything.
static const char *nonsense(const struct param *row)
{
    switch ((enum param_type)row->type) {
    case PARAM_ANY:
        return NULL;
    case PARAM_ID:
        return "{}";
    default:
        return "[[]]";
    }
}

START_TEST(a_param_of_the_wrong_type_is_named)
{
    const struct method *m = method_at((unsigned)_i);
    for (unsigned i = 0; i < m->param_count; i++) {
        char params[256];
        if (!nonsense(&m->params[i]))
            continue;
        snprintf(params, sizeof params, "\"%s\":%s", m->params[i].name, nonsense(&m->params[i]));
        ck_assert_msg(refused(m->name, params, m->params[i].name), "%s %s", m->name, params);
    }
}
END_TEST

// Something that the row takes.
static const char *sense(const struct param *row)
{
    static char text[64];
    switch ((enum param_type)row->type) {
    case PARAM_QUEUE:
    case PARAM_QUEUE_OR_NULL:
    case PARAM_TEXT:
        return "\"x\"";
    case PARAM_ANY:
    case PARAM_ID:
    case PARAM_NUMBER:
    case PARAM_SHARE:
    case PARAM_TIMEOUT:
        return "1";
    case PARAM_SECONDS:
    case PARAM_WHOLE:
        snprintf(text, sizeof text, "%" PRId64, row->low > 1 ? row->low : 1);
        return text;
    case PARAM_FLAG:
        return "true";
    case PARAM_ORDER:
        return "\"fifo\"";
    case PARAM_STATE:
        return "\"dead\"";
    case PARAM_QUEUES:
        return "[\"x\"]";
    case PARAM_IDS:
        return "[1]";
    case PARAM_STATES:
        return "[\"dead\"]";
    case PARAM_OBJECT:
        return "{}";
    }
    return NULL;
}

START_TEST(a_param_given_twice_is_named)
{
    const struct method *m = method_at((unsigned)_i);
    for (unsigned i = 0; i < m->param_count; i++) {
        char params[256], value[64];
        strcpy(value, sense(&m->params[i]));
        snprintf(params, sizeof params, "\"%s\":%s,\"%s\":%s", m->params[i].name, value, m->params[i].name,
                 value);
        ck_assert_msg(refused(m->name, params, m->params[i].name), "%s %s", m->name, params);
    }
}
END_TEST

static void check_bounds(const struct method *m, const struct param *row)
{
    char params[256];
    if (row->type == PARAM_WHOLE) {
        if (row->low > 0) {
            snprintf(params, sizeof params, "\"%s\":%" PRId64, row->name, row->low - 1);
            ck_assert_msg(refused(m->name, params, row->name), "%s %s", m->name, params);
        }
        snprintf(params, sizeof params, "\"%s\":%s", row->name,
                 row->high == INT64_MAX ? "9007199254740992" : "99999999999");
        ck_assert_msg(refused(m->name, params, row->name), "%s %s", m->name, params);
        snprintf(params, sizeof params, "\"%s\":1.0", row->name);
        ck_assert_msg(refused(m->name, params, row->name), "%s %s", m->name, params);
    } else if (row->type == PARAM_SECONDS) {
        if (row->low > 0) {
            snprintf(params, sizeof params, "\"%s\":0", row->name);
            ck_assert_msg(refused(m->name, params, row->name), "%s %s", m->name, params);
        }
        for (unsigned i = 0; i < 4; i++) {
            static const char *const absurd[] = {"-1", "-0.001", "1e308", "1e400"};
            snprintf(params, sizeof params, "\"%s\":%s", row->name, absurd[i]);
            ck_assert_msg(refused(m->name, params, row->name), "%s %s", m->name, params);
        }
        snprintf(params, sizeof params, "\"%s\":%.3f", row->name, (double)row->high / 1000 + 0.01);
        ck_assert_msg(refused(m->name, params, row->name), "%s %s", m->name, params);
    }
}

START_TEST(numbers_out_of_range_are_refused)
{
    const struct method *m = method_at((unsigned)_i);
    for (unsigned i = 0; i < m->param_count; i++)
        check_bounds(m, &m->params[i]);
}
END_TEST

// ---- the types

START_TEST(queue_names)
{
    static const char *const wrong[] = {"\"\"", "\"a\\u0000b\"", "\"a\\nb\"", "\"a\\u007fb\"", "\"\\ud800\"",
                                        "7",    "null",          "[\"a\"]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char params[64];
        snprintf(params, sizeof params, "\"queue\":%s", wrong[i]);
        ck_assert_msg(refused("pause", params, "queue"), "%s", params);
    }
    ck_assert(answered("pause", "\"queue\":\"\\u0061\\ud83d\\ude00 \xC3\xA9\\\"\\\\\""));
    ck_assert_ptr_nonnull(strstr(ask("queues", ""), "{\"queue\":\"a\xF0\x9F\x98\x80 \xC3\xA9\\\"\\\\\","));
}
END_TEST

START_TEST(a_queue_name_has_at_most_255_bytes)
{
    char params[2048] = "\"queue\":\"", *end = params + strlen(params);
    memset(end, 'x', 255);
    strcpy(end + 255, "\"");
    ck_assert(answered("pause", params));
    strcpy(end + 255, "x\"");
    ck_assert(refused("pause", params, "queue"));
    for (int i = 0; i < 255; i++) // as escapes it is six times as long, and the same name
        memcpy(end + 6 * i, "\\u0078", 6);
    strcpy(end + 6 * 255, "\"");
    ck_assert(answered("pause", params));
    ck_assert_ptr_null(strstr(ask("queues", "\"limit\":1"), "\"next\":\""));
    strcpy(end + 6 * 255, "x\"");
    ck_assert(refused("pause", params, "queue"));
}
END_TEST

static int64_t delay_of(const char *seconds)
{
    char params[128];
    static unsigned n;
    snprintf(params, sizeof params, "\"queue\":\"d%u\",\"body\":1,\"delay\":%s", ++n, seconds);
    ck_assert(answered("put", params));
    struct moment now = hub_lock(world.hub);
    struct job_info info;
    enum error error = engine_job_info(hub_engine(world.hub), now, n, &info);
    hub_unlock(world.hub);
    ck_assert_int_eq(error, ERROR_NONE);
    return info.state == JOB_DELAYED ? info.left : 0;
}

START_TEST(seconds_become_milliseconds)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"0", 0},           {"5", 5000},        {"1.1", 1100},       {"1.0000001e3", 1000001},
                 {"0.0015e3", 1500}, {"60.0011", 60002}, {"1e6", 1000000000}, {"1000000000", 1000000000000},
                 {"12.345", 12345}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t got = delay_of(cases[i].text);
        ck_assert_msg(got <= cases[i].ms && got > cases[i].ms - 1000 && (got == 0) == (cases[i].ms == 0),
                      "%s: %" PRId64, cases[i].text, got);
    }
}
END_TEST

// What a put's params say is kept to the millisecond where no clock is in between.
START_TEST(fractions_are_rounded_up)
{
    static const struct {
        const char *text, *settled;
    } cases[] = {{"0.0001", "0.001"},       {"0.001", "0.001"}, {"1.1", "1.1"},
                 {"2.0005", "2.001"},       {"1e-9", "0.001"},  {"0.1", "0.1"},
                 {"86399.999", "86399.999"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char params[128], wanted[64];
        snprintf(params, sizeof params, "\"queue\":\"q\",\"lease\":%s", cases[i].text);
        snprintf(wanted, sizeof wanted, "\"lease\":%s,", cases[i].settled);
        ck_assert_msg(strstr(ask("declare", params), wanted), "%s", cases[i].text);
    }
}
END_TEST

START_TEST(timeouts)
{
    ck_assert_ptr_nonnull(strstr(ask("get", "\"queue\":\"q\",\"timeout\":0"), "\"empty\""));
    static const char *const wrong[] = {"-1", "1e308", "\"1\"", "true", "1000000000.1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char params[64];
        snprintf(params, sizeof params, "\"queue\":\"q\",\"timeout\":%s", wrong[i]);
        ck_assert_msg(refused("get", params, "timeout"), "%s", params);
    }
    ck_assert_str_eq(ask("get", "\"queue\":\"q\",\"timeout\":null"), "");
    ck_assert_str_eq(ask("get", "\"queue\":\"q\",\"timeout\":1e9"), "");
}
END_TEST

START_TEST(a_job_may_expire_at_once)
{
    ck_assert(answered("put", "\"queue\":\"q\",\"body\":1,\"expires\":0"));
    ck_assert(answered("put", "\"queue\":\"q\",\"body\":2"));
    while (!strstr(ask("job", "\"id\":1"), "\"reason\":\"expired\""))
        (void)hub_tick(world.hub);
    ck_assert_ptr_null(strstr(ask("job", "\"id\":2"), "\"expires\""));
}
END_TEST

START_TEST(priorities)
{
    static const struct {
        const char *text, *printed;
    } cases[] = {{"-1.50", "-1.5"},
                 {"0.1", "0.1"},
                 {"1e300", "1e300"},
                 {"9007199254740993", "9007199254740992"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char params[128], wanted[64];
        snprintf(params, sizeof params, "\"queue\":\"p%zu\",\"body\":1,\"priority\":%s", i, cases[i].text);
        ck_assert(answered("put", params));
        snprintf(params, sizeof params, "\"queue\":\"p%zu\"", i);
        snprintf(wanted, sizeof wanted, "\"priority\":%s,", cases[i].printed);
        ck_assert_msg(strstr(ask("get", params), wanted), "%s", cases[i].text);
    }
    ck_assert(refused("put", "\"queue\":\"q\",\"body\":1,\"priority\":1e400", "priority"));
    ck_assert(refused("put", "\"queue\":\"q\",\"body\":1,\"priority\":\"1\"", "priority"));
}
END_TEST

START_TEST(lists)
{
    ck_assert(refused("get", "\"queues\":[]", "queues"));
    ck_assert(refused("get", "\"queues\":[\"a\",\"b\",\"\\u0061\"]", "queues"));
    ck_assert(refused("get", "\"queues\":[\"a\",1]", "queues"));
    ck_assert(refused("ack", "\"ids\":[]", "ids"));
    ck_assert(refused("ack", "\"ids\":[1,2.5]", "ids"));
    ck_assert(refused("ack", "\"ids\":[-1]", "ids"));
    char params[8192] = "\"ids\":[1", *end = params + strlen(params);
    for (int i = 1; i < 1000; i++)
        end += sprintf(end, ",%d", i);
    strcpy(end, "]");
    ck_assert(answered("ack", params));
    strcpy(end, ",1]");
    ck_assert(refused("ack", params, "ids"));
    end = params + sprintf(params, "\"queues\":[\"q\"");
    for (int i = 1; i < 64; i++)
        end += sprintf(end, ",\"q%d\"", i);
    strcpy(end, "],\"timeout\":0");
    ck_assert_ptr_nonnull(strstr(ask("get", params), "\"empty\""));
    strcpy(end, ",\"q64\"]");
    ck_assert(refused("get", params, "queues"));
}
END_TEST

START_TEST(a_body_has_a_bound)
{
    char params[8192] = "\"queue\":\"q\",\"body\":\"", *end = params + strlen(params);
    memset(end, 'x', 4094); // the quotes count
    strcpy(end + 4094, "\"");
    ck_assert(answered("put", params));
    strcpy(end + 4094, "x\"");
    ck_assert_ptr_nonnull(strstr(ask("put", params), "{\"name\":\"too_large\",\"param\":\"body\"}"));
}
END_TEST

START_TEST(either_or)
{
    ck_assert(refused("get", "\"queue\":\"a\",\"queues\":[\"b\"]", "queues"));
    ck_assert(refused("get", "\"timeout\":0", "queue"));
    ck_assert(refused("get", "\"queue\":\"a\",\"auto_ack\":true,\"detached\":true", "detached"));
    ck_assert(refused("ack", "", "id"));
    ck_assert(refused("ack", "\"id\":1,\"ids\":[1]", "ids"));
    ck_assert(refused("ack", "\"ids\":[1],\"delivery\":1", "delivery"));
    ck_assert(refused("ack", "\"ids\":[1],\"result\":1", "result"));
    ck_assert(refused("put", "\"queue\":\"q\",\"body\":1,\"delay\":1,\"at\":1", "at"));
    ck_assert(refused("put", "\"queue\":\"q\",\"body\":1,\"key_for\":1", "key_for"));
    ck_assert(refused("put", "\"queue\":\"q\",\"body\":1,\"keep_result\":1", "keep_result"));
    for (int i = 0; i < 2; i++) {
        const char *m = i ? "kick" : "delete";
        ck_assert(refused(m, "", "id"));
        ck_assert(refused(m, "\"id\":1,\"queue\":\"q\"", "queue"));
        ck_assert(refused(m, "\"id\":1,\"state\":\"dead\"", "state"));
        ck_assert(refused(m, "\"id\":1,\"limit\":1", "limit"));
        ck_assert(refused(m, "\"queue\":\"q\",\"state\":\"reserved\"", "state"));
    }
    ck_assert(refused("kick", "\"queue\":\"q\",\"state\":\"done\"", "state"));
    ck_assert(refused("jobs", "\"queue\":\"q\",\"after\":\"x\"", "after"));
    ck_assert(refused("jobs", "\"queue\":\"q\",\"after\":\"9-1-0-0\"", "after"));
    ck_assert(refused("jobs", "\"queue\":\"q\",\"after\":\"0-1-7ff8000000000000-0\"", "after"));
}
END_TEST

// ---- declare against the table of settings

static const struct {
    const char *name;
    enum setting_type type;
    int64_t low, high;
} settings[] = {
#define X(field, type, low, high, value, text) {#field, SETTING_##type, low, high},
    QUEUE_SETTINGS(X)
#undef X
};

static void setting_param(char *out, size_t size, int i, const char *value)
{
    if (strncmp(settings[i].name, "backoff_", 8) == 0)
        snprintf(out, size, "\"queue\":\"q\",\"backoff\":{\"%s\":%s}", settings[i].name + 8, value);
    else
        snprintf(out, size, "\"queue\":\"q\",\"%s\":%s", settings[i].name, value);
}

static bool setting_is(int i, const char *value)
{
    char wanted[128];
    const char *name = settings[i].name;
    snprintf(wanted, sizeof wanted, "\"%s\":%s", strncmp(name, "backoff_", 8) == 0 ? name + 8 : name, value);
    return strstr(ask("stats", "\"queue\":\"q\""), wanted) != NULL;
}

START_TEST(every_setting_of_a_queue_can_be_declared_within_its_range)
{
    char params[256], low[64], high[64], out[64];
    switch (settings[_i].type) {
    case SETTING_ORDER:
        strcpy(low, "\"lifo\""), strcpy(high, "\"fifo\""), strcpy(out, "\"other\"");
        break;
    case SETTING_FLAG:
        strcpy(low, "false"), strcpy(high, "true"), strcpy(out, "1");
        break;
    case SETTING_NAME:
        strcpy(low, "\"other\""), strcpy(high, "null"), strcpy(out, "\"q\"");
        break;
    case SETTING_SHARE:
        strcpy(low, "0"), strcpy(high, "1"), strcpy(out, "1.001");
        break;
    case SETTING_SECONDS:
        snprintf(low, sizeof low, "%g", (double)settings[_i].low / 1000);
        snprintf(high, sizeof high, "%.0f", (double)settings[_i].high / 1000);
        snprintf(out, sizeof out, "%.0f", (double)settings[_i].high / 1000 + 1);
        break;
    case SETTING_COUNT:
    case SETTING_BYTES:
        snprintf(low, sizeof low, "%" PRId64, settings[_i].low);
        snprintf(high, sizeof high, "%" PRId64, settings[_i].high);
        snprintf(out, sizeof out, "%" PRId64, settings[_i].high + 1);
        break;
    }
    const char *name = settings[_i].name;
    setting_param(params, sizeof params, _i, low);
    ck_assert_msg(answered("declare", params) && setting_is(_i, low), "%s", params);
    setting_param(params, sizeof params, _i, out);
    ck_assert_msg(refused("declare", params, strncmp(name, "backoff_", 8) == 0 ? name + 8 : name), "%s",
                  params);
    ck_assert(setting_is(_i, low));
    setting_param(params, sizeof params, _i, high);
    ck_assert_msg(answered("declare", params) && setting_is(_i, high), "%s", params);
}
END_TEST

START_TEST(only_what_is_given_is_declared)
{
    ck_assert(
        answered("declare", "\"queue\":\"q\",\"maxsize\":7,\"dead_letter\":\"d\",\"backoff\":{\"cap\":60}"));
    const char *got = ask("declare", "\"queue\":\"q\",\"backoff\":{\"base\":2,\"jitter\":0}");
    ck_assert_ptr_nonnull(strstr(got, "\"maxsize\":7,"));
    ck_assert_ptr_nonnull(strstr(got, "\"dead_letter\":\"d\""));
    ck_assert_ptr_nonnull(strstr(got, "\"backoff\":{\"base\":2,\"cap\":60,\"jitter\":0}"));
    ck_assert_ptr_nonnull(
        strstr(ask("declare", "\"queue\":\"q\",\"dead_letter\":null"), "\"dead_letter\":null"));
    ck_assert(refused("declare", "\"queue\":\"q\",\"backoff\":{\"base\":1,\"base\":1}", "base"));
    ck_assert(refused("declare", "\"queue\":\"q\",\"backoff\":{\"foo\":1}", "foo"));
    ck_assert(refused("declare", "\"queue\":\"q\",\"backoff\":{},\"backoff\":{}", "backoff"));
    ck_assert(refused("declare", "\"queue\":\"q\",\"backoff_base\":1", "backoff_base"));
}
END_TEST

int main(void)
{
    int methods = 0;
    while (method_at((unsigned)methods))
        methods++;
    Suite *s = suite_create("rpc/params");
    TCase *c = tcase_create("rows");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, an_unknown_param_is_named, 0, methods);
    tcase_add_loop_test(c, a_required_param_is_missed, 0, methods);
    tcase_add_loop_test(c, a_param_of_the_wrong_type_is_named, 0, methods);
    tcase_add_loop_test(c, a_param_given_twice_is_named, 0, methods);
    tcase_add_loop_test(c, numbers_out_of_range_are_refused, 0, methods);
    suite_add_tcase(s, c);
    c = tcase_create("types");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, queue_names);
    tcase_add_test(c, a_queue_name_has_at_most_255_bytes);
    tcase_add_test(c, seconds_become_milliseconds);
    tcase_add_test(c, fractions_are_rounded_up);
    tcase_add_test(c, timeouts);
    tcase_add_test(c, a_job_may_expire_at_once);
    tcase_add_test(c, priorities);
    tcase_add_test(c, lists);
    tcase_add_test(c, a_body_has_a_bound);
    tcase_add_test(c, either_or);
    tcase_add_loop_test(c, every_setting_of_a_queue_can_be_declared_within_its_range, 0, QUEUE_SETTING_COUNT);
    tcase_add_test(c, only_what_is_given_is_declared);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
