/* SPDX-License-Identifier: MIT
 * claim.h - files that are in use by a part of this process
 *
 * By what they are, not by name: device and inode, or the number of a block device. Locks
 * (fcntl) tell us of other processes, but not on every file system, and never why. Any thread.
 */
#ifndef UTIL_CLAIM_H
#define UTIL_CLAIM_H

#include <stdbool.h>
#include <sys/stat.h>

#include "util/compiler.h"

#define CLAIM_USER_BYTES 96u

/* One use of a file. */
struct claim;

/**
 * claim_take() - take a file
 * @shared:	others who share it, too, may have it
 * @user:	for messages: "the image of a stick"
 * @ret_claim:	owned, for claim_drop(); only with 0
 * @ret_holder:	who has it; only with -EBUSY
 *
 * Return: 0, -EBUSY or -ENOMEM.
 */
MUST_USE int claim_take(const struct stat *st, bool shared, const char *user,
			struct claim **ret_claim, char ret_holder[CLAIM_USER_BYTES]);
/* Frees it. NULL is fine. */
void claim_drop(struct claim *claim);

#endif /* UTIL_CLAIM_H */
