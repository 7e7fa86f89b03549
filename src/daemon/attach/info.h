/* SPDX-License-Identifier: MIT
 * info.h - the description of a device, and the events that attach reports
 */
#ifndef DAEMON_ATTACH_INFO_H
#define DAEMON_ATTACH_INFO_H

#include <stdbool.h>
#include <time.h>

#include "usbdev/usbdev.h"
#include "util/err.h"

struct hostdev;

enum attach_event {
	ATTACH_EVENT_ATTACHED,
	ATTACH_EVENT_RETURNED, /* attached again, after it had gone */
	ATTACH_EVENT_GONE,     /* pulled on the host's side */
	ATTACH_EVENT_DETACHED, /* as ordered */
	ATTACH_EVENT_FAILED,   /* it could not be opened or plugged in */
};

/* What clients see of the states of an attachment (attachment.h). */
enum attach_stage {
	ATTACH_STAGE_OPENING,
	ATTACH_STAGE_PLUGGED,
	ATTACH_STAGE_AWAY,
	ATTACH_STAGE_LEAVING,
};

/**
 * struct attach_info - a device as attach describes it; strings borrowed for the call
 * @id:		its number, never used again; > 0
 * @text:	the text of the --device or order
 * @label:	the name that the device gives itself; "" before it was opened
 * @rule:	the rule it is attached for, "" if none
 * @place:	in sysfs (struct uevent), "" if unknown or emulated
 * @port:	1-based port of the controller, 0 before it has one
 * @bus, @number: of its node, 0 if emulated
 * @speed:	"high"..., "" before it was opened
 * @since:	when it was plugged in (CLOCK_REALTIME), 0 if it is not
 * @vendor, @product: 0 = not known
 * @host:	sysfs' description; NULL if emulated, handed over open or not known
 * @why:	with ATTACH_EVENT_FAILED, and _GONE if it cannot come back; else NULL
 */
struct attach_info {
	unsigned id;
	enum attach_stage stage;
	const char *text;
	const char *label;
	const char *rule;
	const char *place;
	bool real;
	unsigned port;
	unsigned bus;
	unsigned number;
	const char *speed;
	time_t since;
	unsigned vendor;
	unsigned product;
	const struct hostdev *host;
	struct usbdev_stats stats;
	const struct err *why;
};

#endif /* DAEMON_ATTACH_INFO_H */
