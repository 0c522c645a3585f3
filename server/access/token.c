#include "server/access/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

static void print_hex(const unsigned char *bytes, size_t count, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool token_new(char text[TOKEN_TEXT_LEN + 1])
{
    unsigned char secret[TOKEN_BYTES];
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return false;
    memcpy(text, TOKEN_PREFIX, sizeof TOKEN_PREFIX - 1);
    print_hex(secret, sizeof secret, text + sizeof TOKEN_PREFIX - 1);
    token_forget(secret, sizeof secret);
    return true;
}

bool token_hash(struct slice token, struct token_hash *out)
{
    unsigned int len = 0;
    return EVP_Digest(token.data, token.len, out->bytes, &len, EVP_sha256(), NULL) == 1 &&
           len == sizeof out->bytes;
}

bool token_hash_equal(const struct token_hash *a, const struct token_hash *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void token_hash_print(const struct token_hash *hash, char text[2 * TOKEN_HASH_BYTES + 1])
{
    print_hex(hash->bytes, sizeof hash->bytes, text);
}

bool token_hash_parse(const char *text, struct token_hash *out)
{
    if (strlen(text) != 2 * sizeof out->bytes)
        return false;
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void token_forget(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}
