/* SPDX-License-Identifier: MIT
 * signaller.h - signalling eventfds of others without ever waiting
 *
 * An eventfd is shared with the client: poll() may say that a write would not
 * wait, and the client fills the counter before we write. So the kernel is asked
 * to signal it at the end of a read (Linux AIO, IOCB_FLAG_RESFD): of no bytes, from
 * /dev/null, hence at once. That adds 1 to the counter; a full one stays full, which
 * waits for nobody. One system call (io_submit); results are taken off the ring in
 * memory.
 *
 * Without AIO (not in the kernel, fs.aio-max-nr used up, a sandbox, no memory for the moment)
 * we call write() under a timer, whose signal ends a write that waits.
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

/* Asks the kernel for what signals of this process need, and installs a handler for
 * SIGRTMIN + 2: before the first signal, and before a sandbox that forbids it. On the thread
 * that will signal. Fine at any time again. @with_aio: false for tests.
 * Return: 0 or -errno of timer_create(). */
MUST_USE int signaller_prepare(bool with_aio);

/**
 * signaller_signal() - add 1 to an eventfd's counter
 * @fd:		an eventfd (borrowed)
 *
 * A counter that is full is a signal not yet seen: one more says nothing new, and is
 * success; but without AIO, where the eventfd would block, -ETIMEDOUT.
 * Return: 0; -ETIMEDOUT: a write had to be ended after SIGNALLER_WAIT_MAX_NS;
 * -EINVAL or -EBADF no eventfd; -errno, try again some time.
 */
MUST_USE int signaller_signal(int fd);

/* False: it writes under a timer. */
bool signaller_has_aio(void);

#endif /* VUSER_SIGNALLER_H */
