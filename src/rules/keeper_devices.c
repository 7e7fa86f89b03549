/* SPDX-License-Identifier: MIT
 * keeper_devices.c - which devices are there
 *
 * News from the kernel only says which place to read; what sysfs says then counts. One
 * worker does scans and readings one after the other, so a later one is the newer one.
 * News about a place that is being read makes the worker read it again.
 */
#include "rules/keeper_devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/keeper_core.h"
#include "rules/keeper_failure.h"
#include "rules/keeper_rule.h"
#include "rules/uevent.h"
#include "util/clock.h"
#include "util/log.h"

/* After running out of memory. */
#define SCAN_AGAIN_NS UINT64_C(1000000000)

/* Places being read; beyond that a scan reads all. */
#define READS_MAX 64u

/* A place that the worker reads, because of news. @again: more news came meanwhile. */
struct reading {
	struct list node_in_keeper;
	struct worker_job job;
	struct keeper *keeper;
	char place[HOSTDEV_PLACE_BYTES];
	struct hostdev dev;
	int result;
	bool again;
};

static struct reading *reading_of(struct list *node)
{
	return LIST_ENTRY(node, struct reading, node_in_keeper);
}

static bool is_same(const struct hostdev *dev, unsigned bus, unsigned number)
{
	return dev->bus == bus && dev->number == number;
}

static void drop_failures(struct keeper *keeper, const struct known *known)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->rules) {
		struct failure *failure = keeper_failure(rule_of(pos), known);

		if (failure)
			keeper_drop_failure(rule_of(pos), failure);
	}
}

static void drop(struct keeper *keeper, struct known *known)
{
	if (known->holder) {
		known->holder->pulled = true;
		if (known->holder->state >= HOLDER_STATE_ATTACHED)
			known->holder->lost_ns = clock_now_ns();
	}
	drop_failures(keeper, known);
	list_remove(&known->node_in_keeper);
	keeper->devices.known_count--;
	free(known);
}

/* Inserts @known in the order of hostdev_order(). */
static void insert(struct keeper *keeper, struct known *known)
{
	struct list *pos = keeper->devices.known.prev;

	while (pos != &keeper->devices.known &&
	       hostdev_order(&known_of(pos)->dev, &known->dev) > 0)
		pos = pos->prev;
	/* behind @pos */
	list_append(pos->next, &known->node_in_keeper);
}

static void merge(struct keeper *keeper, const struct hostdev *dev)
{
	struct known *known = keeper_find(keeper, dev->place);

	if (known && is_same(&known->dev, dev->bus, dev->number)) {
		known->dev = *dev;
		list_remove(&known->node_in_keeper);
		insert(keeper, known);
		return;
	}
	if (known)
		drop(keeper, known);
	if (keeper->devices.known_count == HOSTDEV_DEVICES_MAX) {
		log_limited(LOG_LEVEL_WARN, "more than %u USB devices; %s is ignored",
			    HOSTDEV_DEVICES_MAX, dev->name);
		return;
	}
	known = calloc(1, sizeof(*known));
	if (!known) {
		keeper->devices.scan_at_ns = clock_now_ns() + SCAN_AGAIN_NS;
		return;
	}
	known->dev = *dev;
	known->appeared_ns = clock_now_ns();
	keeper->devices.known_count++;
	insert(keeper, known);
}

/* --- one place --- */

static void run_reading(struct worker_job *job)
{
	struct reading *reading = CONTAINER_OF(job, struct reading, job);

	reading->result = hostdev_read(reading->keeper->options.root, reading->place,
				       &reading->dev);
}

static void on_reading_done(struct worker_job *job)
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
		keeper->devices.scan_at_ns = clock_now_ns() + SCAN_AGAIN_NS;
	else if (known)
		drop(keeper, known);
	list_remove(&reading->node_in_keeper);
	keeper->devices.reading_count--;
	free(reading);
	keeper_wake(keeper);
}

static struct reading *find_reading(const struct keeper *keeper, const char *place)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->devices.readings) {
		if (strcmp(reading_of(pos)->place, place) == 0)
			return reading_of(pos);
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
	if (keeper->devices.reading_count < READS_MAX)
		reading = calloc(1, sizeof(*reading));
	if (!reading) {
		keeper_scan(keeper);
		return;
	}
	reading->keeper = keeper;
	memcpy(reading->place, place, strlen(place) + 1);
	reading->job = (struct worker_job){.run = run_reading, .done = on_reading_done};
	list_append(&keeper->devices.readings, &reading->node_in_keeper);
	keeper->devices.reading_count++;
	keeper->pass.busy_told = true;
	worker_submit(keeper->worker, &reading->job);
}

/* --- all of them --- */

static void run_scan(struct worker_job *job)
{
	struct keeper *keeper = CONTAINER_OF(job, struct keeper, devices.scan);

	keeper->devices.scan_result =
		hostdev_list_read(keeper->options.root, &keeper->devices.scanned);
}

static bool was_scanned(const struct keeper *keeper, const struct hostdev *dev)
{
	for (unsigned i = 0; i < keeper->devices.scanned.count; i++) {
		const struct hostdev *other = &keeper->devices.scanned.devs[i];

		if (is_same(other, dev->bus, dev->number) &&
		    strcmp(other->place, dev->place) == 0)
			return true;
	}
	return false;
}

static void on_scan_done(struct worker_job *job)
{
	struct keeper *keeper = CONTAINER_OF(job, struct keeper, devices.scan);
	struct list *pos, *tmp;

	keeper->devices.scanning = false;
	keeper->devices.stale = false;
	if (keeper->devices.scan_result < 0) {
		log_limited(LOG_LEVEL_ERROR,
			    "the host's USB devices cannot be listed: "
			    "/sys/bus/usb/devices: %s",
			    strerror(-keeper->devices.scan_result));
		if (keeper->devices.scan_result == -ENOMEM)
			keeper->devices.scan_at_ns = clock_now_ns() + SCAN_AGAIN_NS;
	} else {
		LIST_FOREACH_SAFE(pos, tmp, &keeper->devices.known) {
			if (!was_scanned(keeper, &known_of(pos)->dev))
				drop(keeper, known_of(pos));
		}
		for (unsigned i = 0; i < keeper->devices.scanned.count; i++)
			merge(keeper, &keeper->devices.scanned.devs[i]);
		hostdev_list_finish(&keeper->devices.scanned);
	}
	keeper_wake(keeper);
}

void keeper_scan(struct keeper *keeper)
{
	if (keeper->devices.scanning) {
		/* when the present one is over */
		keeper->devices.scan_at_ns = 0;
		return;
	}
	keeper->devices.scan_at_ns = KEEPER_NEVER;
	keeper->devices.scanning = true;
	keeper->pass.busy_told = true;
	keeper->devices.scan = (struct worker_job){.run = run_scan, .done = on_scan_done};
	worker_submit(keeper->worker, &keeper->devices.scan);
}

/* --- news --- */

void keeper_hear(struct keeper *keeper, const struct uevent *event)
{
	struct known *known;

	/* no rule wants a device; the first one starts a scan */
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
		/* what the worker reads now may be from before */
		if (keeper->devices.scanning || find_reading(keeper, event->place))
			keeper_read(keeper, event->place);
	}
	keeper_wake(keeper);
}

void keeper_forget_devices(struct keeper *keeper)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &keeper->devices.readings)
		free(reading_of(pos));
	LIST_FOREACH_SAFE(pos, tmp, &keeper->devices.known)
		free(known_of(pos));
	hostdev_list_finish(&keeper->devices.scanned);
}
