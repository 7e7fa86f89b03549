/* SPDX-License-Identifier: MIT
 * uevent.h - what the kernel tells of USB devices that come and go
 *
 * NETLINK_KOBJECT_UEVENT, group 1: what the kernel itself sends, before and
 * without udev. Only messages from the kernel count. Loop thread only.
 */
#ifndef RULES_UEVENT_H
#define RULES_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "util/compiler.h"

struct loop;
struct uevents;

#define UEVENT_PLACE_BYTES 256u

/**
 * struct uevent - a USB device has come or gone
 * @place:	where it sits: its path in sysfs without "/sys", which names the
 *		controller, the bus and the ports on the way, "/devices/.../2-1.3"
 * @bus, @number: as in /dev/bus/usb/BBB/DDD
 */
struct uevent {
	bool added;
	char place[UEVENT_PLACE_BYTES];
	unsigned bus;
	unsigned number;
};

/* Reads one message. Return: 0, -ENOMSG not about a USB device that comes or goes,
 * -EBADMSG nonsense. */
MUST_USE int uevent_parse(const char *message, size_t len, struct uevent *ret_event);

/* The command line's devices and rules each have one at most. */
#define UEVENTS_RESERVED 2u
/* Opens sockets for uevents_create() in advance, for when sockets cannot be opened any more. */
void uevents_reserve(void);
/* Closes those that have not been taken. */
void uevents_unreserve(void);

/**
 * uevents_create() - hear of USB devices
 * @event:	called for each; NULL: messages have been lost, look for yourself
 *
 * Returns owned, or NULL if there is no such socket (some sandboxes).
 */
struct uevents *uevents_create(struct loop *loop,
			       void (*event)(void *ctx, const struct uevent *event),
			       void *ctx);
/* NULL is fine. May be called inside @event. */
void uevents_destroy(struct uevents *uevents);

#endif /* RULES_UEVENT_H */
