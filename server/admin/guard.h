// Who is meant, and from where: a page of another host must not be able to speak to the daemon through
// somebody's browser, neither under a name that it made point here (DNS rebinding) nor across origins.
//
// Any thread.
#ifndef ADMIN_GUARD_H
#define ADMIN_GUARD_H

#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>

// Whether the Host of a request (NAME, NAME:PORT, [IPV6]:PORT) is this daemon's: an address, for which nobody
// needed a name, localhost, or one of the names that the settings know, in whatever case.
bool guard_host(struct slice host, char *const *names, size_t count);

// Whether a request comes from no page, or from one of the daemon's own: `origin` is the field of that name,
// empty where there is none, `site` Sec-Fetch-Site.
bool guard_origin(struct slice origin, struct slice site, struct slice host);

#endif
