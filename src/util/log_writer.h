/* SPDX-License-Identifier: MIT
 * log_writer.h - a thread that writes log lines and may wait for the reader
 *
 * stderr may be a pipe, a stopped terminal or a service manager's socket that no one reads.
 * O_NONBLOCK would apply to every process that shares it, and polling before each write races with
 * them. So lines go into a ring of fixed size, and a thread writes them. When the ring is full,
 * lines are dropped and counted until the thread has emptied it; then a line says how many. Any
 * thread.
 */
#ifndef UTIL_LOG_WRITER_H
#define UTIL_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

/* Size of the ring. */
#define LOG_WRITER_RING_BYTES ((size_t)256 * 1024)

/* Starts the thread, which writes all lines from now on. Once per process. Return: 0 or -errno. */
MUST_USE int log_writer_start(void);
/* Takes a whole line with its newline. Never waits. Return: false if there is no thread. */
MUST_USE bool log_writer_put(const char *line, size_t len);
/* Waits up to @limit_ns until the thread has written all lines, before the process ends. Return:
 * true if it has. */
bool log_writer_flush(uint64_t limit_ns);

#endif /* UTIL_LOG_WRITER_H */
