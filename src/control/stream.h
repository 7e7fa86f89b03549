/* SPDX-License-Identifier: MIT
 * stream.h - a blocking unix stream socket with a deadline for each step
 */
#ifndef CONTROL_STREAM_H
#define CONTROL_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/compiler.h"
#include "util/err.h"

#define CONTROL_FOREVER UINT64_MAX

/* The clock_now_ns() in @timeout_ms from now; -1 = CONTROL_FOREVER. */
uint64_t control_deadline(int timeout_ms);

/* Fills @err. Return: -ETIMEDOUT. */
MUST_USE int control_stream_timeout(struct err *err);
/* Return: fd, owned, or -errno with @err filled. */
MUST_USE int control_stream_connect(const char *path, uint64_t deadline_ns,
				    struct err *err);
/* Sends all bytes, with @passed (borrowed) at the first one unless that is -1.
 * Return: 0 or -errno with @err filled; -EPIPE if the daemon reads no more. */
MUST_USE int control_stream_send(int fd, const void *bytes, size_t len, int passed,
				 uint64_t deadline_ns, struct err *err);
/* Waits for some bytes. Return: how many, 0 at the end, -errno with @err filled. */
MUST_USE ssize_t control_stream_receive(int fd, void *buf, size_t len,
					uint64_t deadline_ns, struct err *err);

#endif /* CONTROL_STREAM_H */
