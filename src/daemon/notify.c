/* SPDX-License-Identifier: MIT
 * notify.c - tells the service manager our state (sd_notify(3))
 */
#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/fds.h"

int notify_open(int *ret_fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	size_t len;

	*ret_fd = -1;
	if (!path)
		return 0;
	len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2)
		return -EINVAL;
	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0'; /* abstract name */

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int notify_manager(int fd, const char *state)
{
	ssize_t n = fd < 0 ? 0 : send_now(fd, state, strlen(state));

	return n < 0 ? (int)n : 0;
}

/* A decimal number, 0: none. */
static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long long number;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	number = strtoull(text, &end, 10);
	return errno || *end != '\0' ? 0 : number;
}

uint64_t notify_watchdog_ns(void)
{
	uint64_t pid = number_of("WATCHDOG_PID");
	uint64_t us = number_of("WATCHDOG_USEC");

	if (getenv("WATCHDOG_PID") && pid != (uint64_t)getpid())
		return 0;
	return us > UINT64_MAX / 1000 ? 0 : us * 1000 / 2;
}
