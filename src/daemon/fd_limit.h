/* SPDX-License-Identifier: MIT
 * fd_limit.h - as many file descriptors as all that may connect need
 */
#ifndef DAEMON_FD_LIMIT_H
#define DAEMON_FD_LIMIT_H

/*
 * What the bounds of all parties come to:
 *
 *   2,048	of others, that wait for being closed, and what is on its way there when the
 *		closer is behind (util/closer.h)
 *   1,088	32 clients of the control socket, and 32 descriptors with a request of each
 *     480	30 devices: node, worker, image; libusb has three each
 *     253	that one message may bring before they are counted
 *      68	4 connections of monitors, and 16 descriptors with a message of each
 *      64	eventfds, of 8 MSI and 8 MSI-X vectors, twice while they change; with room
 *      95	our own: sockets, locks, loop, workers, rules, capture, standard ones
 */
#define FD_LIMIT_NEED 4096u

/* Raises the soft limit (RLIMIT_NOFILE) to that, if it is lower, and says so if the hard one
 * is too low. */
void fd_limit_raise(void);

#endif /* DAEMON_FD_LIMIT_H */
