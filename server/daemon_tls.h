// The daemon's TLS: made from the settings at the start, from the same files again at each reload, and looked
// after, so that a certificate that ends is heard of before. For those that join the parts. Main thread.
#ifndef SERVER_DAEMON_TLS_H
#define SERVER_DAEMON_TLS_H

#include "server/settings.h"

#include <stdbool.h>

struct daemon;

// Whether what the settings say of TLS can be had, for a check of them. False: `why`.
bool daemon_tls_check(const struct settings *s, char why[SETTINGS_WHY_MAX])
    __attribute__((warn_unused_result));

// False: it cannot be had, which is logged. True where the settings say nothing of it.
bool daemon_tls_start(struct daemon *d) __attribute__((warn_unused_result));

// Warns of files that this process, which has become another user, could not read again.
void daemon_tls_dropped(const struct daemon *d);

// Reads the files again, which may be others. What is wrong with them is logged, and all stays as it was.
void daemon_tls_reload(struct daemon *d);

// Appends an object of its figures; there has to be TLS. Any thread.
void daemon_tls_report(void *context, struct buffer *out);

// No handshake comes to an end any more; connections stay. After the listeners.
void daemon_tls_close(struct daemon *d);

// After the loops.
void daemon_tls_free(struct daemon *d);

#endif
