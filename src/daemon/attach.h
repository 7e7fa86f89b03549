/* SPDX-License-Identifier: MIT
 * attach.h - devices on their way into the controller, and those that come back
 *
 * Loop thread only. What --device names is made or opened here, plugged into the
 * vm, and looked for when it comes back after it has gone.
 */
#ifndef DAEMON_ATTACH_H
#define DAEMON_ATTACH_H

#include <stdbool.h>

#include "util/compiler.h"

struct attach;
struct loop;
struct vm;

/**
 * struct attach_options - where to plug in, and whom to tell
 * @settled:	answer to attach_start(), later: all devices have been plugged in or cannot
 *		be had, or some take too long and will be plugged in when they come.
 *		@result: 0, or -errno: an emulated device could not be plugged in, which
 *		has been logged
 * @idle:	answer to attach_stop(), later
 */
struct attach_options {
	struct loop *loop;
	struct vm *vm;
	void (*settled)(void *ctx, int result);
	void (*idle)(void *ctx);
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
 * and left out. Return: 0, or -errno if an emulated device cannot be made, which has
 * been logged; then options.settled is not called.
 */
MUST_USE int attach_start(struct attach *attach, const struct attach_options *options);

/* The device in @port has been pulled on the host's side (struct vm_options.gone). */
void attach_gone(struct attach *attach, unsigned port);

/* No device is opened or plugged in any more; what is on its way is given back. When
 * that is done, and not before this returns, options.idle is called, if attach_start()
 * ever was. */
void attach_stop(struct attach *attach);
/* True if nothing is being opened or given back. */
bool attach_is_idle(const struct attach *attach);
/* Devices plugged in. */
unsigned attach_count(const struct attach *attach);

#endif /* DAEMON_ATTACH_H */
