#include "client/cli/top.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// A screen of its own and no cursor; and back.
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?2026l\033[0m\033[?25h\033[?1049l"

// One terminal. The handler uses only what may be used in one, so that a signal counts at once, also while a
// daemon does not answer: nothing is lost but the picture.
static struct {
    bool entered;
    struct termios before;
    int pipe[2]; // a byte: the picture has to be drawn again
} screen = {.pipe = {-1, -1}};

static const int signals[] = {SIGWINCH, SIGTSTP, SIGCONT, SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void say(const char *text)
{
    ssize_t n = write(STDOUT_FILENO, text, strlen(text));
    (void)n; // a terminal that is gone needs nothing
}

static bool make_raw(void)
{
    struct termios raw = screen.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == 0;
}

static void give_back(void)
{
    say(LEAVE);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen.before);
}

static void on_signal(int number)
{
    int saved = errno;
    if (number == SIGTSTP) { // the shell gets its terminal as it was
        give_back();
        raise(SIGSTOP);
        make_raw();
        say(ENTER);
    } else if (number != SIGWINCH && number != SIGCONT) {
        give_back();
        signal(number, SIG_DFL);
        raise(number); // once this returns
    }
    ssize_t n = write(screen.pipe[1], "", 1); // full: there is enough to see to
    (void)n;
    errno = saved;
}

static void hear_signals(bool on)
{
    struct sigaction action = {.sa_handler = on ? on_signal : SIG_DFL, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}

bool top_screen_enter(void)
{
    if (tcgetattr(STDIN_FILENO, &screen.before) < 0) {
        fprintf(stderr, "taskq: standard input is no terminal; `taskq top --once` needs none\n");
        return false;
    }
    if (screen.pipe[0] < 0 && pipe2(screen.pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
        fprintf(stderr, "taskq: %s\n", strerror(errno));
        return false;
    }
    hear_signals(true);
    screen.entered = make_raw();
    if (screen.entered)
        say(ENTER);
    return screen.entered;
}

void top_screen_leave(void)
{
    if (!screen.entered)
        return;
    screen.entered = false;
    hear_signals(false);
    give_back();
}

// What follows ESC, as far as it is there.
static int read_escape(void)
{
    static const struct {
        const char *text;
        int key;
    } keys[] = {{"[A", TOP_KEY_UP},   {"[B", TOP_KEY_DOWN},     {"OA", TOP_KEY_UP},
                {"OB", TOP_KEY_DOWN}, {"[5~", TOP_KEY_PAGE_UP}, {"[6~", TOP_KEY_PAGE_DOWN},
                {"[H", TOP_KEY_HOME}, {"[F", TOP_KEY_END},      {"[1~", TOP_KEY_HOME},
                {"[4~", TOP_KEY_END}, {"OH", TOP_KEY_HOME},     {"OF", TOP_KEY_END}};
    char text[8] = "";
    size_t len = 0;
    struct pollfd more = {.fd = STDIN_FILENO, .events = POLLIN};
    while (len < sizeof(text) - 1 && poll(&more, 1, 20) == 1 && read(STDIN_FILENO, text + len, 1) == 1) {
        char c = text[len++];
        if (len > 1 && ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '~'))
            break;
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(text, keys[i].text) == 0)
            return keys[i].key;
    return len == 0 ? TOP_KEY_ESCAPE : 0;
}

enum top_event top_screen_wait(int ms, int *key)
{
    struct pollfd fds[] = {{.fd = screen.pipe[0], .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    unsigned char byte;
    if (poll(fds, 2, ms) < 0 && errno != EINTR)
        return TOP_GONE;
    if (fds[0].revents) {
        while (read(screen.pipe[0], &byte, 1) == 1)
            ;
        return TOP_RESIZED;
    }
    if (!(fds[1].revents))
        return TOP_TICK;
    ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return TOP_TICK;
    if (n <= 0)
        return TOP_GONE;
    *key = byte == 0x1b ? read_escape() : byte;
    return TOP_KEY;
}

void top_screen_size(unsigned *rows, unsigned *columns)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
    *rows = known ? size.ws_row : 24;
    *columns = known ? size.ws_col : 80;
}

bool top_screen_write(const struct buffer *b)
{
    size_t at = 0;
    while (at < b->len) {
        ssize_t n = write(STDOUT_FILENO, b->data + at, b->len - at);
        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}
