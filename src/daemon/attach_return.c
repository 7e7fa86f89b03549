/* SPDX-License-Identifier: MIT
 * attach_return.c - devices that have gone, and come back to the same place
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/attach_priv.h"
#include "util/log.h"

/* How long we look for a device that has gone, and then, if it is there but not yet
 * ours to open, for its node: udev sets owner and mode a moment later. */
#define RETURN_MAX_NS UINT64_C(10000000000)
#define RETRY_NS      UINT64_C(100000000)

static void forget(struct attachment *at)
{
	loop_timer_stop(at->timer);
	attachment_end(at);
}

static void give_up(struct attachment *at)
{
	forget(at);
	if (at->appeared)
		attachment_tell(at, ATTACH_EVENT_FAILED, &at->err);
	if (!at->appeared) {
		log_limited(LOG_LEVEL_INFO, "%s: has not come back", at->name);
		return;
	}
	log_limited(LOG_LEVEL_ERROR, "%s: cannot be taken back: %s", at->name,
		    at->err.text);
	if (at->hint[0] != '\0')
		log_limited(LOG_LEVEL_INFO, "to mend that: %s", at->hint);
}

/* @delay_ns from now, or when the time is over. */
static void set_timer(struct attachment *at, uint64_t delay_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = at->until_ns > now_ns ? at->until_ns - now_ns : 0;

	loop_timer_set(at->timer, MIN_OF(left_ns, delay_ns));
}

static void on_timer(void *ctx)
{
	struct attachment *at = ctx;

	assert(at->state == ATTACH_AWAY);
	if (clock_now_ns() >= at->until_ns)
		give_up(at);
	else if (at->appeared)
		attachment_open(at);
	else
		set_timer(at, RETURN_MAX_NS);
}

static void appear(struct attachment *at, unsigned bus, unsigned number)
{
	char path[NODE_PATH_BYTES];

	node_path(bus, number, path);
	log_debug("%s: %s has appeared in its place", at->name, path);
	(void)snprintf(at->path, sizeof(at->path), "%s", path);
	/* a name of the user's own stays right, a number does not */
	if (strncmp(at->host.path, "/dev/bus/usb/", strlen("/dev/bus/usb/")) == 0)
		(void)snprintf(at->name, sizeof(at->name), "%s", path);
	at->seen_bus = bus;
	at->seen_number = number;
	at->appeared = true;
	at->until_ns = clock_now_ns() + RETURN_MAX_NS;
	loop_timer_stop(at->timer);
	attachment_open(at);
}

/* Has another device come to the place without our hearing of it? */
static void look(struct attachment *at)
{
	unsigned bus;
	unsigned number;

	if (node_at(at->node.place, &bus, &number) == 0 &&
	    (bus != at->seen_bus || number != at->seen_number))
		appear(at, bus, number);
}

void attachment_gone(struct attachment *at)
{
	struct attach *attach = at->attach;
	const char *why = NULL;
	struct err err = {0};

	at->since = 0;
	attachment_keep_port(at);
	if (!at->real || at->rule[0] != '\0') {
		attachment_tell(at, ATTACH_EVENT_GONE, NULL);
		attachment_end(at);
		return;
	}
	if (at->host.fd >= 0)
		why = "it was handed over open, and would have to be so again";
	else if (!attach->uevents || at->node.place[0] == '\0')
		why = "without sysfs and news from the kernel it cannot be found again";
	else if (!at->timer)
		at->timer = loop_timer_create(attach->options.loop, on_timer, at);
	if (!why && !at->timer)
		why = "not enough memory to look for it";
	if (why)
		err_fill(&err, ENODEV, "%s", why);
	attachment_tell(at, ATTACH_EVENT_GONE, why ? &err : NULL);
	if (why) {
		log_limited(LOG_LEVEL_INFO, "%s: has gone; %s", at->name, why);
		attachment_end(at);
		return;
	}
	log_limited(LOG_LEVEL_INFO,
		    "%s: has gone; should a device appear at %s within %u s, it will be "
		    "plugged in instead",
		    at->name, strrchr(at->node.place, '/') + 1,
		    (unsigned)(RETURN_MAX_NS / 1000000000));
	at->state = ATTACH_AWAY;
	at->returning = true;
	at->appeared = false;
	at->seen_bus = at->node.bus;
	at->seen_number = at->node.number;
	at->until_ns = clock_now_ns() + RETURN_MAX_NS;
	set_timer(at, RETURN_MAX_NS);
	look(at);
}

void attachment_not_back(struct attachment *at)
{
	at->state = ATTACH_AWAY;
	if (clock_now_ns() >= at->until_ns) {
		give_up(at);
		return;
	}
	if (at->result == -EACCES || at->result == -ENOENT) {
		set_timer(at, RETRY_NS);
	} else {
		log_limited(LOG_LEVEL_WARN, "%s: cannot be taken back: %s", at->name,
			    at->err.text);
		at->appeared = false;
		set_timer(at, RETURN_MAX_NS);
	}
	look(at);
}

void attach_on_uevent(void *ctx, const struct uevent *event)
{
	struct attach *attach = ctx;
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at = attachment_of(pos);

		/* while one is being opened we do not listen, but look afterwards */
		if (at->state != ATTACH_AWAY)
			continue;
		if (!event) {
			look(at);
		} else if (strcmp(event->place, at->node.place) != 0) {
			continue;
		} else if (event->added) {
			appear(at, event->bus, event->number);
		} else if (at->appeared && event->bus == at->seen_bus &&
			   event->number == at->seen_number) {
			at->appeared = false;
			set_timer(at, RETURN_MAX_NS);
		}
	}
}
