/* SPDX-License-Identifier: MIT
 * daemon.h - daemons and their control sockets
 */
#ifndef CTL_DOCTOR_DAEMON_H
#define CTL_DOCTOR_DAEMON_H

#include <stddef.h>

struct doctor;

/* Checks the control socket at @path: whether a daemon answers there, whether its VMM shares
 * memory, and its sandbox. */
void doctor_check_socket(const struct doctor *doctor, const char *path);
/* Checks all control sockets in @folders, each of which may be NULL. */
void doctor_check_folders(const struct doctor *doctor, const char *const folders[],
			  size_t nfolders);

#endif /* CTL_DOCTOR_DAEMON_H */
