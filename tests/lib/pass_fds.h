/* SPDX-License-Identifier: MIT
 * pass_fds.h - bytes and file descriptors, sent in one message
 */
#ifndef TESTS_LIB_PASS_FDS_H
#define TESTS_LIB_PASS_FDS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "util/compiler.h"

/* In one message: as many as the kernel takes. */
#define PASS_FDS_MAX 253u

/* Sends what there is room for, without waiting, with @nfds of @fds, borrowed
 * (which may be NULL if there are none). Return: bytes sent, or -errno: -EAGAIN without
 * room, -EPIPE if the other end has closed, -EINVAL for too many. */
MUST_USE ssize_t pass_fds(int fd, struct iovec *iov, size_t niov, const int *fds,
			  unsigned nfds);

#endif /* TESTS_LIB_PASS_FDS_H */
