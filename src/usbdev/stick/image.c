/* SPDX-License-Identifier: MIT
 * image.c - the file behind a stick
 */
#include "usbdev/stick/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/claim.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/touch.h"

/* FNV-1a. It only has to differ between the images of one VM. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash;
}

/* The file's own name, even of a descriptor that was handed over, as far as the kernel knows
 * it: so the guest sees the same stick either way. */
static void set_identity(struct image *image, const char *path)
{
	const char *slash = strrchr(path, '/');
	char link[32];
	char resolved[PATH_MAX];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", image->fd);
	len = readlinkat(AT_FDCWD, link, resolved, sizeof(resolved) - 1);
	if (len > 0)
		resolved[len] = '\0';
	image->id = hash_text(len > 0 && resolved[0] == '/' ? resolved : path);
	(void)snprintf(image->serial, sizeof(image->serial), "%016" PRIX64, image->id);
	(void)snprintf(image->name, sizeof(image->name), "%s", slash ? slash + 1 : path);
}

static int open_error(const char *path, bool readonly, int code, struct err *err)
{
	switch (code) {
	case EACCES:
	case EPERM:
	case EROFS:
		if (!readonly && access(path, R_OK) == 0)
			return err_set(err, code,
				       "%s may not be written (%s); to show it read-only "
				       "add ,readonly",
				       path, strerror(code));
		break;
	case EBUSY:
		return err_set(err, code,
			       "%s is in use by the host (mounted or part of a volume)",
			       path);
	case ENOENT:
		return err_set(err, code,
			       "there is no file %s; make one with: truncate -s 1G %s",
			       path, path);
	default:
		break;
	}
	return err_set(err, code, "cannot open %s: %s", path, strerror(code));
}

/* Open file description locks: QEMU and others see them, closing another fd of this
 * process does not drop them, and two sticks of one process conflict. */
