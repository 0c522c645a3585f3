// taskqd --new-certificate FOLDER HOST…
#ifndef SERVER_NEW_CERTIFICATE_H
#define SERVER_NEW_CERTIFICATE_H

#include <stddef.h>

// Puts a certificate for these hosts and its key into the folder, in the place of those that are there, and
// if there is no authority in it yet, a new one, which it is issued by. Prints the settings that use it; on
// standard error what the files are for. The exit status.
int new_certificate(const char *folder, char *const *hosts, size_t count);

#endif
