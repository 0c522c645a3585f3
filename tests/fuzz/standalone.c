// Runs a fuzz target without libFuzzer: every file named (or in a folder named) as it is, then N inputs made
// by seeded mutation of those files and the target's own seeds. The same seed makes the same inputs. An input
// that ends the process is left in crash-SEED-RUN in the current folder; give that file to run it again, and
// keep it under tests/fuzz/corpus/ once it is mended.
//
//     fuzz_NAME [-runs=N] [-seed=N] [-max_len=N] [FILE | FOLDER]…
//
// Open-ended, led by coverage, with clang:
//     CC=clang meson setup build-fuzz -Dlibfuzzer=true -Dc_args=-fsanitize=fuzzer-no-link
//         -Db_sanitize=address,undefined -Db_lundef=false
//     build-fuzz/tests/fuzz/fuzz_NAME -max_len=4096 FOLDER tests/fuzz/corpus/NAME
#include "tests/fuzz/fuzz.h"

#include "common/buffer.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANG_SECONDS 20

__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

struct corpus {
    struct buffer *inputs;
    size_t count;
};

// What the handlers need when the process dies: the input in hand.
static struct {
    const uint8_t *data;
    size_t size;
    uint64_t seed;
    uint64_t run;
    volatile sig_atomic_t running;
} current;

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

// Below `bound`, which is not 0.
static size_t pick(uint64_t *state, size_t bound)
{
    return (size_t)(next_random(state) % bound);
}

static void save_current(void)
{
    if (!current.running)
        return;
    current.running = false;
    char name[64];
    snprintf(name, sizeof name, "crash-%llu-%llu", (unsigned long long)current.seed,
             (unsigned long long)current.run);
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0 && write(fd, current.data, current.size) == (ssize_t)current.size)
        fprintf(stderr, "this input is kept in %s (%zu bytes)\n", name, current.size);
    if (fd >= 0)
        close(fd);
}

static void on_signal(int number)
{
    save_current();
    if (number == SIGALRM)
        fprintf(stderr, "it took more than %d s\n", HANG_SECONDS);
    signal(number, SIG_DFL);
    raise(number);
}

static void run_one(const struct buffer *input)
{
    uint8_t *copy = malloc(input->len > 0 ? input->len : 1);
    FUZZ_CHECK(copy);
    if (input->len > 0)
        memcpy(copy, input->data, input->len);
    current.data = copy;
    current.size = input->len;
    current.running = true;
    alarm(HANG_SECONDS);
    LLVMFuzzerTestOneInput(copy, input->len);
    alarm(0);
    current.running = false;
    free(copy);
}

static void corpus_add(struct corpus *c, struct slice text)
{
    struct buffer *inputs = realloc(c->inputs, (c->count + 1) * sizeof *inputs);
    FUZZ_CHECK(inputs);
    c->inputs = inputs;
    inputs[c->count] = BUFFER_INIT;
    buffer_reserve(&inputs[c->count], 1); // so that `data` is never NULL
    buffer_append(&inputs[c->count], text.data, text.len);
    FUZZ_CHECK(!inputs[c->count].failed);
    c->count++;
}

static bool corpus_add_path(struct corpus *c, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    if (S_ISDIR(st.st_mode)) {
        struct dirent **entries;
        int n = scandir(path, &entries, NULL, alphasort), added = 0;
        for (int i = 0; i < n; i++) {
            char inner[4096];
            int len = snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
            if (entries[i]->d_name[0] != '.' && len < (int)sizeof inner)
                added += corpus_add_path(c, inner);
            free(entries[i]);
        }
        if (n >= 0)
            free(entries);
        return added > 0;
    }
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    struct buffer text = BUFFER_INIT;
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buffer_append(&text, part, n);
    bool good = !ferror(f) && !text.failed;
    fclose(f);
    if (good)
        corpus_add(c, (struct slice){text.data, text.len});
    buffer_release(&text);
    return good;
}

// Replaces `cut` bytes at `at` by `with`.
static void replace_part(struct buffer *b, size_t at, size_t cut, struct slice with)
{
    struct buffer made = BUFFER_INIT;
    buffer_reserve(&made, 1); // so that `data` is never NULL
    buffer_append(&made, b->data, at);
    buffer_append(&made, with.data, with.len);
    buffer_append(&made, b->data + at + cut, b->len - at - cut);
    FUZZ_CHECK(!made.failed);
    buffer_release(b);
    *b = made;
}

// A part of `b`, mostly a short one.
static struct slice pick_part(uint64_t *state, const struct buffer *b)
{
    size_t at = pick(state, b->len + 1), most = b->len - at;
    if (most > 16 && pick(state, 4) != 0)
        most = 16;
    return (struct slice){b->data + at, pick(state, most + 1)};
}

