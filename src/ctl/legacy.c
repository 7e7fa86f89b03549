/* SPDX-License-Identifier: MIT
 * legacy.c - attach, detach and list in the dialect of 3 bytes
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "control/client.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/text.h"

static const struct ctl_column columns[] = {{"BUS", 8, false}, {"DEV", 8, false}};

/* One command of the dialect. */
struct call {
	enum control_legacy_cmd command;
	struct control_address address;
	int fd;
	struct control_address *list;
	unsigned *ret_count;
};

/* Return: CTL_STATUS_DONE if the daemon's answer is @wanted. */
static enum ctl_status ask(const struct ctl *ctl, const struct call *call, int wanted)
{
	const char *path = ctl_socket(ctl);
	struct err err = {0};
	int r;

	if (!path)
		return CTL_STATUS_FAILED;
	r = control_legacy_call(path, 0, call->command, call->address, call->fd,
				call->list, call->ret_count, &err);
	if (r == wanted)
		return CTL_STATUS_DONE;
	ctl_complain("%s", r < 0 ? err.text : control_legacy_text(r));
	return CTL_STATUS_FAILED;
}

static enum ctl_status fit_address(unsigned bus, unsigned address,
				   struct control_address *ret_address)
{
	if (bus > UINT8_MAX || address > UINT8_MAX) {
		ctl_complain("--legacy cannot express %03u:%03u: leave it out", bus,
			     address);
		return CTL_STATUS_FAILED;
	}
	*ret_address = (struct control_address){(uint8_t)bus, (uint8_t)address};
	return CTL_STATUS_DONE;
}

static void say(const struct ctl *ctl, const char *done)
{
	if (ctl->json)
		(void)puts("{\"ok\":true}");
	else
		(void)puts(done);
}

enum ctl_status ctl_legacy_attach(const struct ctl *ctl, unsigned bus, unsigned address,
				  int fd)
{
	struct call call = {.command = CONTROL_LEGACY_CMD_ATTACH, .fd = fd};
	enum ctl_status status = fit_address(bus, address, &call.address);

	if (status == CTL_STATUS_DONE)
		status = ask(ctl, &call, CONTROL_LEGACY_SUCCESS);
	if (status == CTL_STATUS_DONE)
		say(ctl, "attached");
	return status;
}

enum ctl_status ctl_legacy_detach(const struct ctl *ctl, const char *target)
{
	struct call call = {.command = CONTROL_LEGACY_CMD_DETACH, .fd = -1};
	unsigned bus, address;
	int end = 0;
	enum ctl_status status;

	if (sscanf(target, "%3u:%3u%n", &bus, &address, &end) != 2 || target[end])
		return ctl_misused("--legacy knows devices by BUS:DEV only, not '%s'",
				   target);
	status = fit_address(bus, address, &call.address);
	if (status == CTL_STATUS_DONE)
		status = ask(ctl, &call, CONTROL_LEGACY_SUCCESS);
	if (status == CTL_STATUS_DONE)
		say(ctl, "detached");
	return status;
}

static void show_list(const struct control_address *list, unsigned count)
{
	struct ctl_table *table = ctl_table_create(columns, ARRAY_SIZE(columns));

	for (unsigned i = 0; i < count; i++) {
		ctl_table_take(table, ctl_format("%03u", list[i].bus));
		ctl_table_take(table, ctl_format("%03u", list[i].address));
	}
	ctl_table_print(table);
	ctl_table_destroy(table);
}

enum ctl_status ctl_legacy_list(const struct ctl *ctl)
{
	struct control_address list[UINT8_MAX];
	unsigned count = 0;
	struct call call = {.command = CONTROL_LEGACY_CMD_LIST,
			    .fd = -1,
			    .list = list,
			    .ret_count = &count};
	enum ctl_status status = ask(ctl, &call, CONTROL_LEGACY_LIST);

	if (status != CTL_STATUS_DONE)
		return status;
	if (!ctl->json) {
		show_list(list, count);
		return status;
	}
	(void)fputs("{\"ok\":true,\"devices\":[", stdout);
	for (unsigned i = 0; i < count; i++)
		(void)printf("%s{\"bus\":%u,\"address\":%u}", i ? "," : "", list[i].bus,
			     list[i].address);
	(void)puts("]}");
	return status;
}
