/* SPDX-License-Identifier: MIT
 * guard.h - devices that the host would miss
 *
 * Reads /sys and /proc, which may wait: for a worker's thread. Any thread.
 */
#ifndef RULES_GUARD_H
#define RULES_GUARD_H

#include "util/compiler.h"
#include "util/err.h"

struct hostdev;

/**
 * guard_check() - may this device be taken from the host?
 * @root:	prefix of all paths, "" but for tests
 * @dev:	as just read
 * @err:	the reason, and what to do; "force" is named in it where that helps
 *
 * Refused are hubs; disks that the host has mounted or swaps on, by themselves or
 * below RAID, LVM, encryption or btrfs; the only keyboard; devices that a program has
 * claimed. Not known are mounts in other mount namespaces than ours and init's, and
 * ZFS.
 *
 * Return: 0; -EBUSY a program has it, which may be over soon; -EPERM otherwise.
 */
MUST_USE int guard_check(const char *root, const struct hostdev *dev, struct err *err);

#endif /* RULES_GUARD_H */
