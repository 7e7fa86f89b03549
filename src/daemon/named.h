/* SPDX-License-Identifier: MIT
 * named.h - what the --device options name: devices, and rules
 */
#ifndef DAEMON_NAMED_H
#define DAEMON_NAMED_H

#include <stdbool.h>

#include "daemon/vm.h"
#include "util/compiler.h"
#include "util/err.h"

struct options;

/**
 * struct named - the --device options by kind, each in its order; the strings are argv's
 * @devices:	texts that device_check() accepts
 * @rules:	texts that rule_parse() accepts
 * @any_host:	one of the devices is the host's
 */
struct named {
	unsigned device_count;
	unsigned rule_count;
	const char *devices[VM_PORT_MAX];
	const char *rules[VM_PORT_MAX];
	bool any_host;
};

/* Checks each option, and that all descriptors in @options differ. Return: 0, or -errno with the
 * reason in @err. */
MUST_USE int named_parse(struct named *ret_named, const struct options *options,
			 struct err *err);

#endif /* DAEMON_NAMED_H */
