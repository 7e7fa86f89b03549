/* SPDX-License-Identifier: MIT
 * sysfs.h - small files and links of sysfs
 *
 * Their content is not trusted. May wait for the kernel. Any thread.
 */
#ifndef RULES_SYSFS_H
#define RULES_SYSFS_H

#include <stddef.h>
#include <sys/types.h>

#include "util/compiler.h"

/* Reads up to @size bytes of @folder/@name. Return: how many, or -errno; -ENOENT also for a
 * path that is too long, -EINVAL if it is no ordinary file. */
MUST_USE ssize_t sysfs_bytes(const char *folder, const char *name, void *buf,
			     size_t size);

/* The first line of @folder/@name without blanks at its end, cut to @size and safe to
 * print: bytes that are no UTF-8 or control a terminal become '?'. Return: 0, or -errno
 * with @buf "". */
int sysfs_line(const char *folder, const char *name, char *buf, size_t size);

/* Reads a file that is one number in base @base, at most @max. Return: 0 or -errno. */
int sysfs_number(const char *folder, const char *name, int base, unsigned max,
		 unsigned *ret_number);

/* The last part of the target of the link @folder/@name. Return: 0 or -errno. */
int sysfs_link(const char *folder, const char *name, char *buf, size_t size);

#endif /* RULES_SYSFS_H */
