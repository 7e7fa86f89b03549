/* SPDX-License-Identifier: MIT
 * watch.c - print events as they happen
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "control/client.h"
#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/text.h"

/* "2026-01-31 12:34:56  attached  1-2.3 (YubiKey), port 2: why" */
static void show(struct json_object *event)
{
	struct json_object *device = control_get_object(event, "device");
	const char *at = control_get_text(event, "at"),
		   *what = control_get_text(event, "event");
	const char *id = control_get_text(device, "id"), *name = ctl_device_name(device);
	const char *why = control_get_text(event, "message");
	bool named = name && !(id && strcmp(name, id) == 0);
	_cleanup_free_ char *cut = ctl_clean(name ? name : "", 64, NULL);
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *clean = NULL;
	char port_text[32] = "", count_text[32] = "";
	int64_t number;

	if (control_get_number(device, "port", &number))
		(void)snprintf(port_text, sizeof(port_text), ", port %lld",
			       (long long)number);
	if (control_get_number(event, "count", &number))
		(void)snprintf(count_text, sizeof(count_text), "%lld events",
			       (long long)number);
	text = ctl_format("%s  %-12s  %s%s%s%s%s%s%s%s", at ? at : "-", what ? what : "-",
			  id ? id : "", named ? " (" : "", named ? cut : "",
			  named ? ")" : "", port_text, count_text, why ? ": " : "",
			  why ? why : "");
	clean = ctl_clean(text, CTL_COLUMNS_ANY, NULL);
	(void)puts(clean);
}

static enum ctl_status watch(const struct ctl *ctl, struct control_client *client)
{
	struct json_object *answer;
	enum ctl_status status = ctl_call(ctl, client, ctl_request("watch"), -1, &answer);

	json_object_put(answer);
	while (status == CTL_STATUS_DONE) {
		struct json_object *event;
		struct err err = {0};

		if (control_next_event(client, -1, &event, &err) < 0) {
			ctl_complain("%s", err.text);
			return CTL_STATUS_FAILED;
		}
		if (ctl->json)
			ctl_print_json(event);
		else
			show(event);
		json_object_put(event);
		if (fflush(stdout) != 0) {
			ctl_complain("the output has no reader any more");
			status = CTL_STATUS_FAILED;
		}
	}
	return status;
}

enum ctl_status ctl_watch(const struct ctl *ctl)
{
	const char *path = ctl_socket(ctl);
	struct control_client *client = path ? ctl_connect(path) : NULL;
	enum ctl_status status = client ? watch(ctl, client) : CTL_STATUS_FAILED;

	control_disconnect(client);
	return status;
}
