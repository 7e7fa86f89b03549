/* SPDX-License-Identifier: MIT
 * sandbox.h - what this process can still reach once it serves
 *
 * Two steps, each for the life of the process. sandbox_confine() comes before the first thread, as
 * privileges and Landlock's rules are each thread's own, handed on to the threads that it starts:
 * another user if one is wanted, no capabilities, no files but those named. sandbox_seal() comes
 * before anything of a guest, a device or a client is looked at: no system calls but those on a
 * list, for all threads. What is reached and why: docs/SECURITY-model.md; how a refused call is
 * answered: docs/decisions/017-sandbox.md.
 *
 * One process has one sandbox, so its state is not handed around. Loop thread only.
 */
#ifndef DAEMON_SANDBOX_SANDBOX_H
#define DAEMON_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/sandbox/access.h"
#include "daemon/sandbox/refused.h"
#include "util/compiler.h"
#include "util/err.h"

struct loop;

/* As many as can be named: a device has one and a folder. */
#define SANDBOX_PATHS_MAX 128u

/**
 * struct sandbox_state - what sandbox_describe() says, in parts
 * @uid:	who we are since sandbox_confine()
 * @of_others:	a file or folder of another user that was named, for which CAP_DAC_OVERRIDE stays;
 *		NULL: no capability does
 * @landlock:	the interface in use; 0: none
 * @no_landlock: why there is none, for people; NULL with @landlock, or where none is wanted
 * @calls:	how many system calls are on the list; 0: there is no list
 * @no_calls:	likewise
 */
struct sandbox_state {
	enum sandbox_mode mode;
	unsigned uid;
	const char *of_others;
	unsigned landlock;
	const char *no_landlock;
	unsigned calls;
	const char *no_calls;
	struct sandbox_refused refused;
};

/* "on", "log", "off". Return: 0 or -EINVAL. */
MUST_USE int sandbox_mode_find(const char *name, enum sandbox_mode *ret_mode);
const char *sandbox_mode_name(enum sandbox_mode mode);

/* Notes that @access will be needed beneath @path, for sandbox_confine(). What is not there then
 * is left out. Return: 0, or -E2BIG, -ENAMETOOLONG, -ENOMEM. */
MUST_USE int sandbox_allow(const char *path, unsigned access);
/* Has @path made by @make first, in another process; if that returns true, @made (may be NULL) is
 * called here. Not with SANDBOX_MODE_OFF. Return: as sandbox_allow(). */
MUST_USE int sandbox_make(const char *path, bool (*make)(const char *path),
			  void (*made)(const char *path));
/* sandbox_allow() of the folder that @path lies in. */
MUST_USE int sandbox_allow_folder_of(const char *path, unsigned access);

/* Who @user, as sandbox_confine() takes it, is. Return: 0, or -errno with the reason in @err. */
MUST_USE int sandbox_ids_of(const char *user, uid_t *ret_uid, gid_t *ret_gid,
			    struct err *err);

/**
 * sandbox_confine() - become @user, give up privileges and other files
 * @user:	NAME or UID, with :GROUP (name or number) if it shall not be the user's own; NULL:
 *		stay who we are
 *
 * Before the first thread. What the kernel does not have is left out and told by
 * sandbox_describe(). Return: 0, or -errno with the reason in @err: nothing may be served then.
 */
MUST_USE int sandbox_confine(enum sandbox_mode mode, const char *user, struct err *err);

/* Return: as sandbox_confine(). @loop hears of refused calls until sandbox_finish(). */
MUST_USE int sandbox_seal(struct loop *loop, struct err *err);

/* Tells of refused calls that have not been told yet, and ends listening. Fine at any time. */
void sandbox_finish(void);

/* Nothing that was wanted could not be had. */
bool sandbox_is_whole(void);
/* One line for people: what there is, and what could not be had and why. */
const char *sandbox_describe(void);
/* The same for programs. Refused calls that have not been told yet are told first. */
void sandbox_state(struct sandbox_state *ret_state);

/* Whether opening @path can fail because it was not named: to explain an EACCES. @hint, of @size:
 * how to mend it. */
bool sandbox_explains(const char *path, char *hint, unsigned size);

/* Whether a missing folder could not be made because of the sandbox. @hint, of @size: how to fix
 * that. */
bool sandbox_explains_folder(char *hint, unsigned size);

#endif /* DAEMON_SANDBOX_SANDBOX_H */
