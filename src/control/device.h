/* SPDX-License-Identifier: MIT
 * device.h - devices, virtual ports, the VMM and the sandbox as clients see them, as JSON
 */
#ifndef CONTROL_DEVICE_H
#define CONTROL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* For numbers whose 0 means something. */
#define CONTROL_UNKNOWN (-1)

/**
 * struct control_device - one device
 *
 * Strings are borrowed for the call. They may be any bytes: JSON gets a '?' for bytes that
 * are no UTF-8. NULL, CONTROL_UNKNOWN and (as noted) 0 mean unknown: JSON gets no such
 * field.
 *
 * @id:		names it to "detach" and others; unique in the daemon. Always there
 * @kind:	"host", "stick", "keyboard", "zero"
 * @label:	for people, as in the log
 * @vendor_id, @product_id: CONTROL_UNKNOWN = unknown
 * @speed:	"low", "full", "high", "super", "super-plus", "super-plus-x2"
 * @port:	virtual port, 1-based; 0 = in none
 * @bus, @address: of the host; 0 = no device of the host. The legacy dialect names devices
 *		by these only
 * @place:	where it is plugged in on the host, "1-2.3"
 * @since:	time of attachment, seconds since 1970; 0 = unknown
 * @state:	"attached", "gone" (the daemon keeps its port for it), "opening", "leaving"
 * @rule:	id of the rule that attached it
 * @has_counters: the counters below are valid
 */
struct control_device {
	const char *id;
	const char *kind;
	const char *label;
	int vendor_id;
	int product_id;
	const char *serial;
	const char *product;
	const char *manufacturer;
	const char *speed;
	unsigned port;
	unsigned bus;
	unsigned address;
	const char *place;
	int64_t since;
	const char *state;
	const char *rule;

	bool has_counters;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t transfers;
	uint64_t errors;
};

/* Everything unknown. */
#define CONTROL_DEVICE_INIT                                                  \
	{                                                                    \
		.vendor_id = CONTROL_UNKNOWN, .product_id = CONTROL_UNKNOWN, \
	}

/**
 * struct control_port - one virtual port
 * @port:	its number, 1-based
 * @kind:	"usb2" or "usb3"
 * @device:	id of the device in it, NULL = empty
 */
struct control_port {
	unsigned port;
	const char *kind;
	const char *device;
};

/**
 * struct control_vmm - the VMM at the other end
 * @memory_shared, @memory_unshared: bytes of the guest's memory that the daemon can reach,
 *		and cannot reach
 */
struct control_vmm {
	bool connected;
	uint64_t memory_shared;
	uint64_t memory_unshared;
};

/**
 * struct control_sandbox - what the daemon can still reach
 * @mode:	"on", "log", "off"
 * @user:	the uid that it runs as
 * @dac_override: a path of another user, for which the daemon keeps that capability; NULL:
 *		it does not
 * @landlock:	version of Landlock in use, 0: none
 * @no_landlock: why there is none, NULL: not asked for
 * @system_calls, @no_system_calls: the same for system calls: how many are on the list
 * @refused:	system calls that the sandbox refused, or would have refused without "log"
 * @last:	names of the last ones, newest first; @nlast of them
 */
struct control_sandbox {
	const char *mode;
	unsigned user;
	const char *dac_override;
	unsigned landlock;
	const char *no_landlock;
	unsigned system_calls;
	const char *no_system_calls;
	uint64_t refused;
	const char *const *last;
	size_t nlast;
};

/* Return: owned; NULL without memory. */
struct json_object *control_sandbox_to_json(const struct control_sandbox *sandbox);
struct json_object *control_vmm_to_json(const struct control_vmm *vmm);
struct json_object *control_device_to_json(const struct control_device *device);
struct json_object *control_port_to_json(const struct control_port *port);

#endif /* CONTROL_DEVICE_H */
