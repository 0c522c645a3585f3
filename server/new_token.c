#include "server/new_token.h"

#include "server/access/token.h"
#include "server/engine/settings.h"
#include "server/settings_access.h"

#include <stdio.h>
#include <stdlib.h>

int new_token(const char *name)
{
    char token[TOKEN_TEXT_LEN + 1], digits[2 * TOKEN_HASH_BYTES + 1];
    struct token_hash hash;
    struct buffer quoted = BUFFER_INIT;
    if (!settings_name_is_fine(name)) {
        fprintf(stderr, "taskqd: --new-token: a name has 1 to %d bytes and no control characters\n",
                QUEUE_NAME_MAX);
        return 2;
    }
    setting_kind_text.write(NULL, &name, &quoted);
    if (quoted.failed || !token_new(token) || !token_hash((struct slice){token, TOKEN_TEXT_LEN}, &hash)) {
        buffer_release(&quoted);
        fprintf(stderr, "taskqd: no token can be made: no memory, or no randomness\n");
        return EXIT_FAILURE;
    }
    token_hash_print(&hash, digits);
    printf("%s\n"
           "\n"
           "token %.*s {\n"
           "    sha256 = \"%s\"\n"
           "    grant \"*\" { roles = {\"put\", \"take\", \"read\"} }\n"
           "}\n",
           token, (int)quoted.len, quoted.data, digits);
    fprintf(stderr, "taskqd: the first line is the token: for the client alone, in a file that nobody else "
                    "can read or as\n"
                    "TASKQ_TOKEN; it is kept nowhere and cannot be shown again. The rest is for the daemon's "
                    "configuration,\n"
                    "with the queues and the roles (put, take, read, admin) that you choose.\n");
    token_forget(token, sizeof token);
    buffer_release(&quoted);
    if (fflush(stdout) == 0)
        return EXIT_SUCCESS;
    perror("taskqd: --new-token");
    return EXIT_FAILURE;
}
