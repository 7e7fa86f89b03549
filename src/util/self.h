/* SPDX-License-Identifier: MIT
 * self.h - the ids of this process, for when the sandbox refuses to ask the kernel
 */
#ifndef UTIL_SELF_H
#define UTIL_SELF_H

#include <sys/types.h>

/* Notes the ids, before the sandbox is shut and before there is a second thread. Without it the
 * functions below ask the kernel. */
void self_note(void);

/* The effective ids. Any thread. */
uid_t self_uid(void);
gid_t self_gid(void);
pid_t self_pid(void);

#endif /* UTIL_SELF_H */
