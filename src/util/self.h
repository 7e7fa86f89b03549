/* SPDX-License-Identifier: MIT
 * self.h - who this process is, for when the kernel cannot be asked any more
 */
#ifndef UTIL_SELF_H
#define UTIL_SELF_H

#include <sys/types.h>

/* Notes it, before the sandbox is shut and before the second thread. Without it the kernel is
 * asked each time. */
void self_note(void);

/* The effective ones. Any thread. */
uid_t self_uid(void);
gid_t self_gid(void);
pid_t self_pid(void);

#endif /* UTIL_SELF_H */
