/* SPDX-License-Identifier: MIT
 * order.h - takes a --device or an order at run time apart
 */
#ifndef DAEMON_ATTACH_ORDER_H
#define DAEMON_ATTACH_ORDER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "usbdev/host/host.h"
#include "util/compiler.h"
#include "util/err.h"

#define ATTACH_NAME_BYTES 64u
#define ATTACH_RULE_BYTES 64u

/* An order has ended: in @port, or with 0 and the reason @err. @hint says how to fix it, or is
 * "". */
typedef void attach_done(void *ctx, unsigned id, unsigned port, const struct err *err,
			 const char *hint);

/**
 * struct attach_order - a device to be attached at run time; copied
 * @text:	as device_check() accepts, or a name for @fd
 * @name:	its name in messages, NULL: as @text says. Not with @fd
 * @fd:		open node of a real device, taken, also on failure; -1: @text names the device
 * @giver_uid:	user of the process that handed @fd over; (uid_t)-1 = not known
 * @fd_is_file:	@fd is no node, but the file that the emulated device of @text needs. Without
 *		it attach opens the file by its name, which must be an absolute path
 * @reset:	with @fd
 * @port:	preferred port, used if it is free and of the device's kind; 0 = any
 * @force:	skip the check whether the host needs the device (rules/guard.h)
 * @rule:	id of the rule this is for, or NULL. attach does not look for such a device
 *		when it has gone: the rule does that
 * @done:	called exactly once, inside attach_order() or later; not after attach_stop()
 */
struct attach_order {
	const char *text;
	const char *name;
	int fd;
	uid_t giver_uid;
	bool fd_is_file;
	enum host_reset reset;
	unsigned port;
	const char *rule;
	bool force;
	attach_done *done;
	void *ctx;
};

enum attach_kind {
	ATTACH_KIND_NODE,     /* of the host, opened by the path of its node */
	ATTACH_KIND_FD,       /* of the host, handed over open */
	ATTACH_KIND_FILE,     /* emulated, with a file */
	ATTACH_KIND_EMULATED, /* emulated, without */
};

/**
 * struct wanted - an order or a --device, parsed
 * @is_option:	a --device
 * @careful:	ask rules/guard.h before it is opened
 * @text:	owned
 * @name:	for log lines; of an emulated device: its label, "" = the device's own
 * @rule:	see struct attach_order; "" if none
 * @path:	ATTACH_KIND_NODE: of the node; _FILE: of the file
 * @fd:		handed over and not yet in use, owned; -1: none. ATTACH_KIND_FILE keeps it, to open
 *		the file again
 * @giver_uid:	user that handed @fd over
 * @port:	preferred; 0 = any
 */
struct wanted {
	enum attach_kind kind;
	bool is_option;
	bool careful;
	char *text;
	char name[ATTACH_NAME_BYTES];
	char rule[ATTACH_RULE_BYTES];
	char path[PATH_MAX];
	int fd;
	uid_t giver_uid;
	enum host_reset reset;
	unsigned port;
};

/* Of the host, not emulated. */
static inline bool wanted_is_host(const struct wanted *wanted)
{
	return wanted->kind == ATTACH_KIND_NODE || wanted->kind == ATTACH_KIND_FD;
}

/* A --device, which device_check() has accepted. Return: 0 (the caller finishes @ret_wanted), or
 * -ENOMEM. */
MUST_USE int wanted_from_option(const char *text, struct wanted *ret_wanted);
/* Opens nothing. Return: 0 (@order->fd is then in @ret_wanted, which the caller finishes), or
 * -errno with the reason in @err: then @order->fd is still the caller's. */
MUST_USE int wanted_from_order(const struct attach_order *order,
			       struct wanted *ret_wanted, struct err *err);
void wanted_finish(struct wanted *wanted);

#endif /* DAEMON_ATTACH_ORDER_H */
