/* SPDX-License-Identifier: MIT
 * retake.c - takes back interfaces that the host has given to its own drivers
 *
 * When the host was suspended and the device lost its state by that, the kernel resets it and
 * gives each interface to whatever driver wants it, as usbfs does not know how to resume
 * (so a disk of the guest becomes one of the host). The kernel does not tell us, but we see
 * traces: transfers come back that we have not cancelled, a submission is refused as another
 * driver has the interface, or the host's clock is set, as it is at the end of each suspend.
 * After each of these we look who has the interfaces.
 *
 * Transfers that the kernel had then fail for the guest, whose drivers recover as from any
 * failure. Those that the kernel refused wait, and we try them again.
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "usbdev/host/host_priv.h"
#include "util/fds.h"
#include "util/log.h"

static void run_retake(struct host_job *job)
{
	struct host_device *host = job->host;

	host->retake.result = handle_retake(host->handle);
}

static void retake_done(struct host_job *job)
{
	struct host_device *host = job->host;
	int result = host->retake.result;

	host->retake.running = false;
	urbs_claim_checked(host->urbs);
	if (result == -ENODEV) {
		host_lost(host);
	} else if (result < 0) {
		log_limited(LOG_LEVEL_WARN,
			    "%s: the host has taken an interface and does not let go of "
			    "it (%s)",
			    host->usbdev.label, strerror(-result));
	} else if (result > 0) {
		log_limited(LOG_LEVEL_WARN,
			    "%s: the host had taken %d of its interfaces (was it "
			    "suspended?); they are the guest's again",
			    host->usbdev.label, result);
		/* it is as the host's drivers left it */
		host->used = true;
		host->reset.done_once = false;
		host_forget_leftovers(host, UINT32_MAX);
		if (host->wake.suspended)
			host_wake_suspend(host, true);
	}
	if (host->retake.again)
		host_retake(host);
}

void host_retake(struct host_device *host)
{
	struct host_retake *retake = &host->retake;

	retake->again = retake->running;
	if (retake->running)
		return;
	if (host->gone || host->destroying) {
		urbs_claim_checked(host->urbs);
		return;
	}
	retake->running = true;
	retake->job = (struct host_job){.run = run_retake, .done = retake_done};
	host_run_job(host, &retake->job);
}

/* --- the host's clock --- */

/* For all devices of this process, as a sandbox may forbid to make one later. */
static struct {
	int fd;
	struct loop_watch *watch;
	struct list hosts;
} host_clock = {.fd = -1, .hosts = {&host_clock.hosts, &host_clock.hosts}};

/* Never ends by itself, but with ECANCELED when the clock is set. */
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
	LIST_FOREACH_SAFE(node, next, &host_clock.hosts)
		host_retake(LIST_ENTRY(node, struct host_device, retake.in_clock));
}

int host_retake_prepare(void)
{
	if (host_clock.fd < 0)
		host_clock.fd =
			timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	return host_clock.fd < 0 ? -errno : 0;
}

int host_retake_start(struct host_device *host)
{
	int r = host_retake_prepare();

	if (r < 0)
		return r;
	if (!host_clock.watch) {
		if (arm() < 0)
			return -errno;
		host_clock.watch = loop_watch_fd(host->loop, host_clock.fd, LOOP_READ,
						 on_clock, NULL);
		if (!host_clock.watch)
			return -ENOMEM;
	}
	list_append(&host_clock.hosts, &host->retake.in_clock);
	return 0;
}

void host_retake_stop(struct host_device *host)
{
	list_remove(&host->retake.in_clock);
	if (!list_empty(&host_clock.hosts))
		return;
	loop_unwatch(host_clock.watch);
	host_clock.watch = NULL;
}
