/* SPDX-License-Identifier: MIT
 * detach.c - detach a device
 */
#include "ctl/ctl.h"

enum ctl_status ctl_detach(const struct ctl *ctl)
{
	_cleanup_free_ char *target = ctl_target(ctl, 0);
	struct json_object *request;

	if (ctl->given & CTL_OPTION_LEGACY)
		return ctl_legacy_detach(ctl, target);
	request = ctl_request("detach");
	ctl_put_text(request, "device", target);
	return ctl_ask_device(ctl, request, -1, "detached", target);
}
