#include "client/cli/commands.h"
#include "client/cli/command.h"

#include <string.h>

#define X(name) &command_##name,
const struct command *const commands[] = {COMMANDS(X) NULL};
#undef X

const struct exit_text exit_texts[] = {
#define X(name, number, text) {number, text},
    EXIT_CODES(X)
#undef X
};
const size_t exit_text_count = sizeof(exit_texts) / sizeof(exit_texts[0]);

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0 ||
            (commands[i]->alias != NULL && strcmp(commands[i]->alias, name) == 0))
            return commands[i];
    return NULL;
}

#define NAME_MAX_LEN 24

// How many letters must be put in, left out, changed or swapped with their neighbour to make one of the
// other.
static size_t distance(const char *a, const char *b)
{
    size_t d[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > NAME_MAX_LEN || m > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t least = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < least)
                least = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < least)
                least = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < least)
                least = d[i - 2][j - 2] + 1;
            d[i][j] = least;
        }
    return d[n][m];
}

const char *command_guess(const char *name)
{
    const char *best = NULL;
    size_t least = strlen(name) < 4 ? 2 : 3; // not more than one letter of three, two of longer words
    for (size_t i = 0; commands[i] != NULL; i++) {
        size_t far = distance(name, commands[i]->name);
        if (far < least) {
            least = far;
            best = commands[i]->name;
        }
    }
    return best;
}
