/* SPDX-License-Identifier: MIT
 * keeper.h - rules that hold devices: attach them, and again when they come back
 *
 * The keeper listens to the kernel, reads sysfs on a worker, and asks its owner to attach
 * devices; the owner opens them, plugs them in, and answers. A *holder* is the place that
 * a rule has for one device: one per rule, or with "all" as many as there are devices, up
 * to KEEPER_HOLDERS_MAX.
 *
 *	WAITING -> attach() -> ATTACHING -> keeper_attached() -> ATTACHED
 *	ATTACHED -> keeper_gone() -> WAITING
 *	ATTACHED -> detach() -> DETACHING -> keeper_gone() -> freed
 *
 * The keeper retries a failed device for ever, later each time: after 20 ms, 40 ms... if
 * the failure is likely to pass soon (-EACCES, -ENOENT, -EBUSY: udev has not handled the
 * device yet, or a program still has it), else after 100 ms, 200 ms...; in the end every
 * 30 s. Plugging the device in again resets that. If two rules match a device, the one
 * added first gets it.
 *
 * A holder that lost its device prefers one in the same socket, in either half. It takes a
 * device that was there all the time only after KEEPER_GRACE_NS, so a device that only
 * re-enumerates does not lose its place to a similar one.
 *
 * Loop thread only. No function of the keeper calls a callback; a callback may call any
 * function but keeper_destroy() and keeper_uevent().
 */
#ifndef RULES_KEEPER_H
#define RULES_KEEPER_H

#include <stdbool.h>

#include "rules/keeper_options.h"
#include "rules/rule.h"
#include "util/compiler.h"
#include "util/err.h"

struct keeper;
struct rule_list;
struct uevent;

/* Reads all devices as soon as there is a rule. Returns owned, or NULL with the reason
 * in @err. */
struct keeper *keeper_create(const struct keeper_options *options, struct err *err);
/* Calls no callback. May wait for the worker to finish reading sysfs, unless
 * keeper_is_quiet(). NULL is fine. */
void keeper_destroy(struct keeper *keeper);
/* Attaches nothing from now on. Attached devices stay; the owner may still answer. */
void keeper_stop(struct keeper *keeper);
/* True if the worker is idle and the owner owes no answer to attach() or detach(). */
bool keeper_is_quiet(const struct keeper *keeper);

/**
 * keeper_add() - add a rule behind the others
 * @rule:	copied; gets an id if it has none
 * @ret_id:	the id, borrowed until the rule is removed; may be NULL
 *
 * Return: 0; -EEXIST if a rule has this id; -E2BIG; -ENOMEM; with the reason in @err.
 */
MUST_USE int keeper_add(struct keeper *keeper, const struct rule *rule,
			enum keeper_origin origin, const char **ret_id, struct err *err);
/* Removes a rule and detaches its devices. Return: 0, or -ENOENT with the reason in @err. */
MUST_USE int keeper_remove(struct keeper *keeper, const char *id, struct err *err);
/**
 * keeper_replace() - replace all rules of @origin by @list
 *
 * Rules with the same meaning in both stay as they are, and keep their devices.
 * All or nothing. Return: as keeper_add().
 */
MUST_USE int keeper_replace(struct keeper *keeper, const struct rule_list *list,
			    enum keeper_origin origin, struct err *err);
unsigned keeper_rule_count(const struct keeper *keeper);
/* Calls @on_status for each holder, in the order of rules; each rule has at least one. */
void keeper_list(const struct keeper *keeper,
		 void (*on_status)(void *ctx, const struct keeper_status *status),
		 void *ctx);

/* The answer to attach(). @port: where the device is. @err: NULL, or why it failed; the code
 * decides how soon the keeper retries. Unknown holders are ignored, here and below. */
void keeper_attached(struct keeper *keeper, unsigned holder, unsigned port,
		     const struct err *err);
/* The device of an ATTACHED or DETACHING holder is no longer plugged in. */
void keeper_gone(struct keeper *keeper, unsigned holder, enum keeper_end end);
/* What is_taken() answers has changed: check whether a device is free now. */
void keeper_recheck(struct keeper *keeper);
/* News from the kernel; NULL: some may be lost. For no_uevents, and tests. */
void keeper_uevent(struct keeper *keeper, const struct uevent *event);

#endif /* RULES_KEEPER_H */
