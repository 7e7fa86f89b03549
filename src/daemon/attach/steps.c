/* SPDX-License-Identifier: MIT
 * steps.c - the events of an attachment, and the steps they cause
 *
 * attachment.c has the drawing of the states and what may follow each.
 */
#include "daemon/attach/steps.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/attach/devices.h"
#include "daemon/sandbox/sandbox.h"
#include "usbdev/usbdev.h"
#include "util/closer.h"
#include "util/log.h"

/* --- out --- */

static void open_device(struct attachment *at);
static void open_again(struct attachment *at);

/* Lets the attachments that waited for @gone go on. */
static void wake_rivals(const struct attachment *gone)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &gone->all->list) {
		struct attachment *at = attachment_of(pos);

		if (at->state == ATTACH_STATE_WAITING && at->rival == gone)
			open_device(at);
	}
}

/* The device was given back: ends the attachment, or opens the device again after a reset. */
static void released(struct attachment *at)
{
	void (*done)(void *ctx) = at->detach.done;

	if (at->goal == ATTACH_GOAL_PLUGGED) {
		open_again(at);
		return;
	}
	at->detach.done = NULL;
	attachment_finish(at);
	if (done && !attachments_are_stopping(at->all))
		done(at->detach.ctx);
	wake_rivals(at);
}

static void on_destroyed(void *ctx)
{
	released(ctx);
}

/* Gives @dev, which is not plugged in, back to the host. */
static void release(struct attachment *at, struct usbdev *dev)
{
	attachment_enter(at, ATTACH_STATE_LEAVING);
	usbdev_destroy(dev, on_destroyed, at);
}

/* Takes the HELD device, and stops its events. */
static struct usbdev *take_held(struct attachment *at)
{
	struct usbdev *dev = at->dev;

	usbdev_set_events(dev, NULL, NULL);
	at->dev = NULL;
	return dev;
}

static void on_unplugged(struct vm_unplug *unplug)
{
	released(CONTAINER_OF(unplug, struct attachment, unplug));
}

static void unplug(struct attachment *at)
{
	attachment_enter(at, ATTACH_STATE_LEAVING);
	at->unplug.done = on_unplugged;
	if (vm_unplug(at->all->vm, at->port, &at->unplug) < 0)
		released(at);
}

/* Takes the device out for good, whatever the state. */
static void leave(struct attachment *at)
{
	attachment_fail(at, ECANCELED, "it was detached meanwhile");
	at->goal = ATTACH_GOAL_OUT;
	switch (at->state) {
	case ATTACH_STATE_PLUGGED:
		attachment_notify(at, ATTACH_EVENT_DETACHED, NULL);
		unplug(at);
		break;
	case ATTACH_STATE_HELD:
		release(at, take_held(at));
		break;
	case ATTACH_STATE_AWAY:
		attachment_notify(at, ATTACH_EVENT_DETACHED, NULL);
		released(at);
		break;
	case ATTACH_STATE_WAITING:
		closer_close(&at->node.fd);
		released(at);
		break;
	case ATTACH_STATE_NODE:
	case ATTACH_STATE_OPENING:
	case ATTACH_STATE_LEAVING:
		/* the pending step checks the goal when it completes */
		break;
	case ATTACH_STATE_NEW:
	case ATTACH_STATE_OUT:
	default:
		assert(false);
	}
}

/* --- into the controller --- */

static void on_held_gone(void *ctx)
{
	struct attachment *at = ctx;

	attachment_fail(at, ENODEV, "the device has gone");
	attachment_log_failure(at);
	at->goal = ATTACH_GOAL_OUT;
	release(at, take_held(at));
}

static const struct usbdev_events held_events = {.gone = on_held_gone};

/* Its device is away, or on its way back. */
static bool comes_back(const struct attachment *at)
{
	return at->returning &&
	       (at->state == ATTACH_STATE_AWAY || attachment_is_opening(at) ||
		at->state == ATTACH_STATE_HELD);
}

