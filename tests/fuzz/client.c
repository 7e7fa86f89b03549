/* SPDX-License-Identifier: MIT
 * client.c - what fuzzers of sockets share: their input and clients
 */
#include "client.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/compiler.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct loop *fuzz_loop;

uint8_t take_u8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

uint16_t take_u16(struct input *in)
{
	uint16_t low = take_u8(in);

	return (uint16_t)(low | take_u8(in) << 8);
}

size_t take_bytes(struct input *in, size_t len, const uint8_t **ret_bytes)
{
	len = MIN_OF(len, in->left);
	*ret_bytes = in->at;
	in->at += len;
	in->left -= len;
	return len;
}

static socklen_t make_address(const char *name, struct sockaddr_un *addr)
{
	/* abstract */
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

int fuzz_connect(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;
	socklen_t len = make_address(name, &addr);

	CHECK(fd >= 0);
	if (connect(fd, (struct sockaddr *)&addr, len) < 0)
		close_fd(&fd);
	return fd;
}

void fuzz_run(unsigned turns)
{
	for (unsigned i = 0; i < turns; i++)
		CHECK(loop_turn(fuzz_loop, false) == 0);
}

/* Counted, for the lowest free number tells nothing of a leak above it. */
static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned before;

	if (!fuzz_loop) {
		log_init(LOG_LEVEL_ERROR, false);
		fuzz_loop = loop_create();
		CHECK(fuzz_loop);
		fuzz_set_up();
	}
	before = open_fds();
	fuzz_one(&in);
	CHECK(open_fds() == before);
	return 0;
}
