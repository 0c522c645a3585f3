// Files that hold a secret: they are only read where nobody else can have read or changed them.
#ifndef CLIENT_SECRET_FILE_H
#define CLIENT_SECRET_FILE_H

#include <stddef.h>

#define SECRET_FILE_WHY 512

// Opens the file of a `what` ("token") for reading. A group may read it, so that several programs can share
// it; nobody else, and only its owner may write it. A close-on-exec descriptor, or -1: `why` is a sentence.
int secret_file_open(const char *what, const char *file, char why[SECRET_FILE_WHY]);

// Writes the sentence that this is wrong with it.
void secret_file_blame(const char *what, const char *file, const char *wrong, char why[SECRET_FILE_WHY]);

#endif
