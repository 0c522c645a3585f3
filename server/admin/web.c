#include "server/admin/web.h"

const struct web_file *web_find(struct slice path)
{
    for (const struct web_file *f = web_files; f->path; f++)
        if (slice_equal(path, f->path))
            return f;
    return NULL;
}
