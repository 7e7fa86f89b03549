/* SPDX-License-Identifier: MIT
 * ports.h - reserves ports for devices that have gone and may come back
 */
#ifndef DAEMON_ATTACH_PORTS_H
#define DAEMON_ATTACH_PORTS_H

#include <stdint.h>

#include "daemon/attach/order.h"
#include "daemon/vm.h"
#include "rules/uevent.h"

/**
 * struct port_reserve - the port of a rule's device that has gone
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

/* Reserves @port for the device of @rule at @place. With the rule "" it does nothing. */
void ports_reserve(struct port_reserves *reserves, unsigned port, const char *rule,
		   const char *place);
/* @port has got a device: it is reserved no longer. */
void ports_use(struct port_reserves *reserves, unsigned port);
/* The port that is reserved for the device of @rule at @place, or 0. */
unsigned ports_find(const struct port_reserves *reserves, const char *rule,
		    const char *place);
/* All reserved ports, the first to be given up first. */
struct vm_reserved ports_reserved(const struct port_reserves *reserves);
/* Adds @port at the end, unless it is 0 or there already. */
void ports_add(struct vm_reserved *reserved, unsigned port);

#endif /* DAEMON_ATTACH_PORTS_H */
