/* SPDX-License-Identifier: MIT
 * landlock.c - limits which files this process can open, by Landlock
 *
 * The C library has no functions for it, and headers of distributions lag behind kernels, so the
 * numbers stand here (Documentation/userspace-api/landlock.rst of the kernel). The ruleset takes all
 * rights away that the kernel knows; each rule gives some back beneath a file or folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/sandbox/access.h"
#include "daemon/sandbox/landlock.h"
#include "daemon/sandbox/paths.h"
#include "util/compiler.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1

#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_FIFO   (UINT64_C(1) << 10)
#define FS_TRUNCATE    (UINT64_C(1) << 14)
#define FS_IOCTL_DEV   (UINT64_C(1) << 15)
/* The rights that a rule for a file may have. */
#define FS_OF_FILES \
	(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_ALL   3u /* bind and connect TCP */
#define SCOPE_ALL 3u /* abstract unix sockets and signals to those outside */

/* struct landlock_ruleset_attr. An older kernel wants it shorter, see known_bytes(). */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

/* struct landlock_path_beneath_attr */
struct beneath {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

/* The rights that interface @abi knows. */
static uint64_t known_rights(int abi)
{
	/* 1: up to MAKE_SYM; 2: REFER; 3: TRUNCATE; 5: IOCTL_DEV */
	static const unsigned bits[] = {0, 13, 14, 15, 15, 16};

	return (UINT64_C(1) << bits[MIN_OF(abi, 5)]) - 1;
}

static size_t known_bytes(int abi)
{
	return sizeof(uint64_t) * (abi < 4 ? 1u : abi < 6 ? 2u : 3u);
}

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return abi < 0 ? -errno : (int)abi;
}

static uint64_t rights(unsigned access)
{
	uint64_t fs = 0;

	/* IOCTL_DEV: reading a block device begins with its size */
	if (access & SANDBOX_READ)
		fs |= FS_READ_FILE | FS_READ_DIR | FS_IOCTL_DEV;
	if (access & SANDBOX_WRITE)
		fs |= FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
	if (access & SANDBOX_MAKE)
		fs |= FS_MAKE_REG | FS_MAKE_FIFO;
	if (access & SANDBOX_REMOVE)
		fs |= FS_REMOVE_FILE;
	return fs;
}

static int add_rule(int ruleset, uint64_t known, const struct sandbox_path *path)
{
	struct beneath beneath = {.access = rights(path->access) & known, .fd = path->fd};

	if (!path->is_folder)
		beneath.access &= FS_OF_FILES;
	/* a path that is not there needs no rule */
	if (path->fd < 0 || beneath.access == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &beneath, 0) == 0)
		return 0;
	/* Landlock does not confine pipes, memfds and other files without a path */
	return errno == EBADFD ? 0 : -errno;
}

int sandbox_landlock(int abi, const struct sandbox_path *paths, unsigned count)
{
	struct ruleset attr = {
		.fs = known_rights(abi),
		.net = NET_ALL,
		.scoped = SCOPE_ALL,
	};
	_cleanup_close_ int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attr, known_bytes(abi), 0);

	if (ruleset < 0)
		return -errno;
	for (unsigned i = 0; i < count; i++) {
		int r = add_rule(ruleset, attr.fs, &paths[i]);

		if (r < 0)
			return r;
	}
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
