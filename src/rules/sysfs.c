/* SPDX-License-Identifier: MIT
 * sysfs.c - small files and links of sysfs
 */
#include "rules/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int join(const char *folder, const char *name, char path[PATH_MAX])
{
	int len = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	return len < 0 || len >= PATH_MAX ? -ENOENT : 0;
}

ssize_t sysfs_bytes(const char *folder, const char *name, void *buf, size_t size)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct stat st;
	size_t have = 0;
	int r = join(folder, name, path);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* sysfs returns a page at a time */
	while (have < size) {
		ssize_t len = read(fd, (char *)buf + have, size - have);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len == 0)
			break;
		have += (size_t)len;
	}
	return (ssize_t)have;
}

/* Bytes of the character at @at, which has @left bytes of text; 0 if it is none, or must
 * not reach a terminal. */
static size_t printable(const unsigned char *at, size_t left)
{
	static const unsigned first[] = {0, 0x20, 0xa0, 0x800, 0x10000};
	unsigned code = at[0];
	size_t len = 1;

	if (at[0] >= 0xc2 && at[0] < 0xe0)
		len = 2;
	else if (at[0] >= 0xe0 && at[0] < 0xf0)
		len = 3;
	else if (at[0] >= 0xf0 && at[0] < 0xf5)
		len = 4;
	else if (at[0] >= 0x7f)
		return 0;
	if (len > left)
		return 0;
	if (len > 1)
		code &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	/* characters that change the direction of a line too */
	if (code < first[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
	    (code >= 0x2028 && code < 0x202f) || (code >= 0x2066 && code < 0x206a))
		return 0;
	return len;
}

static void clean(char *text)
{
	char *end = strchrnul(text, '\n');

	while (end > text && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
	while (text < end) {
		size_t len = printable((const unsigned char *)text, (size_t)(end - text));

		if (len == 0)
			*text = '?';
		text += len == 0 ? 1 : len;
	}
}

int sysfs_line(const char *folder, const char *name, char *buf, size_t size)
{
	ssize_t len = sysfs_bytes(folder, name, buf, size - 1);

	buf[len < 0 ? 0 : len] = '\0';
	clean(buf);
	return len < 0 ? (int)len : 0;
}

int sysfs_number(const char *folder, const char *name, int base, unsigned max,
		 unsigned *ret_number)
{
	char text[24];
	char *end;
	unsigned long number;
	int r = sysfs_line(folder, name, text, sizeof(text));

	if (r < 0)
		return r;
	number = strtoul(text, &end, base);
	/* strtoul() would accept a sign or blanks */
	if (!strchr("0123456789abcdefABCDEF", text[0]) || end == text || *end != '\0' ||
	    number > max)
		return -EINVAL;
	*ret_number = (unsigned)number;
	return 0;
}

int sysfs_link(const char *folder, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];
	char target[PATH_MAX];
	const char *last;
	ssize_t len;
	int r = join(folder, name, path);

	if (r < 0)
		return r;
	len = readlinkat(AT_FDCWD, path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	memcpy(buf, last, strlen(last) + 1);
	clean(buf);
	return 0;
}
