/* SPDX-License-Identifier: MIT
 * sandbox.h - limits what this process can reach while it serves
 *
 * Two steps, each for the life of the process. sandbox_confine() takes away capabilities and all
 * files but those named, and becomes another user if one is wanted. It comes before the first
 * thread: privileges and Landlock's rules belong to a thread, and new threads inherit them.
 * sandbox_seal() takes away all system calls but those on a list, for all threads. It comes
 * before the process reads anything from a guest, a device or a client.
 *
 * docs/SECURITY-model.md says what stays within reach and why; docs/decisions/017-sandbox.md, how
 * the sandbox answers a refused call. One process has one sandbox, so its state is a global. Loop
 * thread only.
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

/* How many paths can be named: a device has one and a folder. */
#define SANDBOX_PATHS_MAX 128u

/**
 * struct sandbox_state - the parts of sandbox_describe()
 * @uid:	our user since sandbox_confine()
 * @of_others:	a named file or folder of another user, for which CAP_DAC_OVERRIDE stays; NULL: no
 *		capability does
 * @landlock:	the version in use; 0: none
 * @no_landlock: why there is none, for people; NULL with @landlock, or if the mode wants none
 * @calls:	how many system calls are on the list; 0: there is no list
 * @no_calls:	why there is no list; else NULL
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

/* Has sandbox_confine() allow @access beneath @path. It leaves out a path that is not there then.
 * Return: 0, or -E2BIG, -ENAMETOOLONG, -ENOMEM. */
MUST_USE int sandbox_allow(const char *path, unsigned access);
/* Has sandbox_confine() first call @make(@path), in another process; if that returns true, it calls
 * @made(@path) here (may be NULL). Not with SANDBOX_MODE_OFF. Return: as sandbox_allow(). */
MUST_USE int sandbox_make(const char *path, bool (*make)(const char *path),
			  void (*made)(const char *path));
/* sandbox_allow() of the folder that @path lies in. */
MUST_USE int sandbox_allow_folder_of(const char *path, unsigned access);

/* Looks @user up, as sandbox_confine() takes it. Return: 0, or -errno with the reason in @err. */
MUST_USE int sandbox_ids_of(const char *user, uid_t *ret_uid, gid_t *ret_gid,
			    struct err *err);

/**
 * sandbox_confine() - become @user, give up privileges and other files
 * @user:	NAME or UID, with :GROUP (name or number) for another group than the user's own;
 *		NULL: stay the same user
 *
 * Before the first thread. Leaves out parts that the kernel lacks; sandbox_describe() then names
 * them. Return: 0, or -errno with the reason in @err: the process must not serve then.
 */
MUST_USE int sandbox_confine(enum sandbox_mode mode, const char *user, struct err *err);

/* The second step. @loop logs refused calls until sandbox_finish(). Return: as
 * sandbox_confine(). */
MUST_USE int sandbox_seal(struct loop *loop, struct err *err);

/* Logs the refused calls not logged yet, and stops listening. Fine at any time. */
void sandbox_finish(void);

/* True if no part is missing that the mode wants. */
bool sandbox_is_whole(void);
/* One line for people: the parts in use, and those that are missing, with the reason. */
const char *sandbox_describe(void);
/* The same for programs. First logs the refused calls not logged yet. */
void sandbox_state(struct sandbox_state *ret_state);

/* Whether an open of @path can fail because it was not named: to explain an EACCES. @hint, of @size:
 * how to fix it. */
bool sandbox_explains(const char *path, char *hint, unsigned size);

/* Whether the sandbox keeps the process from making folders. @hint, of @size: how to fix that. */
bool sandbox_explains_folder(char *hint, unsigned size);

#endif /* DAEMON_SANDBOX_SANDBOX_H */
