#include "client/cli/values.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A plain decimal number: strtod() would take `inf`, `0x10` and leading space as well.
static bool parse(const char *text, double *out, const char **end)
{
    size_t digits = strspn(text, "+-.0123456789eE");
    char *stop;
    if (digits == 0)
        return false;
    errno = 0;
    *out = strtod(text, &stop);
    *end = stop;
    return stop != text && (size_t)(stop - text) <= digits && isfinite(*out);
}

bool value_seconds(const char *text, double *out)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    const char *end;
    if (!parse(text, out, &end))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(end, units[i].unit) == 0) {
            *out *= units[i].seconds;
            return *out >= 0;
        }
    return false;
}

bool value_number(const char *text, double *out)
{
    const char *end;
    return parse(text, out, &end) && *end == '\0';
}

bool value_count(const char *text, uint64_t *out)
{
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0 && *out < (UINT64_C(1) << 53);
}

bool value_moment(const char *text, double *out)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    if (value_number(text, out))
        return *out >= 0;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &tm);
        if (end == NULL || (*end != '\0' && strcmp(end, "Z") != 0))
            continue;
        time_t t = *end == 'Z' ? timegm(&tm) : mktime(&tm);
        *out = (double)t;
        return t >= 0;
    }
    return false;
}

const char *value_wanted(enum option_type type)
{
    switch (type) {
    case OPTION_SECONDS:
        return "not a time: seconds, or as 500ms, 90s, 5m, 2h, 3d";
    case OPTION_NUMBER:
        return "not a number";
    case OPTION_COUNT:
        return "not an integer of 0 or more";
    case OPTION_MOMENT:
        return "not a moment: Unix time, or as 2027-01-31T08:00 (local) or 2027-01-31T07:00Z";
    case OPTION_FLAG:
    case OPTION_TEXT:
        break;
    }
    return "not what is wanted";
}

char *value_show_seconds(double seconds, char out[VALUE_TEXT])
{
    long long s = (long long)seconds;
    if (seconds > 1e15)
        snprintf(out, VALUE_TEXT, "%gs", seconds);
    else if (seconds < 10 && seconds == (double)s)
        snprintf(out, VALUE_TEXT, "%llds", s);
    else if (seconds < 10)
        snprintf(out, VALUE_TEXT, "%.1fs", seconds);
    else if (s < 60)
        snprintf(out, VALUE_TEXT, "%llds", s);
    else if (s < 3600)
        snprintf(out, VALUE_TEXT, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, VALUE_TEXT, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, VALUE_TEXT, "%lldd%02lldh", s / 86400, s / 3600 % 24);
    return out;
}

char *value_show_short(double seconds, char out[VALUE_TEXT])
{
    if (seconds >= 1 || seconds <= 0)
        return value_show_seconds(seconds, out);
    if (seconds < 1e-3)
        snprintf(out, VALUE_TEXT, "%.0fus", seconds * 1e6);
    else
        snprintf(out, VALUE_TEXT, "%.*fms", seconds < 1e-2, seconds * 1e3);
    return out;
}

char *value_show_moment(double moment, char out[VALUE_TEXT])
{
    time_t t = (time_t)moment;
    struct tm tm;
    if (!(fabs(moment) < 1e12) || localtime_r(&t, &tm) == NULL ||
        strftime(out, VALUE_TEXT, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(out, VALUE_TEXT, "%.0f", moment);
    return out;
}
