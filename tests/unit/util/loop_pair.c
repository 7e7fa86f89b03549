/* SPDX-License-Identifier: MIT
 * loop_pair.c - a loop under test, and a pair of sockets to watch
 */
#include "loop_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "util/fds.h"

struct loop *loop;
int pair[2];

int loop_pair_setup(void **state)
{
	(void)state;
	loop = loop_create();
	return loop ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) : -1;
}

int loop_pair_teardown(void **state)
{
	(void)state;
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	loop_destroy(loop);
	return 0;
}

void turn(bool wait)
{
	assert_int_equal(loop_turn(loop, wait), 0);
}

void on_fd(void *ctx, int fd, unsigned events)
{
	struct seen *seen = ctx;

	seen->calls++;
	seen->events = events;
	seen->fd = fd;
}

void on_fd_stop(void *ctx, int fd, unsigned events)
{
	on_fd(ctx, fd, events);
	loop_stop(loop);
}
