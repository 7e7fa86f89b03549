/* SPDX-License-Identifier: MIT
 * pass_fds.h - bytes and file descriptors, sent in one message
 */
#ifndef TESTS_LIB_PASS_FDS_H
#define TESTS_LIB_PASS_FDS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "util/compiler.h"

/* Most descriptors that the kernel takes in one message. */
#define PASS_FDS_MAX 253u

/* Sends as much of @iov as fits without waiting, with the @nfds descriptors @fds
 * (borrowed; NULL if none). Return: bytes sent, or -errno: -EAGAIN without room, -EPIPE
 * the other end is closed, -EINVAL too many descriptors. */
MUST_USE ssize_t pass_fds(int fd, struct iovec *iov, size_t niov, const int *fds,
			  unsigned nfds);

#endif /* TESTS_LIB_PASS_FDS_H */
