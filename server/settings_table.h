// The tables of settings as rows for loops: how a setting's text becomes a field, and a field text
// again; its help.
#ifndef SERVER_SETTINGS_TABLE_H
#define SERVER_SETTINGS_TABLE_H

#include "common/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct setting_row;

// What a type of setting is to the file and to a person.
struct setting_kind {
    bool list;   // of texts: each is read by itself
    bool texts;  // a list whose field is a struct handler_texts
    bool secret; // what was given is not to be repeated in a message
    size_t size; // of a field that may be copied as it is; 0: it points to something
    // Checks the range and writes the field. False: `why` says what is expected.
    bool (*read)(const struct setting_row *row, const char *text, void *field, char *why, size_t size);
    // The value as it would stand in the file.
    void (*write)(const struct setting_row *row, const void *field, struct buffer *out);
    // What is taken, in words: "bytes, 1K to 64M".
    void (*expect)(const struct setting_row *row, struct buffer *out);
};
extern const struct setting_kind setting_kind_text;

struct setting_row {
    const char *name;
    const struct setting_kind *kind;
    int64_t low, high;
    const char *words; // of a choice; of an address what else may stand there
    size_t offset;     // of the field
    bool live;         // a reload applies it; else the next start
    const char *text;
};

// Each ends with a row without a name. Objects: struct settings, queue_settings, handler_settings, identity
// (of a token what tells it), quotas and grant.
extern const struct setting_row daemon_rows[], queue_rows[], handler_rows[], token_rows[], quota_rows[],
    grant_rows[];

static inline void *setting_field(const struct setting_row *row, const void *object)
{
    return (char *)(uintptr_t)object + row->offset;
}

// Whether two objects have the same. False also where memory is short.
bool setting_equal(const struct setting_row *row, const void *a, const void *b);

// The reference of all settings, for a person.
void settings_help(FILE *out);

#endif
