#include "server/new_token.h"

#include "common/utf8.h"
#include "server/access/role.h"
#include "server/access/token.h"
#include "server/engine/settings.h"
#include "server/settings_access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_role(const char *word)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (strcmp(role_name((enum role_index)i), word) == 0)
            return true;
    return false;
}

static bool check_grant(char *const *grant, size_t count)
{
    if (count == 0)
        return true;
    if (!utf8_is_name(grant[0], QUEUE_NAME_MAX) || count == 1) {
        fprintf(stderr,
                "taskqd: --new-token: behind the name come a pattern of queues' names and the roles on "
                "them\n");
        return false;
    }
    for (size_t i = 1; i < count; i++)
        if (!is_role(grant[i])) {
            fprintf(stderr, "taskqd: --new-token: \"%s\" is no role: there are %s\n", grant[i], role_words());
            return false;
        }
    return true;
}

static void write_grant(struct buffer *b, char *const *grant, size_t count)
{
    static const char usual[] = "\"*\" { roles = {\"put\", \"take\", \"read\"} }";
    if (count == 0) {
        buffer_append(b, usual, sizeof usual - 1);
        return;
    }
    const char *pattern = grant[0];
    setting_kind_text.write(NULL, &pattern, b);
    for (size_t i = 1; i < count; i++) {
        char role[32];
        int len = snprintf(role, sizeof role, "%s\"%s\"", i == 1 ? " { roles = {" : ", ", grant[i]);
        buffer_append(b, role, (size_t)len);
    }
    buffer_append(b, "} }", 3);
}

int new_token(const char *name, char *const *grant, size_t count)
{
    char token[TOKEN_TEXT_LEN + 1], digits[2 * TOKEN_HASH_BYTES + 1];
    struct token_hash hash;
    struct buffer quoted = BUFFER_INIT, granted = BUFFER_INIT;
    if (!utf8_is_name(name, QUEUE_NAME_MAX)) {
        fprintf(stderr, "taskqd: --new-token: a name has 1 to %d bytes of UTF-8 without control characters\n",
                QUEUE_NAME_MAX);
        return 2;
    }
    if (!check_grant(grant, count))
        return 2;
    setting_kind_text.write(NULL, &name, &quoted);
    write_grant(&granted, grant, count);
    if (quoted.failed || granted.failed || !token_new(token) ||
        !token_hash((struct slice){token, TOKEN_TEXT_LEN}, &hash)) {
        buffer_release(&quoted);
        buffer_release(&granted);
        fprintf(stderr, "taskqd: no token can be made: no memory, or no randomness\n");
        return EXIT_FAILURE;
    }
    token_hash_print(&hash, digits);
    printf("%s\n"
           "\n"
           "token %.*s {\n"
           "    sha256 = \"%s\"\n"
           "    grant %.*s\n"
           "}\n",
           token, (int)quoted.len, quoted.data, digits, (int)granted.len, granted.data);
    fprintf(stderr, "taskqd: the first line is the token: for the client alone, in a file that nobody else "
                    "can read or as\n"
                    "TASKQ_TOKEN; it is kept nowhere and cannot be shown again. The rest is for the daemon's "
                    "configuration,\n"
                    "with the queues and the roles (put, take, read, admin) that you choose.\n");
    buffer_release(&granted);
    token_forget(token, sizeof token);
    buffer_release(&quoted);
    if (fflush(stdout) == 0)
        return EXIT_SUCCESS;
    perror("taskqd: --new-token");
    return EXIT_FAILURE;
}