/* Sets @at->port if a port is reserved for it. Return: all reserved ports. */
static struct vm_reserved collect_reserved_ports(struct attachment *at)
{
	const struct attachments *all = at->all;
	struct vm_reserved reserved = ports_reserved(&all->reserves);
	struct list *pos;

	/* an agent that was restarted no longer knows the port */
	if (at->port == 0)
		at->port = ports_find(&all->reserves, at->wanted.rule, at->node.place);
	LIST_FOREACH(pos, &all->list) {
		const struct attachment *other = attachment_of(pos);

		if (other != at && comes_back(other))
			ports_add(&reserved, other->port);
	}
	return reserved;
}

static void log_plugged(const struct attachment *at)
{
	const char *label = at->facts.label, *speed = at->facts.speed;

	if (at->returning)
		log_limited(LOG_LEVEL_INFO, "port %u: %s, %s speed, is back", at->port,
			    label, speed);
	else if (at->wanted.is_option)
		log_info("port %u: %s, %s speed", at->port, label, speed);
	else
		log_limited(LOG_LEVEL_INFO, "port %u: %s, %s speed", at->port, label,
			    speed);
}

int attachment_plug(struct attachment *at)
{
	struct usbdev *dev = take_held(at);
	struct vm_reserved reserved = collect_reserved_ports(at);
	struct attach_facts *facts = &at->facts;
	int port;

	(void)snprintf(facts->label, sizeof(facts->label), "%s", dev->label);
	facts->speed = device_speed_name(dev->speed);
	facts->vendor = dev->vendor;
	facts->product = dev->product;
	port = vm_plug(at->all->vm, dev, at->port, &reserved, &at->failure.err);
	if (port < 0) {
		attachment_log_failure(at);
		attachment_notify(at, ATTACH_EVENT_FAILED, &at->failure.err);
		attachment_finish(at);
		return port;
	}
	attachment_enter(at, ATTACH_STATE_PLUGGED);
	at->port = (unsigned)port;
	at->dev = dev;
	at->since = time(NULL);
	ports_use(&at->all->reserves, at->port);
	log_plugged(at);
	attachment_notify(
		at, at->returning ? ATTACH_EVENT_RETURNED : ATTACH_EVENT_ATTACHED, NULL);
	attachment_answer(at, at->port);
	return 0;
}

/* Enters HELD and plugs @dev in, now or when the start is over; releases it if @at is bound for
 * OUT. */
static void hold(struct attachment *at, struct usbdev *dev)
{
	if (at->goal == ATTACH_GOAL_OUT) {
		release(at, dev);
		return;
	}
	attachment_enter(at, ATTACH_STATE_HELD);
	at->dev = dev;
	if (!wanted_is_host(&at->wanted) && at->wanted.name[0] != '\0')
		(void)snprintf(dev->label, sizeof(dev->label), "%s", at->wanted.name);
	usbdev_set_events(dev, &held_events, at);
	if (!attachments_are_starting(at->all))
		(void)attachment_plug(at);
}

/* --- devices that have gone --- */

static void on_time_over(struct attachment *at)
{
	attachment_finish(at);
	if (!at->away.appeared) {
		log_limited(LOG_LEVEL_INFO, "%s: has not come back", at->wanted.name);
		return;
	}
	attachment_notify(at, ATTACH_EVENT_FAILED, &at->failure.err);
	log_limited(LOG_LEVEL_ERROR, "%s: cannot be taken back: %s", at->wanted.name,
		    at->failure.err.text);
	if (at->failure.hint[0] != '\0')
		log_limited(LOG_LEVEL_INFO, "to fix that: %s", at->failure.hint);
}

static void on_away_found(struct away *away);

static void on_away_over(struct away *away)
{
	on_time_over(CONTAINER_OF(away, struct attachment, away));
}

