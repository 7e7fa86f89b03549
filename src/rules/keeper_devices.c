/* SPDX-License-Identifier: MIT
 * keeper_devices.c - which devices are there
 *
 * News only says where to look; what counts is what is read then. Scans and readings
 * are done one after the other by the same worker, so a later one is the newer one. What
 * is told of a place that is being read means that it is to be read again.
 */
#include "rules/keeper_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

/* After what cannot be helped: no memory. */
#define SCAN_AGAIN_NS UINT64_C(1000000000)

static struct known *known_of(struct list *node)
{
	return LIST_ENTRY(node, struct known, node_in_known);
}

struct known *keeper_find(const struct keeper *keeper, const char *place)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->known) {
		if (strcmp(known_of(pos)->dev.place, place) == 0)
			return known_of(pos);
	}
	return NULL;
}

static bool is_same(const struct hostdev *dev, unsigned bus, unsigned number)
{
	return dev->bus == bus && dev->number == number;
}

static void drop_troubles(struct keeper *keeper, const struct known *known)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->rules) {
		struct kept_rule *rule =
			LIST_ENTRY(pos, struct kept_rule, node_in_keeper);
		struct trouble *trouble = keeper_trouble(rule, known);

		if (trouble)
			keeper_drop_trouble(rule, trouble);
	}
}

static void drop(struct keeper *keeper, struct known *known)
{
	if (known->holder) {
		known->holder->pulled = true;
		if (known->holder->state >= HOLDER_ATTACHED)
			known->holder->lost_ns = clock_now_ns();
	}
	drop_troubles(keeper, known);
	list_remove(&known->node_in_known);
	keeper->known_count--;
	free(known);
}

/* Into its place in the order. */
static void insert(struct keeper *keeper, struct known *known)
{
	struct list *pos = keeper->known.prev;

	while (pos != &keeper->known &&
	       hostdev_order(&known_of(pos)->dev, &known->dev) > 0)
		pos = pos->prev;
	/* before the one behind @pos */
	list_append(pos->next, &known->node_in_known);
}

static void merge(struct keeper *keeper, const struct hostdev *dev)
{
	struct known *known = keeper_find(keeper, dev->place);

	if (known && is_same(&known->dev, dev->bus, dev->number)) {
		known->dev = *dev;
		list_remove(&known->node_in_known);
		insert(keeper, known);
		return;
	}
	if (known)
		drop(keeper, known);
	if (keeper->known_count == HOSTDEV_DEVICES_MAX) {
		log_limited(LOG_LEVEL_WARN, "more than %u USB devices; %s is ignored",
			    HOSTDEV_DEVICES_MAX, dev->name);
		return;
	}
	known = calloc(1, sizeof(*known));
	if (!known) {
		keeper->scan_at_ns = clock_now_ns() + SCAN_AGAIN_NS;
		return;
	}
	known->dev = *dev;
	known->appeared_ns = clock_now_ns();
	keeper->known_count++;
	insert(keeper, known);
}

/* --- one place --- */

static void run_reading(struct worker_job *job)
{
	struct reading *reading = CONTAINER_OF(job, struct reading, job);

	reading->result = hostdev_read(reading->keeper->options.root, reading->place,
				       &reading->dev);
}

static void reading_done(struct worker_job *job)
{
	struct reading *reading = CONTAINER_OF(job, struct reading, job);
	struct keeper *keeper = reading->keeper;
	struct known *known;

	if (reading->again && !keeper->stopped) {
		reading->again = false;
		worker_submit(keeper->worker, job);
		return;
	}
	known = keeper_find(keeper, reading->place);
	if (reading->result == 0)
		merge(keeper, &reading->dev);
	else if (reading->result == -ENOMEM)
		keeper->scan_at_ns = clock_now_ns() + SCAN_AGAIN_NS;
	else if (known)
		drop(keeper, known);
	list_remove(&reading->node_in_readings);
	keeper->reading_count--;
	free(reading);
	keeper_wake(keeper);
}

static struct reading *find_reading(const struct keeper *keeper, const char *place)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->readings) {
		struct reading *reading =
			LIST_ENTRY(pos, struct reading, node_in_readings);

