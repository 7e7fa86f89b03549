/* SPDX-License-Identifier: MIT
 * sandbox.c - limits what this process can reach while it serves
 */
#include "daemon/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sandbox/calls.h"
#include "daemon/sandbox/landlock.h"
#include "daemon/sandbox/paths.h"
#include "daemon/sandbox/user.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/self.h"

static struct {
	enum sandbox_mode mode;
	struct sandbox_path paths[SANDBOX_PATHS_MAX];
	unsigned path_count;
	/* interface of Landlock, or -errno */
	int landlock;
	/* 0, -errno, or -EINPROGRESS: not yet */
	int calls;
	uid_t uid;
	/* one of @paths, for which CAP_DAC_OVERRIDE stays; NULL: no capability does */
	const char *of_others;
	char text[512];
} sandbox = {.mode = SANDBOX_MODE_OFF, .landlock = -EINPROGRESS, .calls = -EINPROGRESS};

static const char *const mode_names[] = {
	[SANDBOX_MODE_ON] = "on", [SANDBOX_MODE_LOG] = "log", [SANDBOX_MODE_OFF] = "off"};

const char *sandbox_mode_name(enum sandbox_mode mode)
{
	return mode_names[mode];
}

int sandbox_mode_find(const char *name, enum sandbox_mode *ret_mode)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			*ret_mode = (enum sandbox_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int name_path(const char *path, struct sandbox_path **ret_at)
{
	struct sandbox_path *at = sandbox.paths;

	while (at < sandbox.paths + sandbox.path_count && strcmp(at->path, path) != 0)
		at++;
	if (at == sandbox.paths + SANDBOX_PATHS_MAX)
		return -E2BIG;
	*ret_at = at;
	if (at < sandbox.paths + sandbox.path_count)
		return 0;
	*at = (struct sandbox_path){.path = strdup(path), .fd = -1};
	if (!at->path)
		return -ENOMEM;
	sandbox.path_count++;
	return 0;
}

int sandbox_allow(const char *path, unsigned access)
{
	struct sandbox_path *at;
	int r = name_path(path, &at);

	if (r == 0)
		at->access |= access;
	return r;
}

int sandbox_make(const char *path, bool (*make)(const char *path),
		 void (*made)(const char *path))
{
	struct sandbox_path *at;
	int r = name_path(path, &at);

	if (r == 0) {
		at->make = make;
		at->made = made;
	}
	return r;
}

int sandbox_allow_folder_of(const char *path, unsigned access)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash)
		return sandbox_allow(".", access);
	if (slash == path)
		return sandbox_allow("/", access);
	if (slash - path >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	return sandbox_allow(folder, access);
}

/* The paths that all features need: the time zone; /proc for the kinds of others' descriptors and
 * memory (fd_kind.h), and for the host's mounts (guard.h). */
static int allow_common(void)
{
	int r = sandbox_allow("/proc", SANDBOX_READ);

	if (r == 0)
		r = sandbox_allow("/etc/localtime", SANDBOX_READ);
	/* signaller.h: io_submit() of a read that ends at once */
	if (r == 0)
		r = sandbox_allow("/dev/null", SANDBOX_READ);
	/* sanitizers read symbols for reports, and coverage is written at the end */
	if (r == 0 && SANDBOX_INSTRUMENTED)
		r = sandbox_allow("/", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE);
	return r;
}

static int open_paths(void)
{
	int r = allow_common();

	if (r == 0)
		r = sandbox_paths_open(sandbox.paths, sandbox.path_count);
	for (unsigned i = 0; i < sandbox.path_count; i++) {
		const struct sandbox_path *path = &sandbox.paths[i];

		if (path->of_others && !sandbox.of_others)
			sandbox.of_others = path->path;
	}
	return r;
}