/* Return: NULL, or why attach cannot find the device again. */
static const char *prepare_return(struct attachment *at)
{
	if (at->wanted.kind == ATTACH_KIND_FD)
		return "it was handed over open, and would have to be so again";
	if (!at->all->hears_kernel || at->node.place[0] == '\0')
		return "without sysfs and news from the kernel it cannot be found again";
	at->away.on_found = on_away_found;
	at->away.on_over = on_away_over;
	if (away_prepare(&at->away, at->all->loop) < 0)
		return "not enough memory to look for it";
	return NULL;
}

void attachment_lost(struct attachment *at)
{
	const char *why;
	struct err err = {0};

	at->dev = NULL;
	at->since = 0;
	ports_reserve(&at->all->reserves, at->port, at->wanted.rule, at->node.place);
	if (!wanted_is_host(&at->wanted) || at->wanted.rule[0] != '\0') {
		attachment_notify(at, ATTACH_EVENT_GONE, NULL);
		attachment_finish(at);
		return;
	}
	why = prepare_return(at);
	if (why) {
		err_fill(&err, ENODEV, "%s", why);
		attachment_notify(at, ATTACH_EVENT_GONE, &err);
		log_limited(LOG_LEVEL_INFO, "%s: has gone; %s", at->wanted.name, why);
		attachment_finish(at);
		return;
	}
	attachment_notify(at, ATTACH_EVENT_GONE, NULL);
	log_limited(LOG_LEVEL_INFO,
		    "%s: has gone; should a device appear at %s within %u s, it will be "
		    "plugged in instead",
		    at->wanted.name, strrchr(at->node.place, '/') + 1,
		    (unsigned)(AWAY_MAX_NS / 1000000000));
	attachment_enter(at, ATTACH_STATE_AWAY);
	at->returning = true;
	away_begin(&at->away, at->node.place, at->node.bus, at->node.number);
}

/* The device that appeared could not be opened, see @at->failure. */
static void not_back(struct attachment *at)
{
	int code = at->failure.err.code;
	bool soon = code == EACCES || code == ENOENT;

	attachment_enter(at, ATTACH_STATE_AWAY);
	if (away_is_over(&at->away)) {
		on_time_over(at);
		return;
	}
	if (!soon)
		log_limited(LOG_LEVEL_WARN, "%s: cannot be taken back: %s",
			    at->wanted.name, at->failure.err.text);
	away_resume(&at->away, soon);
}

void attachment_hear(struct attachment *at, const struct uevent *event)
{
	/* while it opens a device it ignores reports, and looks afterwards */
	if (at->state == ATTACH_STATE_AWAY)
		away_hear(&at->away, event);
}

/* --- opening --- */

/* The sandbox may refuse a file whose mode allows the open. */
static void explain(struct attachment *at)
{
	struct attach_failure *failure = &at->failure;
	enum attach_kind kind = at->wanted.kind;
	const char *path = kind == ATTACH_KIND_NODE   ? at->opening.path
			   : kind == ATTACH_KIND_FILE ? at->wanted.path
						      : NULL;

	if (path && failure->err.code == EACCES && failure->hint[0] == '\0')
		(void)sandbox_explains(path, failure->hint, sizeof(failure->hint));
}

/* The device could not be opened or made, see @at->failure. */
static void failed(struct attachment *at)
{
	explain(at);
	if (at->goal == ATTACH_GOAL_OUT) {
		released(at);
	} else if (at->returning) {
		not_back(at);
	} else {
		attachment_log_failure(at);
		if (at->wanted.is_option && !wanted_is_host(&at->wanted) &&
		    attachments_are_starting(at->all))
			at->all->start_result = -at->failure.err.code;
		attachment_notify(at, ATTACH_EVENT_FAILED, &at->failure.err);
		attachment_finish(at);
	}
}

static bool has_device(const struct attachment *at)
{
	return at->state == ATTACH_STATE_OPENING || at->state == ATTACH_STATE_HELD ||
	       at->state == ATTACH_STATE_PLUGGED || at->state == ATTACH_STATE_LEAVING;
}

