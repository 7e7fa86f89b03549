/* SPDX-License-Identifier: MIT
 * user.h - the user and the capabilities of this process
 */
#ifndef DAEMON_SANDBOX_USER_H
#define DAEMON_SANDBOX_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/compiler.h"
#include "util/err.h"

/**
 * struct sandbox_user - the user to become
 * @name:	finds the user's further groups; NULL: none
 */
struct sandbox_user {
	uid_t uid;
	gid_t gid;
	char *name;
};

/* Reads @text, see sandbox_confine(). Return: 0 (the caller then frees @ret_user->name), or -errno
 * with the reason in @err. */
MUST_USE int sandbox_user_find(const char *text, struct sandbox_user *ret_user,
			       struct err *err);
/* This thread becomes @user for good. Return: 0, or -errno with the reason in @err. */
MUST_USE int sandbox_user_become(const struct sandbox_user *user, struct err *err);
/* This thread, and whatever it executes later, keeps no capability but CAP_DAC_OVERRIDE if
 * @keep_override, and cannot get one. Return: 0 or -errno. */
MUST_USE int sandbox_drop_capabilities(bool keep_override);

#endif /* DAEMON_SANDBOX_USER_H */
