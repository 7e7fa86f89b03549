/* SPDX-License-Identifier: MIT
 * daemon.h - daemons and their control sockets
 */
#ifndef CTL_DOCTOR_DAEMON_H
#define CTL_DOCTOR_DAEMON_H

#include <stddef.h>

struct doctor;

/* The control socket at @path: whether a daemon answers there, its VMM shares memory, and it has
 * a sandbox. */
void doctor_check_socket(const struct doctor *doctor, const char *path);
/* All control sockets in @folders, which may be NULL each. */
void doctor_check_folders(const struct doctor *doctor, const char *const folders[],
			  size_t nfolders);

#endif /* CTL_DOCTOR_DAEMON_H */
