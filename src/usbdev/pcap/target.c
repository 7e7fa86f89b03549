/* SPDX-License-Identifier: MIT
 * target.c - the file that a capture is written to
 *
 * The capture opens the file, checks and locks it, and only then truncates it. The lock belongs
 * to the open file description, like those of images (stick/image.c): of two daemons, or a
 * daemon and another VMM, one gets the file. The claim does the same within this process, even
 * if the file system has no locks.
 */
#include "usbdev/pcap/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/claim.h"
#include "util/fd_kind.h"
#include "util/fds.h"
#include "util/safe_path.h"

/* /dev/null and /dev/full */
#define MEMORY_MAJOR 1u
#define NULL_MINOR   3u
#define FULL_MINOR   7u

/* Bytes that identify a capture of either kind. */
#define HEAD_BYTES 24u

/* The start of a pcap file of version 2.4, in either byte order, with microseconds or
 * nanoseconds; or the Section Header Block of pcapng. */
static bool is_capture(const uint8_t head[HEAD_BYTES])
{
	switch (get_le32(head)) {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		return get_le16(head + 4) == 2 && get_le16(head + 6) == 4;
	case 0xd4c3b2a1:
	case 0x4d3cb2a1:
		return get_le16(head + 4) == 0x200 && get_le16(head + 6) == 0x400;
	case 0x0a0d0d0a:
		return get_le32(head + 8) == 0x1a2b3c4d ||
		       get_le32(head + 8) == 0x4d3c2b1a;
	default:
		return false;
	}
}

static bool is_sink(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == MEMORY_MAJOR &&
	       (minor(st->st_rdev) == NULL_MINOR || minor(st->st_rdev) == FULL_MINOR);
}

static int check_kind(const struct stat *st, const char *name, struct err *err)
{
	if (S_ISREG(st->st_mode) || S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode) ||
	    is_sink(st))
		return 0;
	return err_set(err, S_ISDIR(st->st_mode) ? EISDIR : EINVAL,
		       "%s is %s: a capture goes into a file, pipe or socket", name,
		       file_kind_name(st->st_mode));
}

/* Refuses a file that is worth more than a capture. */
static int check_content(int fd, const struct stat *st, const char *name, struct err *err)
{
	uint8_t head[HEAD_BYTES];
	ssize_t n;

	if (st->st_nlink > 1)
		return err_set(err, EEXIST,
			       "%s has %u names: a capture would overwrite it under all "
			       "of them; choose a new file",
			       name, (unsigned)st->st_nlink);
	if (st->st_size == 0)
		return 0;
	n = preadv2(fd, &(struct iovec){.iov_base = head, .iov_len = sizeof(head)}, 1, 0,
		    0);
	if (n < 0 && errno == EBADF)
		return err_set(err, EEXIST,
			       "%s is not empty, and cannot be read to check that it is "
			       "a capture: open it for reading, too",
			       name);
	if (n < 0)
		return err_set(err, errno, "cannot read %s: %s", name, strerror(errno));
	if (n < (ssize_t)sizeof(head) || !is_capture(head))
		return err_set(err, EEXIST,
			       "%s exists and is no capture: remove it or choose "
			       "another file",
			       name);
	return 0;
}

static int refuse_locked(const char *name, struct err *err)
{
	return err_set(err, EBUSY, "%s is locked by another program: fuser -v %s", name,
		       name);
}

/* On a file system without locks there is no lock to respect. */
static int lock(int fd, const char *name, struct err *err)
{
	struct flock request = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &request) < 0 && (errno == EAGAIN || errno == EACCES))
		return refuse_locked(name, err);
	return 0;
}

/* Checks for a lock of the other kind, only if the file description is ours alone. */
static int check_flock(int fd, const char *name, struct err *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? refuse_locked(name, err) : 0;
	(void)flock(fd, LOCK_UN);
	return 0;
}

static int take(struct target *target, const struct stat *st, const char *name,
		struct err *err)
{
	char holder[CLAIM_USER_BYTES];
	int r = claim_take(st, false, "a capture", &target->claim, holder);

	if (r == -EBUSY)
		return err_set(err, EBUSY, "%s is in use here, as %s", name, holder);
	return r < 0 ? err_set(err, -r, "%s", strerror(-r)) : 0;
}