/* Another attachment that has the same device, or NULL. */
static struct attachment *find_rival(const struct attachment *at)
{
	struct list *pos;

	LIST_FOREACH(pos, &at->all->list) {
		struct attachment *other = attachment_of(pos);

		if (other != at && wanted_is_host(&other->wanted) && has_device(other) &&
		    at->node.bus != 0 && other->node.bus == at->node.bus &&
		    other->node.number == at->node.number)
			return other;
	}
	return NULL;
}

static void on_opened(void *ctx, struct usbdev *dev, const struct err *err)
{
	struct attachment *at = ctx;

	if (!dev && at->goal == ATTACH_GOAL_PLUGGED)
		at->failure.err = *err;
	if (dev)
		hold(at, dev);
	else
		failed(at);
}

/* Takes the device of @at->node from the host's drivers, or waits for a rival to release it. */
static void open_device(struct attachment *at)
{
	struct host_options options = {
		.name = at->wanted.name,
		.reset = at->wanted.reset,
	};
	struct attachment *rival = find_rival(at);

	if (rival) {
		log_debug("%s: is attached already, and given back first",
			  at->wanted.name);
		attachment_enter(at, ATTACH_STATE_WAITING);
		at->rival = rival;
		if (at->port == 0)
			at->port = rival->port;
		if (rival->goal == ATTACH_GOAL_PLUGGED)
			leave(rival);
		return;
	}
	attachment_enter(at, ATTACH_STATE_OPENING);
	at->failure = (struct attach_failure){0};
	/* the device may have another number by now, which its fd does not know */
	if (at->wanted.kind == ATTACH_KIND_FD && at->announced)
		(void)snprintf(at->failure.hint, sizeof(at->failure.hint),
			       "it was handed over open: attach it again");
	options.fd = at->dev_fd = at->node.fd;
	at->node.fd = -1;
	if (host_open(at->all->loop, &options, on_opened, at, &at->failure.err) < 0)
		failed(at);
}

/* Ignores the guard's verdict for a device that we already own. */
static void apply_guard(struct attachment *at)
{
	const struct opening *opening = &at->opening;

	if (at->failure.err.code != 0 || opening->refusal.code == 0 || find_rival(at))
		return;
	at->failure.err = opening->refusal;
	if (at->wanted.is_option)
		(void)snprintf(at->failure.hint, sizeof(at->failure.hint),
			       "--device host:path=%.200s,force takes it all the same",
			       opening->path[0] != '\0' ? opening->path : "NODE");
	closer_close(&at->node.fd);
}

static void on_node_opened(struct opening *opening)
{
	struct attachment *at = CONTAINER_OF(opening, struct attachment, opening);

	at->node = opening->node;
	opening->node.fd = -1;
	at->facts.hostdev_known = opening->hostdev_known;
	at->facts.hostdev = opening->hostdev;
	if (at->goal == ATTACH_GOAL_OUT) {
		closer_close(&at->node.fd);
		released(at);
		return;
	}
	at->failure = opening->failure;
	apply_guard(at);
	if (at->failure.err.code != 0)
		failed(at);
	else
		open_device(at);
}

/* Opens @at->opening.path, or once more the node that was handed over. */
static void open_its_node(struct attachment *at)
{
	struct opening *opening = &at->opening;

	attachment_enter(at, ATTACH_STATE_NODE);
	opening->on_done = on_node_opened;
	opening->node = at->node;
	at->node.fd = -1;
	if (opening_begin_node(opening, at->all->loop) < 0) {
		closer_close(&opening->node.fd);
		at->failure = opening->failure;
		failed(at);
	}
}

