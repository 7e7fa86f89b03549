/* SPDX-License-Identifier: MIT
 * attach.h - devices on their way into the controller, and those that come back
 *
 * Loop thread only. What --device and orders at run time name is made or opened here,
 * plugged into the vm, given back, and looked for when it comes back after it has gone.
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

/* On their way in, plugged in or leaving; more orders are refused. */
#define ATTACH_MAX 64u

/**
 * struct attach_options - where to plug in, and whom to tell
 * @settled:	answer to attach_start(), later: all devices have been plugged in or cannot
 *		be had, or some take too long and will be plugged in when they come.
 *		@result: 0, or -errno: an emulated device could not be made or plugged in,
 *		which has been logged
 * @idle:	answer to attach_stop(), later
 * @event:	something happened to a device; may be NULL. Must not call back
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

/* The device of a text that device_check() has accepted; borrowed. Before
 * attach_start(), and before anything else is opened: an inherited fd is taken here,
 * and if its number was not in use it soon may be one of ours.
 * Return: 0 or -ENOMEM. */
MUST_USE int attach_add(struct attach *attach, const char *text);

/**
 * attach_start() - make and open the devices
 *
 * They get their ports in the order added. A real device that cannot be had is logged
 * and left out. Return: 0, or -errno if it cannot start at all, which has been logged; then
 * options.settled is not called.
 */
MUST_USE int attach_start(struct attach *attach, const struct attach_options *options);

/* The device in @port has been pulled on the host's side (struct vm_options.gone). */
void attach_gone(struct attach *attach, unsigned port);

/* A device that is attached already is given back first, and keeps its port. After
 * attach_start(). Return: the id (> 0), or -errno with the reason in @err: then
 * @order->done is not called. */
MUST_USE int attach_order(struct attach *attach, const struct attach_order *order,
			  struct err *err);

/**
 * attach_detach() - pull a device and give it back to the host
 * @done:	it has been given back: called once, inside this call or later, unless there
 *		is attach_stop() before. May be NULL
 *
 * One that is still being opened is given back when that has ended, and its order fails
 * with ECANCELED. Return: 0; -ENOENT no such device; -EALREADY: it is on its way out.
 */
MUST_USE int attach_detach(struct attach *attach, unsigned id, void (*done)(void *ctx),
			   void *ctx);

/**
 * attach_reset() - pull a device and plug it into the same port again, opened anew
 * @done:	as of an order
 *
 * One that was handed over open is opened by a copy of that descriptor, which is of no use
 * if the device has got another number meanwhile: then it has gone.
 * Return: 0, or -errno with the reason in @err: -ENOENT no such device, -EBUSY it is not
 * plugged in.
 */
MUST_USE int attach_reset(struct attach *attach, unsigned id, attach_done *done,
			  void *ctx, struct err *err);

/* While @awaited the start is not over, unless that takes too long: someone is still
 * looking for devices. Before or after attach_start(). */
void attach_await(struct attach *attach, bool awaited);

/* Calls @each for those that are on their way in, plugged in, away or leaving. */
void attach_each(const struct attach *attach,
		 void (*each)(void *ctx, const struct attach_info *info), void *ctx);

/* No device is opened or plugged in any more; what is on its way is given back. When
 * that is done, and not before this returns, options.idle is called, if attach_start()
 * ever was. */
void attach_stop(struct attach *attach);
/* True if nothing is being opened or given back. */
bool attach_is_idle(const struct attach *attach);
/* Devices plugged in. */
unsigned attach_count(const struct attach *attach);

#endif /* DAEMON_ATTACH_ATTACH_H */
