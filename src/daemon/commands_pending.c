/* SPDX-License-Identifier: MIT
 * commands_pending.c - requests of the control socket that take time, and how they are refused
 */
#include "daemon/commands_pending.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct pending *command_keep(struct list *list, struct control_request *req, void *ctx)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending) {
		control_refuse(req, CONTROL_CODE_INTERNAL, NULL, "not enough memory");
		return NULL;
	}
	pending->ctx = ctx;
	pending->request = req;
	list_append(list, &pending->node);
	return pending;
}

struct control_request *command_release(struct pending *pending)
{
	struct control_request *req = pending->request;

	list_remove(&pending->node);
	free(pending);
	return req;
}

void command_refuse(struct control_request *req, const struct err *err, const char *hint)
{
	/* with a hint it is the node that cannot be opened */
	bool is_guard = err->code == EPERM && (!hint || hint[0] == '\0');
	enum control_code code =
		is_guard ? CONTROL_CODE_REFUSED : control_code_of_errno(-err->code);

	control_refuse(req, code, hint && hint[0] != '\0' ? hint : NULL, "%s", err->text);
}

void commands_refuse_all(struct list *list)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, list) {
		struct pending *pending = LIST_ENTRY(pos, struct pending, node);

		control_refuse(command_release(pending), CONTROL_CODE_STOPPING, NULL,
			       "usbvfiod is stopping");
	}
}
