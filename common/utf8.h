// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. Any thread.
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The length, 1 to 4, of the character that begins at `at`; 0 if none does. Nothing at or beyond `end` is
// read; at < end.
size_t utf8_length(const char *at, const char *end);

// Writes a character's 1 to 4 bytes and returns how many. `c` is at most 0x10FFFF and no surrogate.
size_t utf8_encode(char out[4], uint32_t c);

// The rule for names, of queues and of what else there is: 1 to `most` bytes of UTF-8 without control
// characters (U+0000 to U+001F, U+007F).
bool utf8_is_name(const char *text, size_t most);

#endif
