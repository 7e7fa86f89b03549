/* SPDX-License-Identifier: MIT
 * sockets.h - clients that pass fds to servers in the same process
 *
 * Anything unexpected fails the running cmocka test.
 */
#ifndef TESTS_UNIT_SOCKETS_H
#define TESTS_UNIT_SOCKETS_H

#include <stddef.h>

/* The kernel's maximum of fds in a message. */
#define SOCKETS_FDS_MAX 253u

/* Waits until util/closer.h has closed its fds. Return: open fds of this process, and a constant */
int count_open_fds(void);
/* Returns owned. */
int listen_at(const char *path);
int connect_to(const char *path);
/* Sends all bytes in one message, with @nfds of @fds. */
void send_bytes(int fd, const void *bytes, size_t len, const int *fds, unsigned nfds);
/* Demand that the peer is open and has sent nothing, or that it has closed. */
void expect_silence(int fd);
void expect_closed(int fd);

#endif /* TESTS_UNIT_SOCKETS_H */
