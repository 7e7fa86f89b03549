/* SPDX-License-Identifier: MIT
 * uevent.h - the kernel's news of USB devices that come and go
 *
 * NETLINK_KOBJECT_UEVENT, group 1: messages of the kernel itself, before udev and
 * without it. Messages from other senders are ignored. Loop thread only.
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
 * @place:	its path in sysfs without "/sys", which names the controller, the bus
 *		and the ports on the way: "/devices/.../2-1.3"
 * @bus, @number: as in /dev/bus/usb/BBB/DDD
 */
struct uevent {
	bool added;
	char place[UEVENT_PLACE_BYTES];
	unsigned bus;
	unsigned number;
};

/* Parses one message. Return: 0; -ENOMSG if it is not about a USB device that comes or
 * goes; -EBADMSG if it makes no sense. */
MUST_USE int uevent_parse(const char *message, size_t len, struct uevent *ret_event);

/* The command line's devices and rules each have one at most. */
#define UEVENTS_RESERVED 2u
/* Opens sockets for uevents_create() in advance, before a sandbox forbids that. */
void uevents_reserve(void);
/* Closes the unused ones. */
void uevents_unreserve(void);

/**
 * uevents_create() - listen for USB devices that come and go
 * @on_event:	called for each; NULL: the kernel dropped messages, read sysfs instead
 *
 * Returns owned, or NULL if there is no such socket (some sandboxes).
 */
struct uevents *uevents_create(struct loop *loop,
			       void (*on_event)(void *ctx, const struct uevent *event),
			       void *ctx);
/* NULL is fine. May be called inside @on_event. */
void uevents_destroy(struct uevents *uevents);

#endif /* RULES_UEVENT_H */
