/* SPDX-License-Identifier: MIT
 * fd_kind.c - find out what a received descriptor is, asking only the kernel
 */
#include "util/fd_kind.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* No path looks like that: paths begin with a slash. */
#define EVENTFD_NAME "anon_inode:[eventfd]"

enum fd_kind fd_kind(int fd)
{
	char path[64];
	char name[sizeof(EVENTFD_NAME)];
	ssize_t len;

	if (fcntl(fd, F_GET_SEALS) >= 0)
		return FD_KIND_MEMORY;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlinkat(AT_FDCWD, path, name, sizeof(name));
	if (len == sizeof(EVENTFD_NAME) - 1 &&
	    memcmp(name, EVENTFD_NAME, (size_t)len) == 0)
		return FD_KIND_EVENTFD;
	return len > 0 && name[0] == '/' ? FD_KIND_FILE : FD_KIND_OTHER;
}

const char *file_kind_name(mode_t mode)
{
	if (S_ISREG(mode))
		return "a file";
	if (S_ISDIR(mode))
		return "a folder";
	if (S_ISLNK(mode))
		return "a link";
	if (S_ISFIFO(mode))
		return "a FIFO";
	if (S_ISSOCK(mode))
		return "a socket";
	if (S_ISBLK(mode))
		return "a block device";
	return "a character device";
}
