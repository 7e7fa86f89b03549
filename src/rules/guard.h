/* SPDX-License-Identifier: MIT
 * guard.h - devices that the host needs itself
 *
 * Reads /sys and /proc, which may wait: for a worker's thread. Any thread.
 */
#ifndef RULES_GUARD_H
#define RULES_GUARD_H

#include "util/compiler.h"
#include "util/err.h"

struct hostdev;

/**
 * guard_check() - whether the host can do without a device
 * @root:	prefix of all paths, "" but for tests
 * @dev:	as just read
 * @err:	the reason, and what to do; it mentions "force" where that helps
 *
 * The guard refuses hubs; disks that the host has mounted or swaps on, by themselves or
 * below RAID, LVM, encryption or btrfs; the only keyboard; devices that a program has
 * claimed. It does not see mounts in mount namespaces other than ours and init's, nor
 * ZFS.
 *
 * Return: 0; -EBUSY if a program has the device, perhaps not for long; else -EPERM.
 */
MUST_USE int guard_check(const char *root, const struct hostdev *dev, struct err *err);

#endif /* RULES_GUARD_H */
