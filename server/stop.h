// Stopping: no new jobs, what runs may finish for a while, and then all is taken apart. Main thread.
#ifndef SERVER_STOP_H
#define SERVER_STOP_H

struct daemon;

// Puts and gets are refused and nobody can connect any more. The loop of events ends when the pool has
// nothing to do and no consumer holds a job under its connection, or when shutdown_timeout is over.
void stop_begin(struct daemon *d);

// From then on: no more time for what runs.
void stop_hurry(struct daemon *d);

// While it stops: looks whether the loop of events may end.
void stop_look(struct daemon *d);

// Takes apart what there is, in the order in which the parts need each other.
void stop_all(struct daemon *d);

#endif
