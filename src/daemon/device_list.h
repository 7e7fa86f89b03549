/* SPDX-License-Identifier: MIT
 * device_list.h - attachments as the control socket describes them
 *
 * Loop thread only. Strings are borrowed from attach: good until it is called again.
 */
#ifndef DAEMON_DEVICE_LIST_H
#define DAEMON_DEVICE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "control/device.h"
#include "control/request.h"
#include "daemon/attach/attach.h"

/* The strings of a control_device that attach does not have. */
struct device_text {
	char id[16];
	char kind[16];
};

struct device_list {
	struct control_device devices[ATTACH_MAX];
	struct device_text texts[ATTACH_MAX];
	unsigned ids[ATTACH_MAX];
	size_t count;
};

/* Fills @device from @info; its strings are in @info and @text. */
void device_describe(const struct attach_info *info, struct device_text *text,
		     struct control_device *device);
/* Fills @list with all attachments. */
void device_list_read(struct device_list *list, const struct attach *attach);
/* Index of the one with the attachment's @id, or -ENOENT. */
int device_list_find(const struct device_list *list, unsigned id);
/* Whether a client means @device. */
bool device_is_target(const struct control_device *device,
		      const struct control_target *target);

#endif /* DAEMON_DEVICE_LIST_H */
