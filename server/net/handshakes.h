// Where TLS connections begin: a thread of its own makes their handshakes and gives them to the loops then.
// So what a handshake costs, which is thousands of times what a request does, never stands in the way of a
// request; and what those cost who do not go on with it is bounded: so many at a time, each for so long.
// Who comes when there are as many as may be waits; while somebody waits, those who take more than a second
// have to go.
#ifndef NET_HANDSHAKES_H
#define NET_HANDSHAKES_H

#include <stdbool.h>
#include <stdint.h>

struct handshakes;
struct loop;
struct tls;

// Starts the thread. All that is given is to outlive it; `most` at a time, each for `ms` at most, waiting
// included. NULL: it cannot be (errno).
struct handshakes *handshakes_start(struct tls *tls, unsigned most, int64_t ms);

// Ends the thread and closes what is under way. Nothing may be given any more.
void handshakes_stop(struct handshakes *h);
void handshakes_free(struct handshakes *h); // after that; NULL is fine

// A new connection, for the loop that has the fewest then. Any thread. False: no memory, or too many
// strangers (loop_strangers()), and it is closed.
bool handshakes_give(struct handshakes *h, int fd_take, struct loop *loops, unsigned loop_count);

// Changes the bounds. Any thread.
void handshakes_limit(struct handshakes *h, unsigned most, int64_t ms);

// How many are under way or wait. Any thread.
unsigned handshakes_count(const struct handshakes *h);

// How many came to a good end and how many did not, since the start. Any thread.
struct handshakes_figures {
    uint64_t done, failed;
};
struct handshakes_figures handshakes_figures(const struct handshakes *h);

#endif
