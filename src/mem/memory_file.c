/* SPDX-License-Identifier: MIT
 * memory_file.c - which files a monitor may hand over as guest memory
 */
#include "mem/memory_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/fd_kind.h"

#define TYPE_BYTES 64u

/* The number of the mount that @fd was opened on, -1 if unknown. */
static int mount_of(int fd)
{
	char path[64], line[128];
	int mount = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (mount < 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "mnt_id: %d", &mount) != 1) // NOLINT(cert-err34-c)
			mount = -1;
	}
	(void)fclose(file);
	return mount;
}

/* The type of file system in @line of /proc/self/mountinfo (proc(5)): the word after " - ", which
 * cannot appear before it, because paths have \040 for a space. */
static int type_in(const char *line, char *ret_type)
{
	const char *type = strstr(line, " - ");
	size_t len;

	if (!type)
		return -ENOENT;
	type += strlen(" - ");
	len = strcspn(type, " \n");
	if (len == 0 || len >= TYPE_BYTES)
		return -ENOENT;
	memcpy(ret_type, type, len);
	ret_type[len] = '\0';
	return 0;
}

/* Return: 0, or -ENOENT if @mount is not in our mount namespace. */
static int type_of_mount(int mount, char *ret_type)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int id, r = -ENOENT;

	if (!file)
		return -ENOENT;
	while (r < 0 && getline(&line, &size, file) > 0) {
		if (sscanf(line, "%d", &id) == 1 && id == mount) // NOLINT(cert-err34-c)
			r = type_in(line, ret_type);
	}
	free(line);
	(void)fclose(file);
	return r;
}

/* True if @type, or its part before the dot, is a word of @list. */
static bool is_listed(const char *list, const char *type)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (strncmp(type, list, len) == 0 &&
		    (type[len] == '\0' || type[len] == '.'))
			return true;
		list += len;
		list += *list == ',';
	}
	return false;
}

int memory_file_check(int fd, const char *file_systems, struct err *err)
{
	char type[TYPE_BYTES];
	enum fd_kind kind;
	int mount;

	if (strcmp(file_systems, "any") == 0)
		return 0;
	kind = fd_kind(fd);
	if (kind == FD_KIND_MEMORY)
		return 0;
	if (kind != FD_KIND_FILE)
		return err_set(err, EPERM, "it is no file");
	mount = mount_of(fd);
	if (mount < 0 || type_of_mount(mount, type) < 0)
		return err_set(
			err, EPERM,
			"its file system is not mounted in our mount namespace, so its "
			"type is unknown; --memory-files any accepts it");
	if (is_listed(file_systems, type))
		return 0;
	return err_set(err, EPERM,
		       "a file of %s may keep this process waiting; use memfd, tmpfs or "
		       "hugetlbfs, or allow it with --memory-files",
		       type);
}
