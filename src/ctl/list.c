/* SPDX-License-Identifier: MIT
 * list.c - list the devices of one daemon or of all
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "control/client.h"
#include "control/find.h"
#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/text.h"

/* The first one with --all only. */
static const struct ctl_column columns[] = {
	{"DAEMON", CTL_COLUMNS_ANY, false},
	{"ID", CTL_COLUMNS_ANY, false},
	{"NAME", 32, false},
	{"IDS", 16, false},
	{"SERIAL", 64, false},
	{"SPEED", 16, false},
	{"PORT", 8, true},
	{"HOST", 32, false},
	{"SINCE", 32, false},
	{"IN", 20, true},
	{"OUT", 20, true},
	{"STATE", 16, false},
};

static void put_ids(struct ctl_table *table, struct json_object *device)
{
	const char *vendor = control_get_text(device, "vendor_id");
	const char *product = control_get_text(device, "product_id");

	if (vendor && product)
		ctl_table_take(table, ctl_format("%s:%s", vendor, product));
	else
		ctl_table_put(table, NULL);
}

/* "1-2.3 003:017": the parts that are known, and not the ID already. */
static void put_host(struct ctl_table *table, struct json_object *device)
{
	const char *place = control_get_text(device, "place"),
		   *id = control_get_text(device, "id");
	int64_t bus, address;

	if (place && id && strcmp(place, id) == 0)
		place = NULL;
	if (control_get_number(device, "bus", &bus) &&
	    control_get_number(device, "address", &address))
		ctl_table_take(table, ctl_format("%s%s%03lld:%03lld", place ? place : "",
						 place ? " " : "", (long long)bus,
						 (long long)address));
	else
		ctl_table_put(table, place);
}

static void put_device(struct ctl_table *table, struct json_object *device)
{
	const char *since = control_get_text(device, "since");

	ctl_table_put(table, control_get_text(device, "id"));
	ctl_table_put_name(table, device);
	put_ids(table, device);
	ctl_table_put(table, control_get_text(device, "serial"));
	ctl_table_put(table, control_get_text(device, "speed"));
	ctl_table_put_number(table, device, "port");
	put_host(table, device);
	ctl_table_take(table, since ? ctl_time_text(since) : NULL);
	ctl_table_put_bytes(table, device, "bytes_in");
	ctl_table_put_bytes(table, device, "bytes_out");
	ctl_table_put(table, control_get_text(device, "state"));
}

/* @daemon: NULL = no such column */
static void put_devices(struct ctl_table *table, const char *daemon,
			struct json_object *answer)
{
	struct json_object *devices = control_get_array(answer, "devices");
	size_t count = devices ? json_object_array_length(devices) : 0;

	for (size_t i = 0; i < count; i++) {
		if (daemon)
			ctl_table_put(table, daemon);
		put_device(table, json_object_array_get_idx(devices, i));
	}
}

static enum ctl_status list_one(const struct ctl *ctl)
{
	struct ctl_table *table = ctl_table_create(columns + 1, ARRAY_SIZE(columns) - 1);
	struct json_object *answer;
	enum ctl_status status = ctl_ask(ctl, ctl_request("list"), -1, &answer);

	if (status == CTL_STATUS_DONE && !ctl->json) {
		put_devices(table, NULL, answer);
		ctl_table_print(table);
	}
	json_object_put(answer);
	ctl_table_destroy(table);
	return status;
}

/* With --json a line for each daemon, with "socket" added to its answer. */
static enum ctl_status add_daemon(const struct ctl *ctl, struct ctl_table *table,
				  const char *path)
{
	struct control_client *client = ctl_connect(path);
	struct json_object *answer = NULL;
	enum ctl_status status;

	if (!client)
		return CTL_STATUS_FAILED;
	status = ctl_call(ctl, client, ctl_request("list"), -1, &answer);
	if (status == CTL_STATUS_DONE && ctl->json) {
		ctl_put_text(answer, "socket", path);
		ctl_print_json(answer);
	} else if (status == CTL_STATUS_DONE) {
		put_devices(table, path, answer);
	}
	json_object_put(answer);
	control_disconnect(client);
	return status;
}

static enum ctl_status list_all(const struct ctl *ctl)
{
	static struct control_sockets sockets;
	const char *folders[CONTROL_FIND_FOLDERS];
	struct ctl_table *table = ctl_table_create(columns, ARRAY_SIZE(columns));
	enum ctl_status status = CTL_STATUS_DONE;

	control_find_folders(folders);
	control_find_all(folders, CONTROL_FIND_FOLDERS, &sockets);
	for (size_t i = 0; i < sockets.count; i++) {
		if (add_daemon(ctl, table, sockets.paths[i]) != CTL_STATUS_DONE) {
			ctl_complain("the devices of %s are missing", sockets.paths[i]);
			status = CTL_STATUS_FAILED;
		}
	}
	if (!ctl->json)
		ctl_table_print(table);
	ctl_table_destroy(table);
	return status;
}

enum ctl_status ctl_list(const struct ctl *ctl)
{
	if ((ctl->given & CTL_OPTION_ALL) &&
	    (ctl->socket || ctl->given != CTL_OPTION_ALL))
		return ctl_misused("--all goes with neither --socket nor --legacy");
	if (ctl->given & CTL_OPTION_LEGACY)
		return ctl_legacy_list(ctl);
	return ctl->given & CTL_OPTION_ALL ? list_all(ctl) : list_one(ctl);
}
