/* SPDX-License-Identifier: MIT
 * apart.h - a call that another party can hold for ever, made by a process of its own
 *
 * A thread that waits for a file system or a device cannot always be killed, and a process ends
 * only with the last of its threads. So a worker lets a process that shares its memory and
 * descriptors make such a call, and waits for that process; SIGKILL and exit() end this wait.
 * If our process ends meanwhile, the other one stays behind and ends when its call returns.
 *
 * valgrind ends a program that makes such a process; under it the thread makes the call itself.
 *
 * System calls: clone (CLONE_VM, CLONE_VFORK, CLONE_FILES, SIGCHLD), mmap, munmap; wait4, which a
 * process that ignores SIGCHLD can do without.
 */
#ifndef UTIL_APART_H
#define UTIL_APART_H

#include <stddef.h>

/* Calls @fn(@arg), which may do whatever the calling thread could do, on a stack of
 * APART_STACK_BYTES. If no process can be made, the thread makes the call itself. Not for the loop
 * thread. */
#define APART_STACK_BYTES ((size_t)256 * 1024)
void run_apart(void (*fn)(void *arg), void *arg);

#endif /* UTIL_APART_H */
