/* SPDX-License-Identifier: MIT
 * sandbox_priv.h - the parts of the sandbox: privileges, files, system calls
 */
#ifndef DAEMON_SANDBOX_PRIV_H
#define DAEMON_SANDBOX_PRIV_H

#include <sys/types.h>

#include "daemon/sandbox.h"

#ifdef SANDBOX_INSTRUMENTED
#define INSTRUMENTED true
#else
#define INSTRUMENTED false
#endif

/* sandbox_user.c */

/**
 * struct sandbox_user - whom to become
 * @name:	for the groups that list the user, NULL: none
 */
struct sandbox_user {
	uid_t uid;
	gid_t gid;
	char *name;
};

/* Reads @text, see sandbox_confine(). Return: 0 (@ret_user->name is then to be freed), or -errno
 * with the reason in @err. */
MUST_USE int sandbox_user_find(const char *text, struct sandbox_user *ret_user,
			       struct err *err);
/* This thread becomes @user for good. Return: 0, or -errno with the reason in @err. */
MUST_USE int sandbox_user_become(const struct sandbox_user *user, struct err *err);
/* This thread, and what it may ever execute, has no capability any more but CAP_DAC_OVERRIDE if
 * @keep_override, and cannot get one. Return: 0 or -errno. */
MUST_USE int sandbox_drop_capabilities(bool keep_override);

/* sandbox_paths.c */

/**
 * struct sandbox_path - what was named
 * @resolved:	where it is, "" if that is not known; NULL until it was opened
 * @access:	0: to be made only
 * @make, @made: see sandbox_make()
 * @fd:		it, by O_PATH; -1: not there, or not to be had in time
 * @is_open:	it could be had, so Landlock lets it be used
 * @is_silent:	it was left out as its file system does not answer
 * @of_others:	only CAP_DAC_OVERRIDE lets us use it as wanted
 */
struct sandbox_path {
	char *path;
	char *resolved;
	unsigned access;
	bool (*make)(const char *path);
	void (*made)(const char *path);
	int fd;
	bool is_open;
	bool is_silent;
	bool is_folder;
	bool of_others;
};

/* Makes and opens @paths in this order. What a file system does not answer in time is left out,
 * see @is_silent. Before the first thread, with SIGTERM and SIGINT held back. Return: 0 or -errno:
 * -ECANCELED one of these has come. */
MUST_USE int sandbox_paths_open(struct sandbox_path *paths, unsigned count);

/* sandbox_landlock.c */

/* The newest interface of Landlock that the kernel offers, or -errno: -ENOSYS, it has none;
 * -EOPNOTSUPP, it is switched off. */
MUST_USE int sandbox_landlock_abi(void);
/* Nothing beyond @paths, which are open, can be opened by this thread any more. Return: 0 or -errno. */
MUST_USE int sandbox_landlock(int abi, const struct sandbox_path *paths, unsigned count);

/* sandbox_calls.c */

/**
 * sandbox_calls_load() - shut all system calls but those listed, for all threads
 * @mode:	SANDBOX_ON: others raise SIGSYS, or end the process; SANDBOX_LOG: others wait for
 *		an answer on @ret_listener
 *
 * Return: 0 or -errno.
 */
MUST_USE int sandbox_calls_load(enum sandbox_mode mode, int *ret_listener);
/* How many are on the list. */
unsigned sandbox_calls_count(void);
/* The name of a call of this architecture: "execve". */
void sandbox_calls_name(int number, char name[SANDBOX_NAME_BYTES]);

/* sandbox_forms.c */

#define SANDBOX_ARGS 3u

/* Whether call @number is a known form of one that is listed, with most arguments. */
bool sandbox_form_is_known(int number);
/* Makes it in the form that is listed. @args: its first arguments. Return: whether that was
 * possible, with the result in @ret_result, as the kernel returns it. In a signal handler. */
bool sandbox_form_make(int number, const long args[SANDBOX_ARGS], long *ret_result);

/* sandbox_refused.c */

/* Before the filter is there. @mode SANDBOX_ON: SIGSYS is caught from now on, the call fails with
 * EPERM, @loop tells. Return: 0 or -errno. */
MUST_USE int sandbox_refused_listen(enum sandbox_mode mode, struct loop *loop);
/* With the filter, SANDBOX_LOG: a thread answers on @listener, taken. */
void sandbox_refused_answer(int listener);
/* Fills what is about refused calls; those not told yet are told. */
void sandbox_refused_state(struct sandbox_state *state);
void sandbox_refused_finish(void);

#endif /* DAEMON_SANDBOX_PRIV_H */
