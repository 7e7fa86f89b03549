/* SPDX-License-Identifier: MIT
 * access.h - the modes of the sandbox, and the rights beneath a path
 */
#ifndef DAEMON_SANDBOX_ACCESS_H
#define DAEMON_SANDBOX_ACCESS_H

enum sandbox_mode {
	SANDBOX_MODE_ON,
	SANDBOX_MODE_LOG, /* logs the system calls that SANDBOX_MODE_ON would refuse */
	SANDBOX_MODE_OFF,
};

/* What the process may do beneath a path. It can always check whether something is there. */
#define SANDBOX_READ   1u /* files, and lists of folders */
#define SANDBOX_WRITE  2u /* files and device nodes that are there */
#define SANDBOX_MAKE   4u /* files and FIFOs, in a folder */
#define SANDBOX_REMOVE 8u /* files, from a folder */
#define SANDBOX_ALL    15u
/* The start logs a warning if it is not there. */
#define SANDBOX_EXPECTED 16u

#endif /* DAEMON_SANDBOX_ACCESS_H */
