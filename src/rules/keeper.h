/* SPDX-License-Identifier: MIT
 * keeper.h - rules that hold devices: what to attach when, and again when it is back
 *
 * The keeper listens to the kernel, reads sysfs by a worker, and tells its owner what
 * to attach; the owner opens devices and plugs them in, and answers. A *holder* is the
 * place that a rule has for one device: one per rule, or with "all" as many as there
 * are devices, up to KEEPER_HOLDERS_MAX.
 *
 *	WAITING -> attach() -> ATTACHING -> keeper_attached() -> ATTACHED
 *	ATTACHED -> keeper_gone() -> WAITING
 *	ATTACHED -> detach() -> DETACHING -> keeper_gone() -> no more
 *
 * What has failed is tried again for ever, later each time: after 20 ms, 40 ms... where
 * that is likely to pass soon (-EACCES, -ENOENT, -EBUSY: udev has not come to it, or
 * someone still has it), else after 100 ms, 200 ms...; at last every 30 s. A device that
 * is plugged in anew begins anew. Of two rules that match a device the one added first
 * gets it.
 *
 * A holder whose device has gone prefers one in the same socket, in either half; one
 * that was there all the time is taken in its place only after KEEPER_GRACE_NS, so that
 * a device that only re-enumerates does not lose its place to its like.
 *
 * Loop thread only. No callback is called inside a function of the keeper; a callback
 * may call any of them but keeper_destroy() and keeper_uevent().
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

/* Looks at all devices, once there is a rule. Returns owned, or NULL with the reason
 * in @err. */
struct keeper *keeper_create(const struct keeper_options *options, struct err *err);
/* Calls nobody. May wait for the kernel to answer what the worker has asked; not if
 * keeper_is_quiet(). NULL is fine. */
void keeper_destroy(struct keeper *keeper);
/* Attaches nothing any more; what is attached stays, answers are still taken. */
void keeper_stop(struct keeper *keeper);
/* True if no sysfs is being read and no answer to attach() or detach() is awaited. */
bool keeper_is_quiet(const struct keeper *keeper);

/**
 * keeper_add() - one more rule, behind the others
 * @rule:	copied; without an id it gets one
 * @ret_id:	its id, borrowed until it is removed; may be NULL
 *
 * Return: 0; -EEXIST there is one of this id; -E2BIG; -ENOMEM; with words in @err.
 */
MUST_USE int keeper_add(struct keeper *keeper, const struct rule *rule,
			enum keeper_origin origin, const char **ret_id, struct err *err);
/* Its devices are detached. Return: 0, or -ENOENT with words in @err. */
MUST_USE int keeper_remove(struct keeper *keeper, const char *id, struct err *err);
/**
 * keeper_replace() - @list instead of all rules of @origin
 *
 * Rules that are in both and mean the same stay as they are, and keep their devices.
 * All or nothing. Return: as keeper_add().
 */
MUST_USE int keeper_replace(struct keeper *keeper, const struct rule_list *list,
			    enum keeper_origin origin, struct err *err);
unsigned keeper_rule_count(const struct keeper *keeper);
/* Calls @on_status for each holder, rules in their order; each rule has at least one. */
void keeper_list(const struct keeper *keeper,
		 void (*on_status)(void *ctx, const struct keeper_status *status),
		 void *ctx);

/* Answer to attach(). @port: where it is. @err: NULL, or why it failed: its code says
 * how soon it is tried again. Unknown holders are ignored, here and below. */
void keeper_attached(struct keeper *keeper, unsigned holder, unsigned port,
		     const struct err *err);
/* The device of an ATTACHED or DETACHING holder is no longer plugged in. */
void keeper_gone(struct keeper *keeper, unsigned holder, enum keeper_end end);
/* Something that is_taken() knows of has changed: check whether a device is free now. */
void keeper_recheck(struct keeper *keeper);
/* News from the kernel; NULL: some may have been lost. For no_uevents, and tests. */
void keeper_uevent(struct keeper *keeper, const struct uevent *event);

#endif /* RULES_KEEPER_H */
