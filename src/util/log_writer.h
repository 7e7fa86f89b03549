/* SPDX-License-Identifier: MIT
 * log_writer.h - log lines leave by a thread, which may wait for who reads them
 *
 * stderr may be a pipe, a stopped terminal or a service manager's socket that nobody reads.
 * O_NONBLOCK would be set for all who share it, and to ask first (poll) and write then is a
 * race with them. So lines go into a ring of fixed size, and a thread writes them. When that
 * is full, lines are counted and dropped until all of it has been written; then a line tells
 * how many. Any thread.
 */
#ifndef UTIL_LOG_WRITER_H
#define UTIL_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

/* Bytes of lines that may wait. */
#define LOG_WRITER_RING_BYTES ((size_t)256 * 1024)

/* Lines go by the thread from now on. Once in the life of a process. Return: 0 or -errno. */
MUST_USE int log_writer_start(void);
/* Takes a line, whole, with its newline. Never waits. Return: false if there is no thread. */
MUST_USE bool log_writer_put(const char *line, size_t len);
/* Waits until all lines have been written, @limit_ns at most: before the process ends. Return:
 * false if they have not. */
bool log_writer_flush(uint64_t limit_ns);

#endif /* UTIL_LOG_WRITER_H */