static void mutate(uint64_t *state, struct buffer *b, const struct corpus *c, size_t max_len)
{
    static const unsigned char odd[] = {0x00, 0x09, 0x0A, 0x1F, 0x20, 0x22, 0x5C, 0x7F, 0x80, 0xBF,
                                        0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF, '0',  '-',  'e'};
    size_t token_count = 0, at = pick(state, b->len + 1);
    const struct slice *tokens = fuzz_tokens ? fuzz_tokens(&token_count) : NULL;

    switch (pick(state, 10)) {
    case 0: // a bit
        if (at < b->len)
            b->data[at] = (char)(b->data[at] ^ 1 << pick(state, 8));
        break;
    case 1: // a byte in place of another
        if (at < b->len)
            b->data[at] = (char)odd[pick(state, sizeof odd)];
        break;
    case 2: { // a byte more
        char byte = (char)(pick(state, 2) ? odd[pick(state, sizeof odd)] : pick(state, 256));
        replace_part(b, at, 0, (struct slice){&byte, 1});
        break;
    }
    case 3: { // some bytes fewer
        struct slice part = pick_part(state, b);
        if (part.len > 0)
            replace_part(b, (size_t)(part.data - b->data), part.len, SLICE(""));
        break;
    }
    case 4: // the end cut off
        b->len = at;
        break;
    case 5:
    case 6: // a token more, or in place of a byte
        if (token_count > 0)
            replace_part(b, at, at < b->len ? pick(state, 2) : 0, tokens[pick(state, token_count)]);
        break;
    case 7: { // a part again, perhaps many times
        struct slice part = pick_part(state, b);
        struct buffer again = BUFFER_INIT;
        for (size_t times = pick(state, 8) ? 1 : pick(state, 300); times > 0 && again.len < max_len; times--)
            buffer_append(&again, part.data, part.len);
        FUZZ_CHECK(!again.failed);
        replace_part(b, at, 0, (struct slice){again.data, again.len});
        buffer_release(&again);
        break;
    }
    default: { // a part of another input
        struct slice part = pick_part(state, &c->inputs[pick(state, c->count)]);
        struct slice gone = pick_part(state, b);
        if (b->len > 0)
            replace_part(b, (size_t)(gone.data - b->data), gone.len, part);
        else
            replace_part(b, 0, 0, part);
        break;
    }
    }
    if (b->len > max_len)
        b->len = max_len;
}

static bool take_number(const char *arg, const char *name, uint64_t *out)
{
    size_t len = strlen(name);
    char *end;
    if (strncmp(arg, name, len) != 0)
        return false;
    *out = strtoull(arg + len, &end, 10);
    return end != arg + len && *end == 0;
}

int main(int argc, char **argv)
{
    uint64_t runs = 100000, seed = 1, max_len = 4096;
    struct corpus c = {0};

    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        if (take_number(argv[i], "-runs=", &runs) || take_number(argv[i], "-seed=", &seed) ||
            take_number(argv[i], "-max_len=", &max_len))
            continue;
        if (argv[i][0] == '-' || !corpus_add_path(&c, argv[i])) {
            fprintf(stderr,
                    "%s: no option and no readable file or folder with files\n"
                    "usage: %s [-runs=N] [-seed=N] [-max_len=N] [FILE | FOLDER]...\n",
                    argv[i], argv[0]);
            return 2;
        }
    }
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(save_current);
    static const int fatal[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    // A sanitizer reports SIGSEGV and the like itself, and then calls back.
    for (size_t i = 0; i < (__sanitizer_set_death_callback ? 2 : sizeof fatal / sizeof *fatal); i++)
        signal(fatal[i], on_signal);

    size_t count = 0;
    const struct slice *seeds = fuzz_seeds ? fuzz_seeds(&count) : NULL;
    for (size_t i = 0; i < count; i++)
        corpus_add(&c, seeds[i]);
    if (c.count == 0)
        corpus_add(&c, SLICE(""));

    current.seed = seed;
    for (size_t i = 0; i < c.count; i++)
        run_one(&c.inputs[i]);
    for (uint64_t run = 1; run <= runs; run++) {
        uint64_t state = seed * UINT64_C(0x2545F4914F6CDD1D) + run;
        const struct buffer *from = &c.inputs[pick(&state, c.count)];
        struct buffer input = BUFFER_INIT;
        buffer_reserve(&input, 1);
        buffer_append(&input, from->data, from->len);
        for (size_t times = 1 + pick(&state, pick(&state, 2) ? 2 : 8); times > 0; times--)
            mutate(&state, &input, &c, (size_t)max_len);
        current.run = run;
        run_one(&input);
        buffer_release(&input);
    }
    printf("%zu inputs as they are, %llu made from them with seed %llu: all well\n", c.count,
           (unsigned long long)runs, (unsigned long long)seed);
    for (size_t i = 0; i < c.count; i++)
        buffer_release(&c.inputs[i]);
    free(c.inputs);
    return 0;
}