static void on_away_found(struct away *away)
{
	struct attachment *at = CONTAINER_OF(away, struct attachment, away);
	const char numbers[] = "/dev/bus/usb/";

	node_path(away->bus, away->number, at->opening.path);
	log_debug("%s: %s has appeared in its place", at->wanted.name, at->opening.path);
	/* a name that the user made stays right, a number does not */
	if (strncmp(at->wanted.path, numbers, strlen(numbers)) == 0)
		(void)snprintf(at->wanted.name, sizeof(at->wanted.name), "%.*s",
			       (int)sizeof(at->wanted.name) - 1, at->opening.path);
	open_its_node(at);
}

/* Return: 0 or -errno, in @at->failure. */
static int create(struct attachment *at, struct usbdev **ret_dev)
{
	int r = device_create(at->all->loop, at->wanted.text, &at->opening.file, ret_dev,
			      &at->failure.err);

	if (r < 0)
		device_file_close(&at->opening.file);
	return r;
}

static void on_file_opened(struct opening *opening)
{
	struct attachment *at = CONTAINER_OF(opening, struct attachment, opening);
	struct usbdev *dev = NULL;

	if (at->goal == ATTACH_GOAL_PLUGGED)
		at->failure = opening->failure;
	if (opening->failure.err.code == 0 && create(at, &dev) == 0)
		hold(at, dev);
	else
		failed(at);
}

/* Makes an emulated device, later if it needs a file. Return: 0, or -errno at once, in
 * @at->failure: then its state has not changed. */
static int make(struct attachment *at)
{
	struct usbdev *dev = NULL;
	int r;

	if (at->wanted.kind == ATTACH_KIND_EMULATED) {
		r = create(at, &dev);
		if (r == 0)
			hold(at, dev);
		return r;
	}
	at->opening.on_done = on_file_opened;
	r = opening_begin_file(&at->opening, at->all->loop);
	if (r < 0)
		at->failure = at->opening.failure;
	else
		attachment_enter(at, ATTACH_STATE_NODE);
	return r;
}

/* Its device was released for a reset. */
static void open_again(struct attachment *at)
{
	if (at->wanted.kind == ATTACH_KIND_FD) {
		open_device(at);
	} else if (at->wanted.kind == ATTACH_KIND_NODE) {
		/* by its number: a link may lead elsewhere by now */
		node_path(at->node.bus, at->node.number, at->opening.path);
		open_its_node(at);
	} else if (make(at) < 0) {
		attachment_log_failure(at);
		attachment_notify(at, ATTACH_EVENT_FAILED, &at->failure.err);
		attachment_finish(at);
	}
}

/* --- orders --- */

int attachment_start(struct attachment *at)
{
	int r;

	if (wanted_is_host(&at->wanted)) {
		open_its_node(at);
		return 0;
	}
	r = make(at);
	if (r < 0)
		attachment_enter(at, ATTACH_STATE_OUT);
	return r;
}

int attachment_detach(struct attachment *at, void (*done)(void *ctx), void *ctx)
{
	if (at->goal == ATTACH_GOAL_OUT)
		return -EALREADY;
	at->detach.done = done;
	at->detach.ctx = ctx;
	leave(at);
	return 0;
}

int attachment_reset(struct attachment *at, attach_done *done, void *ctx, struct err *err)
{
	if (at->state != ATTACH_STATE_PLUGGED)
		return err_set(err, EBUSY, "it is not plugged in at the moment");
	if (at->wanted.kind == ATTACH_KIND_FD &&
	    node_copy(&at->node, at->dev_fd, err) < 0)
		return -err->code;
	at->returning = false;
	at->order.done = done;
	at->order.ctx = ctx;
	unplug(at);
	return 0;
}

void attachment_stop(struct attachment *at)
{
	at->goal = ATTACH_GOAL_OUT;
	if (at->state == ATTACH_STATE_HELD)
		release(at, take_held(at));
	else if (at->state == ATTACH_STATE_WAITING || at->state == ATTACH_STATE_PLUGGED ||
		 at->state == ATTACH_STATE_AWAY)
		/* the owner of the vm pulls the plugged devices */
		attachment_finish(at);
}
