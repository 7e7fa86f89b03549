/* SPDX-License-Identifier: MIT
 * reset.c - reset a real device
 */
#include "ctl/ctl.h"

enum ctl_status ctl_reset(const struct ctl *ctl)
{
	_cleanup_free_ char *target = ctl_target(ctl, 0);
	struct json_object *request = ctl_request("reset");

	ctl_put_text(request, "device", target);
	return ctl_ask_device(ctl, request, -1, "reset", target);
}
