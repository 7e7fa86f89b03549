/* SPDX-License-Identifier: MIT
 * attach_ports.c - virtual ports whose devices have gone, and may come back
 *
 * A port that a device was pulled from is kept for it: newcomers get another one as long
 * as there is one. For how long is known of devices that we look for ourselves. Those of
 * rules may come back at any time, and whether there still is such a rule need not be
 * known to us, as it may be an agent's. So their ports are kept until they are needed;
 * then the one whose device went first is given up.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/attach_priv.h"

/* Is looked for, or has been found. */
static bool comes_back(const struct attachment *at)
{
	return at->returning && (at->state == ATTACH_AWAY || attachment_is_opening(at) ||
				 at->state == ATTACH_HELD);
}

/* By age. */
static void insert(struct vm_kept *kept, const struct attach *attach, unsigned port)
{
	unsigned at = kept->count++;

	for (; at > 0; at--) {
		unsigned before = kept->ports[at - 1];

		if (attach->kept[before].since <= attach->kept[port].since)
			break;
		kept->ports[at] = before;
	}
	kept->ports[at] = port;
}

static void add(struct vm_kept *kept, unsigned port)
{
	for (unsigned i = 0; i < kept->count; i++) {
		if (kept->ports[i] == port)
			return;
	}
	if (port > 0 && kept->count < VM_PORT_MAX)
		kept->ports[kept->count++] = port;
}

void attachment_choose_port(struct attachment *at, struct vm_kept *ret_kept)
{
	const struct attach *attach = at->attach;
	struct vm_kept kept = {0};
	struct list *pos;

	for (unsigned port = 1; port <= VM_PORT_MAX; port++) {
		const struct attach_kept *one = &attach->kept[port];

		if (one->rule[0] == '\0')
			continue;
		insert(&kept, attach, port);
		/* whoever has the rule may have forgotten: an agent that was started anew */
		if (at->port == 0 && strcmp(one->rule, at->rule) == 0 &&
		    strcmp(one->place, at->node.place) == 0)
			at->port = port;
	}
	LIST_FOREACH(pos, &attach->attachments) {
		const struct attachment *other = attachment_of(pos);

		if (other != at && comes_back(other))
			add(&kept, other->port);
	}
	*ret_kept = kept;
}

void attachment_keep_port(const struct attachment *at)
{
	struct attach *attach = at->attach;
	struct attach_kept *kept;

	if (at->rule[0] == '\0' || at->port > VM_PORT_MAX)
		return;
	kept = &attach->kept[at->port];
	(void)snprintf(kept->rule, sizeof(kept->rule), "%s", at->rule);
	(void)snprintf(kept->place, sizeof(kept->place), "%s", at->node.place);
	kept->since = ++attach->last_since;
}

void attachment_use_port(const struct attachment *at)
{
	if (at->port <= VM_PORT_MAX)
		at->attach->kept[at->port].rule[0] = '\0';
}
