/* SPDX-License-Identifier: MIT
 * find.c - finding the control sockets of running daemons
 */
#include "control/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util/fds.h"

/* Entries of a folder that we read; other users may fill it. */
#define ENTRIES_MAX 4096u

void control_find_folders(const char *ret_folders[CONTROL_FIND_FOLDERS])
{
	static char own[CONTROL_FIND_PATH];
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	ret_folders[0] = CONTROL_RUN_DIR;
	ret_folders[1] = NULL;
	if (runtime && runtime[0] == '/') {
		int len = snprintf(own, sizeof(own), "%s/usbvfiod", runtime);

		if (len > 0 && (size_t)len < sizeof(own))
			ret_folders[1] = own;
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);

	return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* Whether a daemon listens. Also true without permission: using the socket tells why. */
static bool is_served(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return true;
	return errno == EAGAIN || errno == EACCES || errno == EPERM;
}

static void search(const char *folder, struct control_sockets *sockets)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return;
	for (unsigned n = 0; n < ENTRIES_MAX && (entry = readdir(dir)); n++) {
		char path[CONTROL_FIND_PATH];
		int len;

		if (sockets->count == CONTROL_FIND_MAX)
			break;
		if (!ends_with(entry->d_name, ".sock") ||
		    ends_with(entry->d_name, ".vfio.sock"))
			continue;
		len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (len > 0 && (size_t)len < sizeof(path) && is_served(path))
			memcpy(sockets->paths[sockets->count++], path, (size_t)len + 1);
	}
	(void)closedir(dir);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

void control_find_all(const char *const folders[], size_t nfolders,
		      struct control_sockets *ret_sockets)
{
	ret_sockets->count = 0;
	for (size_t i = 0; i < nfolders; i++) {
		if (folders[i])
			search(folders[i], ret_sockets);
	}
	qsort(ret_sockets->paths, ret_sockets->count, sizeof(ret_sockets->paths[0]),
	      compare);
}

int control_find_one(const struct control_sockets *sockets, const char **ret_path,
		     struct err *err)
{
	char list[160] = "";
	size_t len = 0;

	if (sockets->count == 1) {
		*ret_path = sockets->paths[0];
		return 0;
	}
	if (sockets->count == 0)
		return err_set(err, ENOENT,
			       "no daemon was found in %s or $XDG_RUNTIME_DIR/usbvfiod: "
			       "start one there, or say --socket PATH",
			       CONTROL_RUN_DIR);
	for (size_t i = 0; i < sockets->count; i++) {
		size_t needed = strlen(sockets->paths[i]) + 2;

		if (needed + len + 5 > sizeof(list)) {
			(void)snprintf(list + len, sizeof(list) - len, " ...");
			break;
		}
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
					i ? ", " : "", sockets->paths[i]);
	}
	return err_set(err, ENOTUNIQ,
		       "found %zu daemons, choose one with --socket PATH: %s",
		       sockets->count, list);
}
