/* SPDX-License-Identifier: MIT
 * attach.h - makes or opens devices, plugs them in, and takes them out again
 *
 * Loop thread only. --device and orders at run time name the devices. attach also looks for a
 * device that was pulled on the host, and plugs it in again when it returns.
 */
#ifndef DAEMON_ATTACH_ATTACH_H
#define DAEMON_ATTACH_ATTACH_H

#include <stdbool.h>

#include "daemon/attach/info.h"
#include "daemon/attach/order.h"
#include "util/compiler.h"
#include "util/err.h"

struct attach;
struct loop;
struct vm;

/* How many devices there can be on their way in, plugged in or leaving. */
#define ATTACH_MAX 64u

/**
 * struct attach_options - where to plug in, and the owner's callbacks
 * @settled:	answers attach_start(), later: each device is plugged in, has failed, or takes too
 *		long; attach plugs in the slow ones when they come. @result: 0, or -errno: an
 *		emulated device could not be made or plugged in, which has been logged
 * @idle:	answers attach_stop(), later
 * @event:	reports what happened to a device; may be NULL. Must not call back
 */
struct attach_options {
	struct loop *loop;
	struct vm *vm;
	void (*settled)(void *ctx, int result);
	void (*idle)(void *ctx);
	void (*event)(void *ctx, enum attach_event event, const struct attach_info *info);
	void *ctx;
};

/* Returns owned, or NULL without memory. Opens nothing. */
struct attach *attach_create(void);
/* Must be idle. NULL is fine. */
void attach_destroy(struct attach *attach);

/* Adds the device of @text, which device_check() has accepted; copied. Before attach_start(), and
 * before the process opens any descriptor: attach_add() takes an inherited fd, whose number could
 * otherwise become one of ours. Return: 0 or -ENOMEM. */
MUST_USE int attach_add(struct attach *attach, const char *text);

/**
 * attach_start() - make and open the devices
 *
 * They get their ports in the order added. attach logs and leaves out a real device that it cannot
 * open. Return: 0, or -errno if it cannot start at all, which has been logged; then it does
 * not call options.settled.
 */
MUST_USE int attach_start(struct attach *attach, const struct attach_options *options);

/* The device in @port was pulled on the host (struct vm_options.gone). */
void attach_gone(struct attach *attach, unsigned port);

/* Attaches a device. If another attachment has it, attach detaches that one first, and the device
 * keeps its port. After attach_start(). Return: the id (> 0), or -errno with the reason in
 * @err: then attach does not call @order->done. */
MUST_USE int attach_order(struct attach *attach, const struct attach_order *order,
			  struct err *err);

/**
 * attach_detach() - pull a device and give it back to the host
 * @done:	the host has the device back: called once, inside this call or later, unless
 *		attach_stop() comes before. May be NULL
 *
 * If the device is still being opened, attach gives it back when that has ended, and its order
 * fails with ECANCELED. Return: 0; -ENOENT no such device; -EALREADY: it is on its way out;
 * -ESHUTDOWN after attach_stop(), which detaches all.
 */
MUST_USE int attach_detach(struct attach *attach, unsigned id, void (*done)(void *ctx),
			   void *ctx);

/**
 * attach_reset() - pull a device, open it again and plug it into the same port
 * @done:	as of an order
 *
 * A device that was handed over open is opened by a copy of its descriptor. If the device has
 * another number by then, the copy does not work, and the reset fails.
 * Return: 0, or -errno with the reason in @err: -ENOENT no such device, -EBUSY it is not
 * plugged in.
 */
MUST_USE int attach_reset(struct attach *attach, unsigned id, attach_done *done,
			  void *ctx, struct err *err);

/* While @awaited the start is not over, unless it takes too long: the owner still looks
 * for devices. Before or after attach_start(). */
void attach_await(struct attach *attach, bool awaited);

/* Calls @each for each device on its way in, plugged in, away or leaving. */
void attach_each(const struct attach *attach,
		 void (*each)(void *ctx, const struct attach_info *info), void *ctx);

/* Opens and plugs in no further device, and gives back those that are on their way in. When that
 * is done, and not before this returns, attach calls options.idle, if attach_start() was
 * called. */
void attach_stop(struct attach *attach);
/* True if no device is being opened or given back. */
bool attach_is_idle(const struct attach *attach);
/* Devices plugged in. */
unsigned attach_count(const struct attach *attach);

#endif /* DAEMON_ATTACH_ATTACH_H */
