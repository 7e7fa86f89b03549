/* SPDX-License-Identifier: MIT
 * fd_limit.h - raises the limit of file descriptors to what all clients can need
 */
#ifndef DAEMON_FD_LIMIT_H
#define DAEMON_FD_LIMIT_H

/*
 * The sum of the bounds of all parties:
 *
 *   2,048	sent by others, that wait to be closed, and more on their way when the
 *		closer is behind (util/closer.h)
 *   1,088	32 clients of the control socket, and 32 descriptors with a request of each
 *     480	30 devices: node, worker, image; libusb has three each
 *     253	that one message may bring before they are counted
 *      68	4 connections of monitors, and 16 descriptors with a message of each
 *      64	eventfds, of 8 MSI and 8 MSI-X vectors, twice while they change; with room
 *      95	our own: sockets, locks, loop, workers, rules, capture, standard ones
 */
#define FD_LIMIT_NEED 4096u

/* Raises the soft limit (RLIMIT_NOFILE) to that, if it is lower; logs a warning if the hard limit
 * is too low. */
void fd_limit_raise(void);

#endif /* DAEMON_FD_LIMIT_H */