		if (strcmp(reading->place, place) == 0)
			return reading;
	}
	return NULL;
}

void keeper_read(struct keeper *keeper, const char *place)
{
	struct reading *reading = find_reading(keeper, place);

	if (reading) {
		reading->again = true;
		return;
	}
	if (keeper->reading_count < KEEPER_READS_MAX)
		reading = calloc(1, sizeof(*reading));
	if (!reading) {
		keeper_scan(keeper);
		return;
	}
	reading->keeper = keeper;
	memcpy(reading->place, place, strlen(place) + 1);
	reading->job = (struct worker_job){.run = run_reading, .done = reading_done};
	list_append(&keeper->readings, &reading->node_in_readings);
	keeper->reading_count++;
	keeper->busy_told = true;
	worker_submit(keeper->worker, &reading->job);
}

/* --- all of them --- */

static void run_scan(struct worker_job *job)
{
	struct keeper *keeper = CONTAINER_OF(job, struct keeper, scan);

	keeper->scan_result =
		hostdev_list_read(keeper->options.root, &keeper->scanned_list);
}

static bool was_scanned(const struct keeper *keeper, const struct hostdev *dev)
{
	for (unsigned i = 0; i < keeper->scanned_list.count; i++) {
		const struct hostdev *other = &keeper->scanned_list.devs[i];

		if (is_same(other, dev->bus, dev->number) &&
		    strcmp(other->place, dev->place) == 0)
			return true;
	}
	return false;
}

static void scan_done(struct worker_job *job)
{
	struct keeper *keeper = CONTAINER_OF(job, struct keeper, scan);
	struct list *pos, *tmp;

	keeper->scanning = false;
	keeper->stale = false;
	if (keeper->scan_result < 0) {
		log_limited(LOG_LEVEL_ERROR,
			    "the host's USB devices cannot be listed: "
			    "/sys/bus/usb/devices: %s",
			    strerror(-keeper->scan_result));
		if (keeper->scan_result == -ENOMEM)
			keeper->scan_at_ns = clock_now_ns() + SCAN_AGAIN_NS;
	} else {
		LIST_FOREACH_SAFE(pos, tmp, &keeper->known) {
			if (!was_scanned(keeper, &known_of(pos)->dev))
				drop(keeper, known_of(pos));
		}
		for (unsigned i = 0; i < keeper->scanned_list.count; i++)
			merge(keeper, &keeper->scanned_list.devs[i]);
		hostdev_list_finish(&keeper->scanned_list);
	}
	keeper_wake(keeper);
}

void keeper_scan(struct keeper *keeper)
{
	if (keeper->scanning) {
		/* when that is over */
		keeper->scan_at_ns = 0;
		return;
	}
	keeper->scan_at_ns = KEEPER_NEVER;
	keeper->scanning = true;
	keeper->busy_told = true;
	keeper->scan = (struct worker_job){.run = run_scan, .done = scan_done};
	worker_submit(keeper->worker, &keeper->scan);
}

/* --- news --- */

void keeper_uevent(struct keeper *keeper, const struct uevent *event)
{
	struct known *known;

	/* nobody wants a device, or all will be looked at anyway */
	if (keeper->stopped || keeper->rule_count == 0)
		return;
	if (!event) {
		keeper_scan(keeper);
		return;
	}
	known = keeper_find(keeper, event->place);
	if (event->added) {
		if (known && is_same(&known->dev, event->bus, event->number))
			return;
		if (known)
			drop(keeper, known);
		keeper_read(keeper, event->place);
	} else {
		if (known && is_same(&known->dev, event->bus, event->number))
			drop(keeper, known);
		/* what is being read now may be from before */
		if (keeper->scanning || find_reading(keeper, event->place))
			keeper_read(keeper, event->place);
	}
	keeper_wake(keeper);
}

void keeper_forget_devices(struct keeper *keeper)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &keeper->readings)
		free(LIST_ENTRY(pos, struct reading, node_in_readings));
	LIST_FOREACH_SAFE(pos, tmp, &keeper->known)
		free(known_of(pos));
	hostdev_list_finish(&keeper->scanned_list);
}
