// Tokens: secrets of 256 random bits that say who a client is. The daemon knows only their SHA-256.
#ifndef ACCESS_TOKEN_H
#define ACCESS_TOKEN_H

#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_PREFIX     "taskq_" // so that a token is told from its hash, and found where it does not belong
#define TOKEN_BYTES      32
#define TOKEN_TEXT_LEN   (sizeof TOKEN_PREFIX - 1 + 2 * (size_t)TOKEN_BYTES)
#define TOKEN_HASH_BYTES 32
#define TOKEN_WRONG_MS   1000 // so long a client waits that gave one that is nobody's: guessing costs

struct token_hash {
    unsigned char bytes[TOKEN_HASH_BYTES];
};

// A new one, NUL-terminated. False: there is no randomness.
bool token_new(char text[TOKEN_TEXT_LEN + 1]) __attribute__((warn_unused_result));

// The SHA-256 of its text. False: the library failed. Any thread.
bool token_hash(struct slice token, struct token_hash *out) __attribute__((warn_unused_result));

// Takes the same time whether and wherever they differ.
bool token_hash_equal(const struct token_hash *a, const struct token_hash *b);

// As 64 hexadecimal digits, and back. False: it is something else.
void token_hash_print(const struct token_hash *hash, char text[2 * TOKEN_HASH_BYTES + 1]);
bool token_hash_parse(const char *text, struct token_hash *out);

// Overwrites a secret that is not needed any more.
void token_forget(void *secret, size_t len);

#endif
