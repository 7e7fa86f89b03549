/* SPDX-License-Identifier: MIT
 * safe_path.c - open files by name in folders that other users can write to
 */
#include "util/safe_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/fd_kind.h"
#include "util/fds.h"
#include "util/self.h"

/* As the kernel. */
#define LINKS_MAX 40

static bool is_procfs(int fd)
{
	struct stat st, proc;

	return fstat(fd, &st) == 0 && stat("/proc", &proc) == 0 &&
	       st.st_dev == proc.st_dev;
}

/* Opens the folder of @path, relative to the one before, and notes its last part as the name. */
static int enter_folder(struct safe_path *sp, char *path)
{
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int before = sp->folder;
	const char *folder;

	if (strlen(name) >= sizeof(sp->name))
		return -ENAMETOOLONG;
	(void)snprintf(sp->name, sizeof(sp->name), "%s", *name ? name : ".");
	if (slash == path)
		folder = "/";
	else
		folder = slash ? path : ".";
	if (slash && slash != path)
		*slash = '\0';
	sp->folder = openat(before < 0 ? AT_FDCWD : before, folder,
			    O_PATH | O_DIRECTORY | O_CLOEXEC);
	close_fd(&before);
	return sp->folder < 0 ? -errno : 0;
}

/* Return: 0, or -EPERM with the reason in @err. */
static int check_owner(const struct stat *st, const struct stat *folder, const char *path,
		       struct err *err)
{
	if (st->st_uid == self_uid() || st->st_uid == 0 || st->st_uid == folder->st_uid)
		return 0;
	return err_set(
		err, EPERM,
		"%s is %s of user %u: remove it, or use a folder that only you can "
		"write to",
		path, file_kind_name(st->st_mode), (unsigned)st->st_uid);
}

/* Reads the link that look() saw, and no other. Return: 0 or -errno. */
static int read_link(const struct safe_path *sp, char ret_target[PATH_MAX])
{
	_cleanup_close_ int link =
		openat(sp->folder, sp->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t len;

	if (link < 0 || fstat(link, &st) < 0)
		return -errno;
	if (st.st_dev != sp->st.st_dev || st.st_ino != sp->st.st_ino)
		return -EAGAIN;
	len = readlinkat(link, "", ret_target, PATH_MAX);
	if (len < 0)
		return -errno;
	if (len == PATH_MAX)
		return -ENAMETOOLONG;
	ret_target[len] = '\0';
	return 0;
}

/* Looks at the name. Return: 1 if it is a link to follow, else 0, or -errno with the reason in
 * @err. */
static int look(struct safe_path *sp, const char *path, bool anyone, struct err *err)
{
	struct stat folder;

	if (fstat(sp->folder, &folder) < 0 ||
	    fstatat(sp->folder, sp->name, &sp->st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_set(err, errno, "cannot look at %s: %s", path,
			       strerror(errno));
	}
	if ((S_ISLNK(sp->st.st_mode) || !anyone) &&
	    check_owner(&sp->st, &folder, path, err) < 0)
		return -EPERM;
	if (S_ISLNK(sp->st.st_mode) && !is_procfs(sp->folder))
		return 1;
	sp->by_kernel = S_ISLNK(sp->st.st_mode);
	if (sp->by_kernel && fstatat(sp->folder, sp->name, &sp->st, 0) < 0)
		return err_set(err, errno, "cannot look at %s: %s", path,
			       strerror(errno));
	sp->exists = true;
	return 0;
}

int safe_path_find(struct safe_path *sp, const char *path, bool anyone, struct err *err)
{
	char at[PATH_MAX];
	int r;

	*sp = (struct safe_path){.folder = -1};
	if (strlen(path) >= sizeof(at))
		return err_set(err, ENAMETOOLONG, "the path has over %zu bytes",
			       sizeof(at) - 1);
	(void)snprintf(at, sizeof(at), "%s", path);
	for (unsigned links = 0; links <= LINKS_MAX; links++) {
		r = enter_folder(sp, at);
		if (r < 0)
			return err_set(err, -r, "cannot get at the folder of %s: %s",
				       path, strerror(-r));
		r = look(sp, path, anyone, err);
		if (r <= 0)
			return r;
		r = read_link(sp, at);
		if (r < 0)
			return err_set(err, -r, "cannot follow the link %s: %s", path,
				       strerror(-r));
	}
	return err_set(err, ELOOP, "%s: %s", path, strerror(ELOOP));
}

int safe_path_open(struct safe_path *sp, int flags, mode_t mode)
{
	int all = flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!sp->by_kernel)
		all |= O_NOFOLLOW;
	if (flags & O_CREAT)
		all = sp->exists ? all & ~O_CREAT : all | O_EXCL;
	fd = openat(sp->folder, sp->name, all, mode);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (sp->exists && (st.st_dev != sp->st.st_dev || st.st_ino != sp->st.st_ino ||
			   (st.st_mode & S_IFMT) != (sp->st.st_mode & S_IFMT))) {
		errno = EAGAIN;
		return -EAGAIN;
	}
	sp->st = st;
	return steal_fd(&fd);
}

void safe_path_finish(struct safe_path *sp)
{
	close_fd(&sp->folder);
}
