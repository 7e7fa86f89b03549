/* SPDX-License-Identifier: MIT
 * client.c - the clients of fuzzers that use sockets
 */
#include "client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fds.h"

static socklen_t make_address(const char *name, struct sockaddr_un *addr)
{
	/* an abstract address */
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)snprintf(addr->sun_path + 1,
					    sizeof(addr->sun_path) - 1, "fuzz-%s-%d",
					    name, (int)getpid()));
}

int fuzz_listen(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	socklen_t len = make_address(name, &addr);

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&addr, len) == 0 &&
	      listen(fd, 8) == 0);
	return fd;
}

static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	return fd;
}

static int connect_socket(int fd, const char *name)
{
	struct sockaddr_un addr;
	socklen_t len = make_address(name, &addr);

	if (connect(fd, (struct sockaddr *)&addr, len) < 0)
		close_fd(&fd);
	return fd;
}

int fuzz_connect(const char *name)
{
	return connect_socket(make_socket(), name);
}

int fuzz_connect_from(const char *name, const char *from)
{
	static unsigned long number;
	int fd = make_socket();
	struct sockaddr_un addr;
	char text[64];
	socklen_t len;

	snprintf(text, sizeof(text), "%s-%lu", from, number++);
	len = make_address(text, &addr);
	CHECK(bind(fd, (struct sockaddr *)&addr, len) == 0);
	return connect_socket(fd, name);
}
