// TLS on a connection's socket: what recv, send and shutdown are without it, after a handshake.
//
// One thread at a time; it may pass from one to another. While idle it holds no buffer.
#ifndef NET_SECURE_H
#define NET_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct secure;
struct tls;

enum secure_state { SECURE_DONE, SECURE_WANTS_READ, SECURE_WANTS_WRITE, SECURE_FAILED };

// For a non-blocking socket, which is taken. NULL: no memory, and it is closed.
struct secure *secure_new(struct tls *tls, int fd_take);

// Closes the socket, and says before it that this is the end where nobody was told yet.
void secure_close(struct secure *s);

// The socket stays this one's.
int secure_fd(const struct secure *s);

// Goes on with the handshake. What it waits for comes back, or that it is done or failed; then
// secure_trouble() says why, in words that go behind "because", and whether the other end speaks TLS at all.
enum secure_state secure_handshake(struct secure *s);
const char *secure_trouble(const struct secure *s);
bool secure_is_plain(const struct secure *s);

// Who the other end is by its certificate, which was verified; NULL: it has none. Any thread, once the
// handshake is done.
const char *secure_name(const struct secure *s);

// As recv() and send(): 0 is the end, -1 an error, with errno; EAGAIN: nothing can be had or taken now. One
// call receives all that is there up to SECURE_READ, which `room` may not be less than; nothing that was
// received stays behind but what is incomplete. What send did not take has to begin what it is given next.
#define SECURE_READ ((size_t)64 * 1024)
ssize_t secure_recv(struct secure *s, char *into, size_t room);
ssize_t secure_send(struct secure *s, const char *data, size_t len);

// The other end has said that it sends no more, which secure_recv() found behind what it gave back.
bool secure_ended(const struct secure *s);

// Says that nothing more is sent.
void secure_end(struct secure *s);

// Whether the other end would be let in today: it began with the present files, or see tls_still_trusted(),
// which takes some time.
bool secure_is_current(const struct secure *s);
bool secure_still_trusted(struct secure *s);

#endif
