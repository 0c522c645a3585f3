// The files of the page, which the build makes part of the program (embed.py).
#ifndef ADMIN_WEB_H
#define ADMIN_WEB_H

#include "common/slice.h"

#include <stddef.h>

struct web_file {
    const char *path; // "/style.css"; index.html is "/"
    const char *type;
    const char *tag; // of its content, between quotes
    const unsigned char *data;
    size_t len;
};

// Ends with one without a path.
extern const struct web_file web_files[];

// NULL: there is none.
const struct web_file *web_find(struct slice path);

#endif
