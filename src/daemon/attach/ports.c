/* SPDX-License-Identifier: MIT
 * ports.c - reserves ports for devices that have gone and may come back
 *
 * A newcomer gets such a port only when no other is left. attach knows how long it looks for a
 * device by itself. The device of a rule may come back at any time, and attach need not know
 * whether the rule still exists, as it may be an agent's. So the port of such a device stays
 * reserved until it is needed; the port whose device went first is given up first.
 */
#include "daemon/attach/ports.h"

#include <stdio.h>
#include <string.h>

void ports_reserve(struct port_reserves *reserves, unsigned port, const char *rule,
		   const char *place)
{
	struct port_reserve *reserve;

	if (rule[0] == '\0' || port > VM_PORT_MAX)
		return;
	reserve = &reserves->ports[port];
	(void)snprintf(reserve->rule, sizeof(reserve->rule), "%s", rule);
	(void)snprintf(reserve->place, sizeof(reserve->place), "%s", place);
	reserve->age = ++reserves->last_age;
}

void ports_use(struct port_reserves *reserves, unsigned port)
{
	if (port <= VM_PORT_MAX)
		reserves->ports[port].rule[0] = '\0';
}

unsigned ports_find(const struct port_reserves *reserves, const char *rule,
		    const char *place)
{
	if (rule[0] == '\0')
		return 0;
	for (unsigned port = 1; port <= VM_PORT_MAX; port++) {
		const struct port_reserve *reserve = &reserves->ports[port];

		if (strcmp(reserve->rule, rule) == 0 &&
		    strcmp(reserve->place, place) == 0)
			return port;
	}
	return 0;
}

/* By age. */
static void insert(struct vm_reserved *reserved, const struct port_reserves *reserves,
		   unsigned port)
{
	unsigned at = reserved->count++;

	for (; at > 0; at--) {
		unsigned before = reserved->ports[at - 1];

		if (reserves->ports[before].age <= reserves->ports[port].age)
			break;
		reserved->ports[at] = before;
	}
	reserved->ports[at] = port;
}

struct vm_reserved ports_reserved(const struct port_reserves *reserves)
{
	struct vm_reserved reserved = {0};

	for (unsigned port = 1; port <= VM_PORT_MAX; port++) {
		if (reserves->ports[port].rule[0] != '\0')
			insert(&reserved, reserves, port);
	}
	return reserved;
}

void ports_add(struct vm_reserved *reserved, unsigned port)
{
	for (unsigned i = 0; i < reserved->count; i++) {
		if (reserved->ports[i] == port)
			return;
	}
	if (port > 0 && reserved->count < VM_PORT_MAX)
		reserved->ports[reserved->count++] = port;
}
