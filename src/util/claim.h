/* SPDX-License-Identifier: MIT
 * claim.h - files that are in use by a part of this process
 *
 * Identified by device and inode, or by the number of a block device, not by name. fcntl locks
 * show what other processes use, but not on every file system, and never why. Any thread.
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
 * @shared:	allow other claims that are shared as well
 * @user:	for messages: "the image of a stick"
 * @ret_claim:	owned, for claim_drop(); only with 0
 * @ret_holder:	the @user of the claim in the way; only with -EBUSY
 *
 * Return: 0, -EBUSY or -ENOMEM.
 */
MUST_USE int claim_take(const struct stat *st, bool shared, const char *user,
			struct claim **ret_claim, char ret_holder[CLAIM_USER_BYTES]);
/* Frees it. NULL is fine. */
void claim_drop(struct claim *claim);

#endif /* UTIL_CLAIM_H */