/* Checks, claims, locks and truncates the file of target->fd. */
static int begin_file(struct target *target, const struct stat *st, const char *name,
		      bool ours_alone, struct err *err)
{
	int r = take(target, st, name, err);

	if (r == 0)
		r = check_content(target->fd, st, name, err);
	if (r == 0 && ours_alone)
		r = check_flock(target->fd, name, err);
	if (r == 0)
		r = lock(target->fd, name, err);
	if (r < 0)
		return r;
	if (ftruncate(target->fd, 0) < 0)
		return err_set(err, errno, "cannot write %s: %s", name, strerror(errno));
	return 0;
}

static int begin(struct target *target, const char *name, bool ours_alone,
		 struct err *err)
{
	struct stat st;
	int flags = fcntl(target->fd, F_GETFL);
	int r;

	if (flags < 0 || fstat(target->fd, &st) < 0)
		return err_set(err, errno, "%s: %s", name, strerror(errno));
	r = check_kind(&st, name, err);
	if (r < 0)
		return r;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return err_set(err, EBADF, "%s must be opened for writing", name);
	if (S_ISREG(st.st_mode))
		r = begin_file(target, &st, name, ours_alone, err);
	/* O_NONBLOCK was for a FIFO without a reader; the worker may wait for a slow one */
	if (r == 0 && fcntl(target->fd, F_SETFL, flags & ~(O_NONBLOCK | O_APPEND)) < 0)
		r = err_set(err, errno, "cannot write %s: %s", name, strerror(errno));
	return r;
}

/* --- by name --- */

int target_make_folders(const char *path)
{
	char *copy = strdup(path);
	char *slash;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	slash = strchr(copy + 1, '/');
	while (slash && r == 0) {
		*slash = '\0';
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			r = -errno;
		*slash = '/';
		slash = strchr(slash + 1, '/');
	}
	free(copy);
	return r;
}

static int find(struct safe_path *sp, const char *path, struct err *err)
{
	int r = safe_path_find(sp, path, false, err);

	if (r != -ENOENT)
		return r;
	safe_path_finish(sp);
	r = target_make_folders(path);
	/* EPERM and EACCES are for files that exist; here a directory is missing */
	if (r < 0)
		return err_set(err, r == -EPERM || r == -EACCES ? ENOENT : -r,
			       "cannot make the directory of %s: %s", path, strerror(-r));
	return safe_path_find(sp, path, false, err);
}

static int open_found(struct safe_path *sp, const char *path, struct err *err)
{
	bool is_file = !sp->exists || S_ISREG(sp->st.st_mode);
	int fd = -EINVAL;

	/* opening another kind of file may have effects */
	if (sp->exists && check_kind(&sp->st, path, err) < 0)
		return -err->code;
	/* the check reads the file */
	fd = safe_path_open(sp, is_file ? O_RDWR | O_CREAT : O_WRONLY, 0600);
	if (fd == -ENXIO && S_ISFIFO(sp->st.st_mode))
		return err_set(err, ENXIO,
			       "%s is a FIFO without a reader: start the reader first",
			       path);
	return fd < 0 ? err_set(err, -fd, "cannot write %s: %s", path, strerror(-fd))
		      : fd;
}

int target_open(struct target *target, const char *path, struct err *err)
{
	struct safe_path sp = {.folder = -1};
	int r;

	*target = (struct target){.fd = -1};
	if (*path == '\0')
		return err_set(err, EINVAL, "a capture needs the name of a file");
	r = find(&sp, path, err);
	if (r == 0)
		r = open_found(&sp, path, err);
	safe_path_finish(&sp);
	if (r < 0)
		return r;
	target->fd = r;
	r = begin(target, path, true, err);
	if (r < 0)
		(void)target_close(target);
	return r;
}

int target_adopt(struct target *target, int fd, const char *name, struct err *err)
{
	int r;

	*target = (struct target){.fd = fd};
	r = begin(target, name, false, err);
	if (r < 0)
		(void)target_close(target);
	return r;
}

int target_close(struct target *target)
{
	int fd = steal_fd(&target->fd);
	int r = fd >= 0 && close(fd) < 0 ? -errno : 0;

	claim_drop(target->claim);
	target->claim = NULL;
	return r;
}