static int lock(struct image *image, const char *path, struct err *err)
{
	struct flock request = {
		.l_type = image->readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};
	char who[32] = "another program";
	int code;

	if (fcntl(image->fd, F_OFD_SETLK, &request) == 0)
		return 0;
	code = errno;
	if (code != EAGAIN && code != EACCES) {
		log_warn("%s cannot be locked (%s): make sure that no other program "
			 "writes to it",
			 path, strerror(code));
		return 0;
	}
	if (fcntl(image->fd, F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK &&
	    request.l_pid > 0)
		(void)snprintf(who, sizeof(who), "process %d", (int)request.l_pid);
	return err_set(err, EBUSY,
		       "%s is locked by %s (another VM?); find it with: fuser -v %s",
		       path, who, path);
}

static int set_size(struct image *image, const struct stat *st, const char *path,
		    struct err *err)
{
	uint64_t size = st->st_size > 0 ? (uint64_t)st->st_size : 0;

	if (S_ISBLK(st->st_mode) && ioctl(image->fd, BLKGETSIZE64, &size) < 0)
		return err_set(err, errno, "cannot find the size of %s: %s", path,
			       strerror(errno));
	image->size_bytes = size - size % IMAGE_BLOCK_BYTES;
	if (image->size_bytes == 0)
		return err_set(err, EINVAL,
			       "%s has less than %u bytes; give it a size with: truncate "
			       "-s 1G %s",
			       path, IMAGE_BLOCK_BYTES, path);
	if (size != image->size_bytes)
		log_warn("%s: the guest does not see the last %u bytes, which make no "
			 "block of %u",
			 path, (unsigned)(size - image->size_bytes), IMAGE_BLOCK_BYTES);
	return 0;
}

static void set_direct(struct image *image)
{
	enum image_direct direct = IMAGE_DIRECT_NOWAIT;

	/* only file systems in memory have seals */
	if (fcntl(image->fd, F_GET_SEALS) >= 0)
		direct = IMAGE_DIRECT_PLAIN;
	image->read_direct = direct;
	image->write_direct = direct;
}

static int not_an_image(const char *path, struct err *err)
{
	return err_set(err, EINVAL, "%s is neither a file nor a block device", path);
}

static int take(struct image *image, const struct stat *st, const char *path,
		struct err *err)
{
	char holder[CLAIM_USER_BYTES];
	int r = claim_take(st, image->readonly, "the image of a stick", &image->claim,
			   holder);

	if (r == -EBUSY)
		return err_set(err, EBUSY,
			       "%s is in use by this usbvfiod already, as %s%s", path,
			       holder,
			       image->readonly ? "" : "; two could share it read-only");
	return r < 0 ? err_set(err, -r, "not enough memory") : 0;
}

/* Checks, claims and locks the file of image->fd. */
static int begin(struct image *image, const char *path, struct err *err)
{
	int flags = fcntl(image->fd, F_GETFL);
	struct stat st;
	int r;

	if (flags < 0 || fstat(image->fd, &st) < 0)
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return not_an_image(path, err);
	if ((flags & O_ACCMODE) != O_RDWR &&
	    !(image->readonly && (flags & O_ACCMODE) == O_RDONLY))
		return err_set(err, EBADF,
			       "%s has to be opened for reading%s: it was not", path,
			       image->readonly ? "" : " and writing");
	/* O_NONBLOCK was for a FIFO that another program put there meanwhile; O_APPEND would
	 * write everything to the end */
	if (fcntl(image->fd, F_SETFL, flags & ~(O_NONBLOCK | O_APPEND)) < 0)
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	r = take(image, &st, path, err);
	if (r == 0)
		r = lock(image, path, err);
	if (r == 0)
		r = set_size(image, &st, path, err);
	if (r < 0)
		return r;
	set_identity(image, path);
	/* a block device is on devtmpfs, which says nothing about it */
	if (S_ISBLK(st.st_mode))
		image->read_direct = image->write_direct = IMAGE_DIRECT_NOWAIT;
	else
		set_direct(image);
	return 0;
}

static int begin_or_close(struct image *image, const char *path, struct err *err)
{
	int r = begin(image, path, err);

	if (r < 0)
		image_close(image);
	return r;
}

int image_open(struct image *image, const char *path, bool readonly, struct err *err)
{
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (readonly ? O_RDONLY : O_RDWR);
	struct stat st;

	*image = (struct image){.fd = -1, .readonly = readonly};
	if (stat(path, &st) < 0)
		return open_error(path, readonly, errno, err);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return not_an_image(path, err);
	/* O_EXCL refuses a block device that the host has mounted */
	if (S_ISBLK(st.st_mode) && !readonly)
		flags |= O_EXCL;
	image->fd = open(path, flags);
	if (image->fd < 0)
		return open_error(path, readonly, errno, err);
	return begin_or_close(image, path, err);
}

int image_adopt(struct image *image, int fd, const char *path, bool readonly,
		struct err *err)
{
	*image = (struct image){.fd = fd, .readonly = readonly};
	return begin_or_close(image, path, err);
}

void image_close(struct image *image)
{
	close_fd(&image->fd);
	claim_drop(image->claim);
	image->claim = NULL;
}

/* The result of a _now call. */
static ssize_t now_result(ssize_t n, enum image_direct *direct)
{
	if (n > 0)
		return n;
	if (n == 0)
		return -EIO;
	switch (errno) {
	case EOPNOTSUPP:
	case ENOSYS:
	case EINVAL:
		/* once is enough: it is the same for the whole file */
		*direct = IMAGE_DIRECT_NEVER;
		return -EAGAIN;
	case EINTR:
	case EAGAIN:
		return -EAGAIN;
	default:
		return -errno;
	}
}

ssize_t image_read_now(struct image *image, const struct iovec *iov, int n,
		       uint64_t offset)
{
	int flags = image->read_direct == IMAGE_DIRECT_NOWAIT ? RWF_NOWAIT : 0;

	if (image->read_direct == IMAGE_DIRECT_NEVER)
		return -EAGAIN;
	touch_before_write(iov, n);
	return now_result(preadv2(image->fd, iov, n, (off_t)offset, flags),
			  &image->read_direct);
}

ssize_t image_write_now(struct image *image, const struct iovec *iov, int n,
			uint64_t offset)
{
	int flags = image->write_direct == IMAGE_DIRECT_NOWAIT ? RWF_NOWAIT : 0;

	if (image->write_direct == IMAGE_DIRECT_NEVER)
		return -EAGAIN;
	return now_result(pwritev2(image->fd, iov, n, (off_t)offset, flags),
			  &image->write_direct);
}

int image_read(const struct image *image, void *buf, uint32_t len, uint64_t offset)
{
	uint8_t *to = buf;

	while (len > 0) {
		struct iovec iov = {.iov_base = to, .iov_len = len};
		ssize_t n = preadv2(image->fd, &iov, 1, (off_t)offset, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		offset += (uint64_t)n;
		len -= (uint32_t)n;
	}
	return 0;
}

int image_write(const struct image *image, const void *buf, uint32_t len, uint64_t offset)
{
	const uint8_t *from = buf;

	while (len > 0) {
		struct iovec iov = {.iov_base = (void *)(uintptr_t)from, .iov_len = len};
		ssize_t n = pwritev2(image->fd, &iov, 1, (off_t)offset, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		offset += (uint64_t)n;
		len -= (uint32_t)n;
	}
	return 0;
}

int image_sync(const struct image *image)
{
	int r;

	do {
		r = fdatasync(image->fd);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int image_discard(const struct image *image, uint64_t offset, uint64_t len)
{
	int r;

	do {
		r = fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)offset, (off_t)len);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}
