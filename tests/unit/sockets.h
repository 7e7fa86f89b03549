/* SPDX-License-Identifier: MIT
 * sockets.h - clients of servers in the same process, with fds
 *
 * Anything unexpected fails the running cmocka test.
 */
#ifndef TESTS_UNIT_SOCKETS_H
#define TESTS_UNIT_SOCKETS_H

#include <stddef.h>

/* In one message: as many as the kernel takes. */
#define SOCKETS_FDS_MAX 253u

/* Of this process, when those that wait for being closed have been. */
int count_open_fds(void);
/* Return: owned. */
int listen_at(const char *path);
int connect_to(const char *path);
/* All at once, with @nfds of @fds. */
void send_bytes(int fd, const void *bytes, size_t len, const int *fds, unsigned nfds);
/* Nothing has come, and the other end is there; or it has closed. */
void expect_silence(int fd);
void expect_closed(int fd);

#endif /* TESTS_UNIT_SOCKETS_H */