/* Resolves all links of @path, by asking the kernel. */
static void note_place(struct sandbox_path *path)
{
	char link[32], place[PATH_MAX];
	ssize_t len;

	path->is_open = path->fd >= 0;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path->fd);
	len = path->is_open ? readlink(link, place, sizeof(place) - 1) : 0;
	if (len > 0)
		path->resolved = strndup(place, (size_t)len);
	if (!path->resolved)
		path->resolved = strdup("");
}

static int confine_files(void)
{
	int abi = sandbox_landlock_abi();
	int r = abi < 0 ? 0 : sandbox_landlock(abi, sandbox.paths, sandbox.path_count);

	for (unsigned i = 0; i < sandbox.path_count; i++) {
		note_place(&sandbox.paths[i]);
		close_fd(&sandbox.paths[i].fd);
	}
	sandbox.landlock = abi;
	return r;
}

int sandbox_ids_of(const char *user, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
	struct sandbox_user who = {0};
	int r = sandbox_user_find(user, &who, err);

	*ret_uid = who.uid;
	*ret_gid = who.gid;
	free(who.name);
	return r;
}

int sandbox_confine(enum sandbox_mode mode, const char *user, struct err *err)
{
	struct sandbox_user who = {0};
	int r;

	sandbox.mode = mode;
	if (user) {
		r = sandbox_user_find(user, &who, err);
		if (r == 0)
			r = sandbox_user_become(&who, err);
		free(who.name);
		if (r < 0)
			return r;
	}
	self_note();
	sandbox.uid = self_uid();
	if (mode == SANDBOX_MODE_OFF)
		return 0;
	r = open_paths();
	if (r < 0)
		return err_set(err, -r, "the sandbox: %s", strerror(-r));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "no_new_privs: %s", strerror(errno));
	if (mode == SANDBOX_MODE_LOG) {
		sandbox.of_others = NULL;
		return 0;
	}
	r = confine_files();
	if (r < 0)
		return err_set(err, -r, "cannot confine files by Landlock: %s",
			       strerror(-r));
	r = sandbox_drop_capabilities(sandbox.of_others != NULL);
	if (r < 0)
		return err_set(err, -r, "cannot give up capabilities: %s", strerror(-r));
	return 0;
}

/* At the seal, since only now the log's thread runs, which may wait. */
static void tell_left_out(void)
{
	for (unsigned i = 0; i < sandbox.path_count; i++) {
		const struct sandbox_path *path = &sandbox.paths[i];

		if (path->is_silent)
			log_warn("%s does not answer: the sandbox leaves it out",
				 path->path);
		else if ((path->access & SANDBOX_EXPECTED) && !path->is_open)
			log_warn("%s is not there: the sandbox leaves it out, and does "
				 "not let it in later",
				 path->path);
	}
}

int sandbox_seal(struct loop *loop, struct err *err)
{
	int listener = -1;
	int r;

	if (sandbox.mode == SANDBOX_MODE_OFF)
		return 0;
	tell_left_out();
	r = sandbox_refused_listen(sandbox.mode, loop);
	if (r < 0)
		return err_set(err, -r, "the sandbox: %s", strerror(-r));
	sandbox.calls = sandbox_calls_load(sandbox.mode, &listener);
	if (sandbox.calls == 0 && sandbox.mode == SANDBOX_MODE_LOG)
		sandbox_refused_answer(listener);
	return 0;
}

void sandbox_finish(void)
{
	sandbox_refused_finish();
	for (unsigned i = 0; i < sandbox.path_count; i++) {
		free(sandbox.paths[i].path);
		free(sandbox.paths[i].resolved);
	}
	sandbox.path_count = 0;
	sandbox.of_others = NULL;
}

static const char *why_not(int error)
{
	switch (error) {
	case -ENOSYS:
		return "this kernel has none";
	case -EOPNOTSUPP:
		return SANDBOX_INSTRUMENTED
			       ? "a build with sanitizers or coverage has no list"
			       : "it is switched off in this kernel (lsm=)";
	default:
		return strerror(-error); /* NOLINT(concurrency-mt-unsafe) */
	}
}

