// The configuration's sections that say who may do what: token, user and group, with their grants.
#ifndef SERVER_SETTINGS_ACCESS_H
#define SERVER_SETTINGS_ACCESS_H

#include "server/access/identity.h"
#include "server/settings_table.h"

#include <confuse.h>
#include <stdbool.h>

#define SETTINGS_ROWS_MAX 64

// Adds the sections to the options of the file; how many there are.
unsigned settings_access_options(cfg_opt_t *out);

// Has the values of a token's rows, of quotas and of a grant's checked when they are read.
void settings_access_checks(cfg_t *cfg, cfg_validate_callback_t token, cfg_validate_callback_t quota,
                            cfg_validate_callback_t grant);

// Reads them all into what is empty. False: libConfuse was told what is wrong, or `why` (SETTINGS_WHY_MAX).
bool settings_access_read(struct access *out, cfg_t *cfg, char *why);

// What server/settings.c has for all sections: options of rows; a section's values, the bits of which are
// added to *named unless that is NULL.
unsigned settings_options(const struct setting_row *rows, cfg_opt_t *out);
bool settings_apply(const struct setting_row *rows, cfg_t *cfg, void *into, unsigned *named, char *why);

#endif
