/* SPDX-License-Identifier: MIT
 * sysfs.h - small files and links of sysfs
 *
 * Their content is not trusted. What cannot be read is often not needed. May wait for the kernel. Any thread.
 */
#ifndef RULES_SYSFS_H
#define RULES_SYSFS_H

#include <stddef.h>
#include <sys/types.h>

#include "util/compiler.h"

/* Up to @size bytes of @folder/@name. Return: how many, or -errno; -ENOENT also for a
 * path that is too long, -EINVAL for what is no ordinary file. */
MUST_USE ssize_t sysfs_bytes(const char *folder, const char *name, void *buf,
			     size_t size);

/* The first line of @folder/@name without blanks at its end, cut to @size, printable:
 * what is no UTF-8 or controls a terminal becomes '?'. Return: 0, or -errno: then @buf
 * is "". */
int sysfs_line(const char *folder, const char *name, char *buf, size_t size);

/* A number in base @base and nothing else, at most @max. Return: 0 or -errno. */
int sysfs_number(const char *folder, const char *name, int base, unsigned max,
		 unsigned *ret_number);

/* The last part of where the link @folder/@name leads to. Return: 0 or -errno. */
int sysfs_link(const char *folder, const char *name, char *buf, size_t size);

#endif /* RULES_SYSFS_H */
