/* SPDX-License-Identifier: MIT
 * stats.c - show transfer counters
 */
#include <json-c/json.h>

#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/text.h"

static const struct ctl_column columns[] = {
	{"ID", CTL_COLUMNS_ANY, false},
	{"NAME", 32, false},
	{"IN", 20, true},
	{"OUT", 20, true},
	{"TRANSFERS", 20, true},
	{"ERRORS", 20, true},
};

static void put(struct ctl_table *table, struct json_object *device)
{
	ctl_table_put(table, control_get_text(device, "id"));
	ctl_table_put_name(table, device);
	ctl_table_put_bytes(table, device, "bytes_in");
	ctl_table_put_bytes(table, device, "bytes_out");
	ctl_table_put_number(table, device, "transfers");
	ctl_table_put_number(table, device, "errors");
}

static void show(struct json_object *answer)
{
	struct json_object *devices = control_get_array(answer, "devices");
	size_t count = devices ? json_object_array_length(devices) : 0;
	struct ctl_table *table = ctl_table_create(columns, ARRAY_SIZE(columns));
	struct json_object *one;

	for (size_t i = 0; i < count; i++)
		put(table, json_object_array_get_idx(devices, i));
	/* the answer for one device */
	if (json_object_object_get_ex(answer, "device", &one))
		put(table, one);
	ctl_table_print(table);
	ctl_table_destroy(table);
}

enum ctl_status ctl_stats(const struct ctl *ctl)
{
	_cleanup_free_ char *target = ctl->nargs > 0 ? ctl_target(ctl, 0) : NULL;
	struct json_object *request = ctl_request("stats"), *answer;
	enum ctl_status status;

	ctl_put_text(request, "device", target);
	status = ctl_ask(ctl, request, -1, &answer);
	if (status == CTL_STATUS_DONE && !ctl->json)
		show(answer);
	json_object_put(answer);
	return status;
}
