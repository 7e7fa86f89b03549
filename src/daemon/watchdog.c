/* SPDX-License-Identifier: MIT
 * watchdog.c - tells the service manager at intervals that the loop turns
 */
#include "daemon/watchdog.h"

#include <errno.h>

#include "daemon/notify.h"
#include "util/log.h"
#include "util/loop.h"

static void on_interval(void *ctx)
{
	struct watchdog *watchdog = ctx;

	if (notify_manager(watchdog->notify_fd, "WATCHDOG=1") < 0)
		log_limited(LOG_LEVEL_WARN,
			    "cannot tell the service manager that the daemon is alive");
	loop_timer_set(watchdog->timer, watchdog->interval_ns);
}

int watchdog_start(struct watchdog *watchdog, struct loop *loop, int notify_fd)
{
	watchdog->notify_fd = notify_fd;
	watchdog->interval_ns = notify_fd < 0 ? 0 : notify_watchdog_ns();
	if (watchdog->interval_ns == 0)
		return 0;
	watchdog->timer = loop_timer_create(loop, on_interval, watchdog);
	if (!watchdog->timer)
		return -ENOMEM;
	loop_timer_set(watchdog->timer, watchdog->interval_ns);
	return 0;
}

void watchdog_finish(struct watchdog *watchdog)
{
	loop_timer_destroy(watchdog->timer);
	watchdog->timer = NULL;
}
