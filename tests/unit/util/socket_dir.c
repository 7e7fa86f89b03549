/* SPDX-License-Identifier: MIT
 * socket_dir.c - a folder for the path of a socket, and other users of that path
 */
#include "socket_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

char path[64], lock_path[64];

static char dir[] = "/tmp/test-fds-XXXXXX";

int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	(void)snprintf(lock_path, sizeof(lock_path), "%s/socket.lock", dir);
	return 0;
}

int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int remove_files(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(lock_path);
	return 0;
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

int connect_path(void)
{
	struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

int foreign_socket(int type, int backlog)
{
	struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}
