/* SPDX-License-Identifier: MIT
 * pending.h - a request that waits for its answer
 */
#ifndef CONTROL_PENDING_H
#define CONTROL_PENDING_H

#include "control/request.h"

struct control_conn;
struct json_object;

/* Every event there is. */
#define CONTROL_EVENTS_ALL ((1u << CONTROL_EVENTS) - 1)

/**
 * struct control_pending - a request with what only this folder needs to know
 * @conn:	NULL when it has gone
 * @root:	owned: the strings of @req are its; NULL with the legacy dialect
 * @id:		to be echoed: borrowed from @root, NULL = none
 * @events:	of watch
 * @text:	room for req.target.text of the legacy dialect
 */
struct control_pending {
	struct control_request req;
	struct control_conn *conn;
	struct json_object *root;
	struct json_object *id;
	unsigned events;
	char text[16];
};

#endif /* CONTROL_PENDING_H */
