/* SPDX-License-Identifier: MIT
 * user.c - the user and the capabilities of this process
 *
 * Sets capabilities by the system call: libcap would be one more library for one call.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/sandbox/user.h"

/* A kernel may know more than our headers; prctl() fails behind the last. */
#define CAPABILITIES_MAX 64

static bool parse_id(const char *text, unsigned *ret_id)
{
	char *end;
	unsigned long id;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	id = strtoul(text, &end, 10);
	/* the last one means "leave it" to setresuid() */
	if (errno || *end != '\0' || id >= UINT_MAX)
		return false;
	*ret_id = (unsigned)id;
	return true;
}

static int find_group(const char *text, gid_t *ret_gid, struct err *err)
{
	const struct group *group;

	if (parse_id(text, ret_gid))
		return 0;
	group = getgrnam(text); /* NOLINT(concurrency-mt-unsafe): the only thread */
	if (!group)
		return err_set(err, EINVAL, "--user: there is no group %s", text);
	*ret_gid = group->gr_gid;
	return 0;
}

int sandbox_user_find(const char *text, struct sandbox_user *ret_user, struct err *err)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	char name[LOGIN_NAME_MAX];
	struct sandbox_user user = {0};
	const struct passwd *entry;
	int r;

	if (len >= sizeof(name))
		return err_set(err, EINVAL, "--user: there is no user %.32s...", text);
	memcpy(name, text, len);
	name[len] = '\0';
	/* NOLINTBEGIN(concurrency-mt-unsafe): the only thread */
	entry = parse_id(name, &user.uid) ? getpwuid(user.uid) : getpwnam(name);
	/* NOLINTEND(concurrency-mt-unsafe) */
	if (entry) {
		user.uid = entry->pw_uid;
		user.gid = entry->pw_gid;
	} else if (!parse_id(name, &user.uid)) {
		return err_set(err, EINVAL, "--user: there is no user %s", name);
	} else if (!colon) {
		return err_set(err, EINVAL,
			       "--user: user %s has no name here, so its group must be "
			       "said: --user %s:GROUP",
			       name, name);
	}
	if (colon) {
		r = find_group(colon + 1, &user.gid, err);
		if (r < 0)
			return r;
	}
	if (entry) {
		user.name = strdup(entry->pw_name);
		if (!user.name)
			return err_set(err, ENOMEM, "not enough memory");
	}
	*ret_user = user;
	return 0;
}

int sandbox_user_become(const struct sandbox_user *user, struct err *err)
{
	uid_t uid = geteuid();

	if (uid == user->uid && getegid() == user->gid && uid != 0)
		return 0;
	if ((user->name ? initgroups(user->name, user->gid) : setgroups(0, NULL)) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return err_set(err, errno,
			       "--user: cannot become user %u, group %u: %s%s",
			       (unsigned)user->uid, (unsigned)user->gid, strerror(errno),
			       uid == 0 ? "" : "; only root can");
	/* a way back would mean a bug of the kernel, or of ours above */
	if (user->uid != 0 && (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0))
		return err_set(err, EPERM, "--user: the way back is still open");
	/* else /proc/self would be root's */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "--user: %s", strerror(errno));
	return 0;
}

int sandbox_drop_capabilities(bool keep_override)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {{0}};

	/* Dropping from the bounding set needs CAP_SETPCAP. A failure costs nothing:
	 * no_new_privs makes the set irrelevant. */
	for (int cap = 0; cap < CAPABILITIES_MAX; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	}
	/* EINVAL: a kernel without ambient capabilities */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 &&
	    errno != EINVAL)
		return -errno;
	if (keep_override)
		kept[0].effective = kept[0].permitted = 1u << CAP_DAC_OVERRIDE;
	return syscall(SYS_capset, &header, kept) < 0 ? -errno : 0;
}
