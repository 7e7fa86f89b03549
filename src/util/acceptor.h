/* SPDX-License-Identifier: MIT
 * acceptor.h - a listening socket whose connections are taken in the loop
 *
 * A bounded number in one go. While the closer is behind (closer.h) they wait in the socket's queue:
 * each that is refused can bring something to close. When the process has no file descriptor left, a connection
 * would stay in the queue, and the socket ready for ever: it is taken with an fd kept for
 * that, and turned away. Loop thread only.
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
 * @patient:	only twice as much makes it wait: what comes by other sockets cannot alone
 * @fd:		listening, owned; -1: not started
 * @spare_fd:	owned: given up for a moment to turn a connection away
 * @accepted:	a new connection: not blocking, close-on-exec; taken
 * @turned_away: one there is no fd for, to say a word or not; taken
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

/* Nothing to finish yet; the callbacks are left alone. */
void acceptor_init(struct acceptor *acceptor);
/* @fd: listening and not blocking; taken, also on failure. Return: 0 or -errno. */
MUST_USE int acceptor_start(struct acceptor *acceptor, struct loop *loop, int fd);
/* Closes the socket. After acceptor_init() at least. */
void acceptor_finish(struct acceptor *acceptor);

#endif /* UTIL_ACCEPTOR_H */