bool sandbox_is_whole(void)
{
	return sandbox.mode != SANDBOX_MODE_ON || SANDBOX_INSTRUMENTED ||
	       (sandbox.landlock >= 0 && sandbox.calls >= 0);
}

const char *sandbox_describe(void)
{
	char *text = sandbox.text;
	size_t size = sizeof(sandbox.text);
	int len;

	if (sandbox.mode == SANDBOX_MODE_OFF)
		return "off";
	if (sandbox.mode == SANDBOX_MODE_LOG) {
		(void)snprintf(text, size, "log only, nothing is refused%s%s",
			       sandbox.calls < 0 ? "; no system calls are seen: " : "",
			       sandbox.calls < 0 ? why_not(sandbox.calls) : "");
		return text;
	}
	len = snprintf(text, size, "on: user %u, %s%.200s%s", (unsigned)sandbox.uid,
		       sandbox.of_others ? "CAP_DAC_OVERRIDE (for " : "no capabilities",
		       sandbox.of_others ? sandbox.of_others : "",
		       sandbox.of_others ? ")" : "");
	if (sandbox.landlock < 0)
		len += snprintf(text + len, size - (size_t)len, ", NO Landlock (%s)",
				why_not(sandbox.landlock));
	else
		len += snprintf(text + len, size - (size_t)len, ", Landlock %d",
				sandbox.landlock);
	if (sandbox.calls < 0)
		(void)snprintf(text + len, size - (size_t)len, ", NO seccomp (%s)",
			       why_not(sandbox.calls));
	else
		(void)snprintf(text + len, size - (size_t)len, ", %u system calls",
			       sandbox_calls_count());
	return text;
}

void sandbox_state(struct sandbox_state *ret_state)
{
	*ret_state = (struct sandbox_state){.mode = sandbox.mode, .uid = sandbox.uid};
	if (sandbox.mode == SANDBOX_MODE_OFF)
		return;
	ret_state->of_others = sandbox.of_others;
	if (sandbox.mode == SANDBOX_MODE_ON && sandbox.landlock < 0)
		ret_state->no_landlock = why_not(sandbox.landlock);
	else if (sandbox.mode == SANDBOX_MODE_ON)
		ret_state->landlock = (unsigned)sandbox.landlock;
	if (sandbox.calls < 0)
		ret_state->no_calls = why_not(sandbox.calls);
	else
		ret_state->calls = sandbox_calls_count();
	ret_state->refused = sandbox_refused_state();
}

static bool is_beneath(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len > 1 && folder[len - 1] == '/')
		len--;
	if (len == 1 && folder[0] == '/')
		return true;
	return len > 0 && strncmp(path, folder, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

static bool is_named(const char *path)
{
	for (unsigned i = 0; i < sandbox.path_count; i++) {
		const struct sandbox_path *at = &sandbox.paths[i];

		/* a socket's folder, say, is for removing the socket */
		if (at->is_open && (at->access & (SANDBOX_READ | SANDBOX_WRITE)) &&
		    (is_beneath(path, at->path) || is_beneath(path, at->resolved)))
			return true;
	}
	return false;
}

/* Compares texts only: a file system may not answer, and this is the loop. */
bool sandbox_explains(const char *path, char *hint, unsigned size)
{
	const char *slash = strrchr(path, '/');

	if (sandbox.landlock < 0 || is_named(path))
		return false;
	(void)snprintf(hint, size,
		       "the sandbox allows only paths that the command line names: start "
		       "usbvfiod with --sandbox-path %.*s, or hand over an open file, as "
		       "usbvfioctl does",
		       slash && slash > path ? (int)MIN_OF(slash - path, 200) : 1,
		       slash ? path : ".");
	return true;
}

bool sandbox_explains_folder(char *hint, unsigned size)
{
	if (sandbox.mode != SANDBOX_MODE_ON)
		return false;
	(void)snprintf(hint, size,
		       "usbvfiod makes no folders in its sandbox: make the folder, then "
		       "try again");
	return true;
}
