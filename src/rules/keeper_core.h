/* SPDX-License-Identifier: MIT
 * keeper_core.h - a keeper, and what every file of it may do: note a change
 *
 * Functions for the owner, and news of devices, only note changes and ask for a pass
 * (keeper_wake()). Only the pass calls the owner back, and only it frees holders and rules.
 * So a callback may call anything.
 */
#ifndef RULES_KEEPER_CORE_H
#define RULES_KEEPER_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/hostdev.h"
#include "rules/keeper_options.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/worker.h"

struct holder;
struct uevents;

#define KEEPER_NEVER UINT64_MAX

/**
 * struct known - a device that is there
 * @appeared_ns: when we saw it first
 * @holder:	has it, or is about to; NULL: none
 */
struct known {
	struct list node_in_keeper;
	struct hostdev dev;
	uint64_t appeared_ns;
	struct holder *holder;
};

static inline struct known *known_of(struct list *node)
{
	return LIST_ENTRY(node, struct known, node_in_keeper);
}

/**
 * struct keeper_devices - the devices that are there, see keeper_devices.h
 * @known:	in the order of hostdev_order()
 * @readings:	places that the worker reads or will read
 * @scan:	the worker lists all devices, into @scanned
 * @scanning:	@scan is with the worker
 * @scan_at_ns:	when to begin the next one; KEEPER_NEVER
 * @stale:	@known is not to be relied on before the next scan is over
 */
struct keeper_devices {
	struct list known;
	unsigned known_count;
	struct list readings;
	unsigned reading_count;
	struct worker_job scan;
	struct hostdev_list scanned;
	int scan_result;
	bool scanning;
	uint64_t scan_at_ns;
	bool stale;
};

/**
 * struct keeper_pass - going through the rules, see keeper_match.h
 * @task:	deferred
 * @timer:	at @wake_ns, when a rule may have a device at the earliest
 * @next:	the rule the pass has come to; NULL: it begins
 * @changed:	something has happened since the pass began
 * @busy_told:	there was something to do since quiet() was called
 */
struct keeper_pass {
	struct loop_task task;
	struct loop_timer *timer;
	uint64_t wake_ns;
	struct list *next;
	bool changed;
	bool busy_told;
};

/**
 * struct keeper
 * @rules:	struct kept_rule, in the order added
 * @rules_made, @holders_made: for names and numbers
 */
struct keeper {
	struct keeper_options options;
	struct uevents *uevents;
	struct worker *worker;
	struct list rules;
	unsigned rule_count;
	unsigned rules_made;
	unsigned holders_made;
	struct keeper_devices devices;
	struct keeper_pass pass;
	bool stopped;
};

/* Something has changed: there will be a pass. */
void keeper_wake(struct keeper *keeper);
/* The device at @place, or NULL. */
struct known *keeper_find(const struct keeper *keeper, const char *place);
/* @holder's device is not, or no longer, its own. */
void keeper_release(struct holder *holder);
/* True if the worker reads sysfs, also if it will. */
bool keeper_is_reading(const struct keeper *keeper);
/* True if nothing is being read or done, and no answer of the owner is awaited. */
bool keeper_core_is_quiet(const struct keeper *keeper);

#endif /* RULES_KEEPER_CORE_H */
