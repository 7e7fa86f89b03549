/* SPDX-License-Identifier: MIT
 * acceptor.h - accept connections of a listening socket in the loop
 *
 * Accepts a bounded number in one go. While the closer is behind (closer.h), connections wait in
 * the socket's queue, because even a refused connection can bring descriptors to close. When the
 * process is out of file descriptors, a connection would stay in the queue and keep the socket
 * ready for ever: the acceptor takes it with a spare fd and turns it away. Loop thread only.
 */
#ifndef UTIL_ACCEPTOR_H
#define UTIL_ACCEPTOR_H

#include <stdbool.h>

#include "util/compiler.h"

struct loop;
struct loop_timer;
struct loop_watch;

/**
 * struct acceptor - part of its owner, who sets the callbacks
 * @patient:	wait only if the closer is twice as far behind, so that other sockets alone cannot
 *		keep this one waiting
 * @fd:		listening, owned; -1: not started
 * @spare_fd:	owned; closed for a moment to turn a connection away
 * @accepted:	called with a new connection: non-blocking, close-on-exec; takes it
 * @turned_away: called with a connection that got the spare fd: may send a last word; takes it
 */
struct acceptor {
	void (*accepted)(void *ctx, int fd);
	void (*turned_away)(void *ctx, int fd);
	void *ctx;
	bool patient;
	int fd;
	int spare_fd;
	struct loop_watch *watch;
	struct loop_timer *pause;
};

/* Leaves the callbacks alone; acceptor_finish() is then safe. */
void acceptor_init(struct acceptor *acceptor);
/* Takes @fd (listening, non-blocking), also on failure. Return: 0 or -errno. */
MUST_USE int acceptor_start(struct acceptor *acceptor, struct loop *loop, int fd);
/* Closes the socket. Needs acceptor_init() first. */
void acceptor_finish(struct acceptor *acceptor);

#endif /* UTIL_ACCEPTOR_H */
