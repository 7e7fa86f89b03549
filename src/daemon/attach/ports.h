/* SPDX-License-Identifier: MIT
 * ports.h - ports that are reserved for devices which have gone and may come back
 */
#ifndef DAEMON_ATTACH_PORTS_H
#define DAEMON_ATTACH_PORTS_H

#include <stdint.h>

#include "daemon/attach/order.h"
#include "daemon/vm.h"
#include "rules/uevent.h"

/**
 * struct port_reserve - the device of a rule has gone from a port
 * @rule:	"": the port is not reserved
 * @place:	where on the host it was
 * @age:	counts: the lowest went first
 */
struct port_reserve {
	char rule[ATTACH_RULE_BYTES];
	char place[UEVENT_PLACE_BYTES];
	uint64_t age;
};

/* By port. All zero: none is reserved. */
struct port_reserves {
	struct port_reserve ports[VM_PORT_MAX + 1];
	uint64_t last_age;
};

/* Reserves @port for the device of @rule at @place. "" is no rule: does nothing. */
void ports_reserve(struct port_reserves *reserves, unsigned port, const char *rule,
		   const char *place);
/* @port has got a device: it is reserved no longer. */
void ports_use(struct port_reserves *reserves, unsigned port);
/* The port that is reserved for the device of @rule at @place, or 0. */
unsigned ports_find(const struct port_reserves *reserves, const char *rule,
		    const char *place);
/* All that are reserved, in the order in which they are given up. */
struct vm_reserved ports_reserved(const struct port_reserves *reserves);
/* Adds @port, given up last, unless it is 0 or there already. */
void ports_add(struct vm_reserved *reserved, unsigned port);

#endif /* DAEMON_ATTACH_PORTS_H */
