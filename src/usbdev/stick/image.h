/* SPDX-License-Identifier: MIT
 * image.h - the file behind a stick
 *
 * The _now functions never wait for a disk and are for the loop thread; the
 * others block and are for the worker. Both threads may use them at the same time;
 * they share only the fd.
 */
#ifndef USBDEV_STICK_IMAGE_H
#define USBDEV_STICK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "util/compiler.h"
#include "util/err.h"

#define IMAGE_BLOCK_BYTES  512u
#define IMAGE_SERIAL_BYTES 17u

/* How to reach the page cache without waiting. */
enum image_direct {
	IMAGE_DIRECT_NEVER,  /* the file system may wait: always use the worker */
	IMAGE_DIRECT_NOWAIT, /* RWF_NOWAIT */
	IMAGE_DIRECT_PLAIN,  /* all in memory (tmpfs): an ordinary call does not wait */
};

struct claim;

/**
 * struct image - an open image; may be moved
 * @claim:	keeps other parts of this process off the file (claim.h)
 * @size_bytes:	the guest's view: a multiple of IMAGE_BLOCK_BYTES
 * @id:		a hash of the resolved path, the same in each run
 * @serial:	@id in hexadecimal digits
 * @name:	last part of the path, for log lines
 */
struct image {
	int fd;
	struct claim *claim;
	bool readonly;
	uint64_t size_bytes;
	enum image_direct read_direct;
	enum image_direct write_direct;
	uint64_t id;
	char serial[IMAGE_SERIAL_BYTES];
	char name[64];
};

/* Opens and locks @path. This and the next two may wait for the file system: not for the loop
 * thread. Return: 0 or -errno with the reason in @err. */
MUST_USE int image_open(struct image *image, const char *path, bool readonly,
			struct err *err);
/* The same with an open @fd, taken, also on failure. @path: its name. The opener can go on
 * using the file, and was to check that a block device is not mounted. */
MUST_USE int image_adopt(struct image *image, int fd, const char *path, bool readonly,
			 struct err *err);
/* Fine on an image that image_open() has refused, or that is closed. */
void image_close(struct image *image);

/* Reads or writes at @offset as many bytes as possible without waiting.
 * Return: bytes (> 0); -EAGAIN: let the worker do it; -EFAULT: the iovecs are invalid;
 * or another -errno; -EIO also if the file ends before @offset. */
MUST_USE ssize_t image_read_now(struct image *image, const struct iovec *iov, int n,
				uint64_t offset);
MUST_USE ssize_t image_write_now(struct image *image, const struct iovec *iov, int n,
				 uint64_t offset);

/* Reads or writes all @len bytes. Return: 0 or -errno; -EIO also if the file is too short. */
MUST_USE int image_read(const struct image *image, void *buf, uint32_t len,
			uint64_t offset);
MUST_USE int image_write(const struct image *image, const void *buf, uint32_t len,
			 uint64_t offset);
/* Brings all earlier writes to stable storage. Return: 0 or -errno. */
MUST_USE int image_sync(const struct image *image);
/* Frees the space, if the file system can. Return: 0 or -errno. */
MUST_USE int image_discard(const struct image *image, uint64_t offset, uint64_t len);

#endif /* USBDEV_STICK_IMAGE_H */
