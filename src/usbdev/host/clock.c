/* SPDX-License-Identifier: MIT
 * clock.c - who wants to know that the host's clock was set
 */
#include "usbdev/host/clock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/loop.h"

static struct {
	int fd;
	struct loop_watch *watch;
	struct list listeners;
} host_clock = {.fd = -1, .listeners = {&host_clock.listeners, &host_clock.listeners}};

/* The timer never fires, but a read fails with ECANCELED when the clock is set. */
static int arm(void)
{
	static const struct itimerspec never = {.it_value.tv_sec = INT64_MAX >> 8};

	return timerfd_settime(host_clock.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			       &never, NULL);
}

static void on_clock(void *ctx, int fd, unsigned events)
{
	struct list *node, *next;
	uint64_t unused;

	(void)ctx;
	(void)events;
	if (read(fd, &unused, sizeof(unused)) < 0 && errno != ECANCELED)
		return;
	(void)arm();
	LIST_FOREACH_SAFE(node, next, &host_clock.listeners) {
		struct host_clock_listener *listener =
			LIST_ENTRY(node, struct host_clock_listener, node);

		listener->on_set(listener);
	}
}

int host_clock_prepare(void)
{
	if (host_clock.fd < 0)
		host_clock.fd =
			timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	return host_clock.fd < 0 ? -errno : 0;
}

int host_clock_listen(struct loop *loop, struct host_clock_listener *listener)
{
	int r = host_clock_prepare();

	if (r < 0)
		return r;
	if (!host_clock.watch) {
		if (arm() < 0)
			return -errno;
		host_clock.watch =
			loop_watch_fd(loop, host_clock.fd, LOOP_READ, on_clock, NULL);
		if (!host_clock.watch)
			return -ENOMEM;
	}
	list_append(&host_clock.listeners, &listener->node);
	return 0;
}

void host_clock_unlisten(struct host_clock_listener *listener)
{
	list_remove(&listener->node);
	if (!list_empty(&host_clock.listeners))
		return;
	loop_unwatch(host_clock.watch);
	host_clock.watch = NULL;
}
