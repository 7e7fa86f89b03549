/* SPDX-License-Identifier: MIT
 * test_acceptor.c - connections that are taken, and turned away
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/acceptor.h"
#include "util/fds.h"
#include "util/loop.h"

static struct loop *loop;
static struct acceptor acceptor;
static struct sockaddr_un address;
static socklen_t address_len;
static unsigned accepted, turned_away;
static int last_flags;

static void on_accepted(void *ctx, int fd)
{
	assert_ptr_equal(ctx, &accepted);
	accepted++;
	last_flags = fcntl(fd, F_GETFL);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close_fd(&fd);
}

static void on_turned_away(void *ctx, int fd)
{
	assert_ptr_equal(ctx, &accepted);
	turned_away++;
	close_fd(&fd);
}

static int begin(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)state;
	/* a name that the kernel makes up, in no folder */
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)), 0);
	address_len = sizeof(address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
	assert_int_equal(listen(fd, 32), 0);
	accepted = turned_away = 0;
	loop = loop_create();
	acceptor = (struct acceptor){
		.accepted = on_accepted, .turned_away = on_turned_away, .ctx = &accepted};
	acceptor_init(&acceptor);
	assert_int_equal(acceptor_start(&acceptor, loop, fd), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	acceptor_finish(&acceptor);
	acceptor_finish(&acceptor); /* nothing is left to finish */
	assert_int_equal(acceptor.fd, -1);
	loop_destroy(loop);
	return 0;
}

static int connect_one(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
	return fd;
}

static void test_some_at_a_time(void **state)
{
	int fds[20];

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		fds[i] = connect_one();
	assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(accepted, 8); /* others have their turn too */
	while (accepted < 20)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_true(last_flags & O_NONBLOCK);
	for (unsigned i = 0; i < 20; i++)
		close_fd(&fds[i]);
}

/* Not one stays in the queue, where it would wake us again and again. */
static void test_no_descriptor_left(void **state)
{
	struct rlimit old, small;
	int fds[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fds[i] = connect_one();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = (struct rlimit){.rlim_cur = (rlim_t)fds[2] + 1, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(turned_away, 3);
	assert_int_equal(accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned i = 0; i < 3; i++)
		close_fd(&fds[i]);
	/* the fd for that is there again */
	assert_true(acceptor.spare_fd >= 0);
	fds[0] = connect_one();
	assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(accepted, 1);
	close_fd(&fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_some_at_a_time, begin, end),
		cmocka_unit_test_setup_teardown(test_no_descriptor_left, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
