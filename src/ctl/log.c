/* SPDX-License-Identifier: MIT
 * log.c - log LEVEL [SUBSYSTEM]: set how much the daemon logs
 */
#include <json-c/json.h>

#include "ctl/ctl.h"

enum ctl_status ctl_log(const struct ctl *ctl)
{
	struct json_object *request = ctl_request("log"), *answer;
	enum ctl_status status;

	ctl_put_text(request, "level", ctl->args[0]);
	ctl_put_text(request, "subsystem", ctl->nargs > 1 ? ctl->args[1] : NULL);
	status = ctl_ask(ctl, request, -1, &answer);
	json_object_put(answer);
	return status;
}
