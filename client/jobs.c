// From a get's result to jobs: one block of memory holds them all, with what they point to.
#include "client/consume.h"
#include "common/json_reader.h"

#include <stdlib.h>

static bool begin(struct json_reader *r, struct slice s)
{
    json_reader_init(r, s.data, s.len);
    r->depth_max = JSON_DEPTH_LIMIT;
    return json_reader_object_begin(r);
}

// Copies `s` to `*at` with a NUL behind it.
static const char *place(char **at, struct slice s)
{
    char *start = *at;
    if (s.len > 0)
        memmove(start, s.data, s.len);
    start[s.len] = '\0';
    *at = start + s.len + 1;
    return start;
}

// Reads one job, its strings to `*at`, where there is room for the job's text and two NULs.
static bool parse_job(struct slice text, struct taskq_job *job, char **at)
{
    struct json_reader r;
    struct json_value key, value;
    uint64_t attempt = 0;
    *job = (struct taskq_job){0};
    if (!begin(&r, text))
        return false;
    while (json_reader_member(&r, &key, &value)) {
        bool ok = true;
        struct slice s;
        if (json_string_is(&key, "id")) {
            ok = json_value_uint53(&value, &job->id);
        } else if (json_string_is(&key, "delivery")) {
            ok = json_value_uint53(&value, &job->delivery);
        } else if (json_string_is(&key, "attempt")) {
            ok = json_value_uint53(&value, &attempt) && attempt <= UINT32_MAX;
            job->attempt = (unsigned)attempt;
        } else if (json_string_is(&key, "priority")) {
            ok = json_value_double(&value, &job->priority);
        } else if (json_string_is(&key, "queue")) {
            ok = job->queue == NULL && json_value_string(&value, *at, value.raw.len, &s, NULL);
            if (ok)
                job->queue = place(at, s);
        } else if (json_string_is(&key, "body")) {
            ok = job->body == NULL;
            if (ok)
                job->body = place(at, value.raw);
            job->body_len = value.raw.len;
        }
        if (!ok)
            return false;
    }
    return json_reader_end(&r) && job->id != 0 && job->queue != NULL && job->body != NULL;
}

// The array behind `jobs`; raw.data NULL if there is none.
static struct slice jobs_member(struct slice result)
{
    struct json_reader r;
    struct json_value key, value;
    struct slice found = {NULL, 0};
    if (begin(&r, result))
        while (json_reader_member(&r, &key, &value))
            if (json_string_is(&key, "jobs"))
                found = value.raw;
    return found;
}

static bool array_begin(struct json_reader *r, struct slice s)
{
    json_reader_init(r, s.data, s.len);
    r->depth_max = JSON_DEPTH_LIMIT;
    return json_reader_array_begin(r);
}

enum taskq_error jobs_parse(struct slice result, struct taskq_jobs *out)
{
    struct slice array = jobs_member(result);
    struct json_reader r;
    struct json_value value;
    size_t count = 0;
    if (array.data == NULL) {
        count = 1;
    } else {
        if (!array_begin(&r, array))
            return TASKQ_PROTOCOL;
        while (json_reader_element(&r, &value))
            count++;
    }
    struct taskq_job *jobs = malloc((count + 1) * sizeof(*jobs) + result.len + 2 * count);
    if (jobs == NULL)
        return TASKQ_NO_MEMORY;
    char *at = (char *)(jobs + count + 1);
    bool ok = true;
    if (array.data == NULL) {
        ok = parse_job(result, &jobs[0], &at);
    } else {
        array_begin(&r, array);
        for (size_t i = 0; ok && json_reader_element(&r, &value); i++)
            ok = parse_job(value.raw, &jobs[i], &at);
    }
    if (!ok) {
        free(jobs);
        return TASKQ_PROTOCOL;
    }
    *out = (struct taskq_jobs){.jobs = jobs, .count = count, .memory = jobs};
    return TASKQ_OK;
}

void taskq_job_release(struct taskq_job *job)
{
    if (job == NULL)
        return;
    free(job->memory);
    *job = (struct taskq_job){0};
}

void taskq_jobs_release(struct taskq_jobs *jobs)
{
    if (jobs == NULL)
        return;
    free(jobs->memory);
    *jobs = (struct taskq_jobs){0};
}
