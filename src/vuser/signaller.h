/* SPDX-License-Identifier: MIT
 * signaller.h - signalling eventfds of others without ever waiting
 *
 * We share an eventfd with the client: poll() may say that a write would not wait, and
 * the client fills the counter before we write. So we let the kernel signal it at the
 * end of a read (Linux AIO, IOCB_FLAG_RESFD) of no bytes from /dev/null, which ends at
 * once. That adds 1 to the counter; a full counter stays full, and no call waits. One
 * system call (io_submit); we take the results off the ring in memory.
 *
 * Without AIO (not in the kernel, fs.aio-max-nr used up, a sandbox, no memory for the moment)
 * we call write() under a timer, whose signal ends a waiting write.
 *
 * System calls while it is used: io_submit; in its place timer_settime, write and
 * rt_sigreturn, also with AIO, when io_submit fails. Loop thread only, the same one always.
 * Decision 13 (docs/decisions/013-interrupts-without-a-blocking-write.md).
 */
#ifndef VUSER_SIGNALLER_H
#define VUSER_SIGNALLER_H

#include <stdbool.h>

#include "util/compiler.h"

/* How long a write may wait. */
#define SIGNALLER_WAIT_MAX_NS 2000000

/* Gets the AIO context and the timer from the kernel, and installs a handler for
 * SIGRTMIN + 2. Call it before the first signal, and before a sandbox forbids that, on the
 * thread that will signal; again at any time. @with_aio: false for tests.
 * Return: 0 or -errno of timer_create(). */
MUST_USE int signaller_prepare(bool with_aio);

/**
 * signaller_signal() - add 1 to an eventfd's counter
 * @fd:		an eventfd (borrowed)
 *
 * A full counter is a signal that the client has not seen yet, so one more is success; but
 * without AIO, where the eventfd would block, -ETIMEDOUT.
 * Return: 0; -ETIMEDOUT: the timer ended a write after SIGNALLER_WAIT_MAX_NS; -EINVAL or
 * -EBADF: no eventfd; another -errno: try again later.
 */
MUST_USE int signaller_signal(int fd);

/* False: it writes under a timer. */
bool signaller_has_aio(void);

#endif /* VUSER_SIGNALLER_H */
