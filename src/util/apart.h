/* SPDX-License-Identifier: MIT
 * apart.h - a call that another party can hold for ever, made by a process of its own
 *
 * A thread that waits for a file system or a device cannot always be killed, and a process does
 * not end before the last of its threads. So a worker has such a call made by a process that
 * shares its memory and descriptors, and only waits for that, which SIGKILL and exit() end.
 * If our process ends meanwhile the other one is left behind, and ends when its call does.
 *
 * Under valgrind, which ends a program that makes such a process, the thread makes the call.
 *
 * System calls: clone (CLONE_VM, CLONE_VFORK, CLONE_FILES, SIGCHLD), mmap, munmap; wait4, which a
 * process that ignores SIGCHLD can do without.
 */
#ifndef UTIL_APART_H
#define UTIL_APART_H

#include <stddef.h>

/* Calls @fn(@arg), which may do what the calling thread could do, but has a stack of
 * APART_STACK_BYTES only. Where no process can be had, the thread calls it by itself. Not for
 * the loop thread. */
#define APART_STACK_BYTES ((size_t)256 * 1024)
void run_apart(void (*fn)(void *arg), void *arg);

#endif /* UTIL_APART_H */
