/* SPDX-License-Identifier: MIT
 * device_list.c - attachments as the control socket describes them
 */
#include "daemon/device_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/hostdev.h"

static const char *known(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

void device_describe(const struct attach_info *info, struct device_text *text,
		     struct control_device *device)
{
	static const char *const stages[] = {
		[ATTACH_STAGE_OPENING] = "opening",
		[ATTACH_STAGE_PLUGGED] = "attached",
		[ATTACH_STAGE_AWAY] = "gone",
		[ATTACH_STAGE_LEAVING] = "leaving",
	};
	const char *name = strrchr(info->place, '/');
	bool is_away = info->stage == ATTACH_STAGE_AWAY;

	*device = (struct control_device)CONTROL_DEVICE_INIT;
	(void)snprintf(text->id, sizeof(text->id), "%u", info->id);
	(void)snprintf(text->kind, sizeof(text->kind), "%.*s",
		       (int)strcspn(info->text, ":"), info->text);
	device->id = text->id;
	device->kind = info->real ? "host" : text->kind;
	device->label = info->label[0] != '\0' ? info->label : info->text;
	if (info->vendor || info->product) {
		device->vendor_id = info->vendor;
		device->product_id = info->product;
	}
	if (info->host) {
		device->serial = known(info->host->serial);
		device->product = known(info->host->product);
		device->manufacturer = known(info->host->manufacturer);
	}
	device->speed = known(info->speed);
	device->port = is_away ? 0 : info->port;
	/* the device that returns has another number */
	device->bus = is_away ? 0 : info->bus;
	device->address = is_away ? 0 : info->number;
	device->place = name ? name + 1 : NULL;
	device->since = info->since;
	device->state = stages[info->stage];
	device->rule = known(info->rule);
	device->has_counters = info->since != 0;
	device->bytes_in = info->stats.in_bytes;
	device->bytes_out = info->stats.out_bytes;
	device->transfers = info->stats.transfers;
	device->errors = info->stats.failed;
}

static void on_each(void *ctx, const struct attach_info *info)
{
	struct device_list *list = ctx;

	if (list->count == ATTACH_MAX)
		return;
	list->ids[list->count] = info->id;
	device_describe(info, &list->texts[list->count], &list->devices[list->count]);
	list->count++;
}

void device_list_read(struct device_list *list, const struct attach *attach)
{
	list->count = 0;
	attach_each(attach, on_each, list);
}

bool device_is_target(const struct control_device *device,
		      const struct control_target *target)
{
	switch (target->kind) {
	case CONTROL_TARGET_KIND_ID:
		return strcmp(target->text, device->id) == 0;
	case CONTROL_TARGET_KIND_ADDRESS:
		return device->address != 0 && device->bus == target->bus &&
		       device->address == target->address;
	case CONTROL_TARGET_KIND_PORT:
		return device->port == target->port;
	case CONTROL_TARGET_KIND_NONE:
	default:
		return true;
	}
}

int device_list_find(const struct device_list *list, unsigned id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->ids[i] == id)
			return (int)i;
	}
	return -ENOENT;
}
