/* SPDX-License-Identifier: MIT
 * keeper_priv.h - shared by the files of the keeper
 *
 * keeper.c has the rules, keeper_devices.c the devices that are there, keeper_settle.c
 * brings the two together, keeper_trouble.c knows why a rule does not have a device,
 * keeper_owner.c is what the owner asks and answers. Functions that others call, and news of
 * devices, only note what they are told and ask for a pass (keeper_wake()): the pass calls
 * the owner back, and alone frees holders and rules. So a callback may call anything.
 */
#ifndef RULES_KEEPER_PRIV_H
#define RULES_KEEPER_PRIV_H

#include "rules/keeper.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/worker.h"

#define KEEPER_READS_MAX    64u
#define KEEPER_TROUBLES_MAX 64u
#define KEEPER_NEVER        UINT64_MAX
#define SUPER_SPEED_MBIT    5000u

/**
 * struct known - a device that is there
 * @appeared_ns: when we saw it first
 * @holder:	has it, or is about to; NULL: nobody
 */
struct known {
	struct list node_in_known;
	struct hostdev dev;
	uint64_t appeared_ns;
	struct holder *holder;
};

/* A device being read, because the kernel told of it. @again: it has told more. */
struct reading {
	struct list node_in_readings;
	struct worker_job job;
	struct keeper *keeper;
	char place[HOSTDEV_PLACE_BYTES];
	struct hostdev dev;
	int result;
	bool again;
};

/**
 * struct trouble - why a rule does not have a device that is there
 * @count:	failures in a row
 * @retry_ns:	when to try again; KEEPER_NEVER
 * @refused:	it may not be had; else it failed
 * @told:	to the owner
 */
struct trouble {
	struct list node_in_rule;
	const struct known *known;
	unsigned count;
	uint64_t retry_ns;
	uint64_t since_ns;
	struct err err;
	bool refused;
	bool told;
};

enum holder_state {
	HOLDER_FREE,
	HOLDER_CHECKING, /* the guard looks at it */
	HOLDER_ATTACHING,
	HOLDER_ATTACHED,
	HOLDER_DETACHING,
};

/**
 * struct holder
 * @dev:	unless FREE
 * @job:	while CHECKING: has @dev, @result, @err
 * @pulled:	unless FREE: the kernel says that @dev has gone. @pulled_told: to the owner
 * @socket:	of the last device attached; "": none yet
 * @ports:	where the last one was, of USB 2 and of super speed; 0: none yet. @port: the
 *		last of both
 * @attached_ns, @lost_ns: when the last one came and went
 * @flaps:	how often in a row one has come for a moment only
 * @retry_ns:	not before then, because of @flaps
 * @told:	to the owner
 */
struct holder {
	struct list node_in_rule;
	struct kept_rule *rule;
	unsigned number;
	enum holder_state state;
	struct hostdev dev;
	struct worker_job job;
	int result;
	struct err err;
	bool pulled;
	bool pulled_told;
	char socket[HOSTDEV_NAME_BYTES];
	unsigned ports[2];
	unsigned port;
	uint64_t attached_ns;
	uint64_t lost_ns;
	unsigned flaps;
	uint64_t retry_ns;
	uint64_t since_ns;
	enum keeper_state told;
};

/**
 * struct kept_rule
 * @holders:	at least one
 * @retry_ns:	not before then, for want of memory
 * @removed:	will be freed when all holders are FREE
 * @listed:	within keeper_replace(): is to stay
 * @unnamed:	its id has been made up
 */
struct kept_rule {
	struct list node_in_keeper;
	struct keeper *keeper;
	struct rule rule;
	enum keeper_origin origin;
	struct list holders;
	unsigned holder_count;
	struct list troubles;
	unsigned trouble_count;
	uint64_t retry_ns;
	bool removed;
	bool listed;
	bool unnamed;
};

/**
 * struct keeper
 * @rules:	in the order added
 * @known:	in the order of hostdev_order()
 * @readings:	being read
 * @scan:	of all devices, into @scanned_list
 * @stale:	@known is not to be relied on before the next scan is over
 * @scan_at_ns:	when to begin one; KEEPER_NEVER
 * @pass:	deferred
 * @timer:	at @wake_ns, for what can be done only then
 * @next:	the rule the pass has come to; NULL: it begins
 * @changed:	something has happened since the pass began
 * @busy_told:	there was something to do since quiet() was called
 */
struct keeper {
	struct keeper_options options;
	struct uevents *uevents;
	struct worker *worker;
	struct list rules;
	unsigned rule_count;
	unsigned rules_made;
	unsigned holders_made;
	struct list known;
	unsigned known_count;
	struct list readings;
	unsigned reading_count;
	struct worker_job scan;
	struct hostdev_list scanned_list;
	int scan_result;
	bool scanning;
	bool stale;
	uint64_t scan_at_ns;
	struct loop_task pass;
	struct loop_timer *timer;
	uint64_t wake_ns;
	struct list *next;
	bool changed;
	bool stopped;
	bool busy_told;
};

/* keeper.c: a place for one more device; NULL without memory. */
struct holder *keeper_new_holder(struct kept_rule *rule);
/* Frees a removed rule, if it has no device any more. */
void keeper_reap(struct kept_rule *rule);

/* keeper_owner.c */
struct keeper_status keeper_status(const struct holder *holder);
struct keeper_status keeper_trouble_status(const struct kept_rule *rule,
					   const struct trouble *trouble);

/* keeper_devices.c: the device at @place, or NULL. */
struct known *keeper_find(const struct keeper *keeper, const char *place);
/* Reads the device at @place anew, by the worker. */
void keeper_read(struct keeper *keeper, const char *place);
/* Reads all, by the worker. */
void keeper_scan(struct keeper *keeper);
/* At the end: frees all; the worker is gone. */
void keeper_forget_devices(struct keeper *keeper);

/* keeper_trouble.c: notes that @rule cannot have @known; it will be tried again, later
 * each time. */
void keeper_fail(struct kept_rule *rule, const struct known *known, const struct err *err,
		 bool refused);
/* The same, not before @retry_ns; tells nobody. */
void keeper_postpone(struct kept_rule *rule, const struct known *known,
		     const struct err *err, bool refused, uint64_t retry_ns);
struct trouble *keeper_trouble(const struct kept_rule *rule, const struct known *known);
void keeper_drop_trouble(struct kept_rule *rule, struct trouble *trouble);
/* A line in the log. */
void keeper_tell_person(const struct kept_rule *rule, const struct known *known,
			const struct trouble *trouble);
/* @first_ns, doubled with each of @count after the first, up to a limit. */
uint64_t keeper_backoff_ns(unsigned count, uint64_t first_ns);

/* keeper_settle.c: something has changed, there will be a pass. */
void keeper_wake(struct keeper *keeper);
void keeper_on_pass(void *ctx);
/* @holder's device is not, or no longer, its own. */
void keeper_release(struct holder *holder);

#endif /* RULES_KEEPER_PRIV_H */
