/* SPDX-License-Identifier: MIT
 * landlock.h - limits which files this process can open, by Landlock
 */
#ifndef DAEMON_SANDBOX_LANDLOCK_H
#define DAEMON_SANDBOX_LANDLOCK_H

#include "util/compiler.h"

struct sandbox_path;

/* The newest version of Landlock that the kernel offers, or -errno: -ENOSYS, it has none;
 * -EOPNOTSUPP, it is switched off. */
MUST_USE int sandbox_landlock_abi(void);
/* From now on this thread can open nothing beyond @paths, which are open. Return: 0 or -errno. */
MUST_USE int sandbox_landlock(int abi, const struct sandbox_path *paths, unsigned count);

#endif /* DAEMON_SANDBOX_LANDLOCK_H */
