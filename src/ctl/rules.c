/* SPDX-License-Identifier: MIT
 * rules.c - attach rules: add, remove, list
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/text.h"

static const struct ctl_column columns[] = {
	{"RULE_ID", CTL_COLUMNS_ANY, false},
	{"RULE", CTL_COLUMNS_ANY, false},
	{"STATE", 16, false},
	{"PORT", 8, true},
	{"DEVICE", 64, false},
	{"WHY", CTL_COLUMNS_ANY, false},
};

static void show_list(struct json_object *answer)
{
	struct json_object *rules = control_get_array(answer, "rules");
	size_t count = rules ? json_object_array_length(rules) : 0;
	struct ctl_table *table = ctl_table_create(columns, ARRAY_SIZE(columns));

	for (size_t i = 0; i < count; i++) {
		struct json_object *rule = json_object_array_get_idx(rules, i);

		ctl_table_put(table, control_get_text(rule, "rule_id"));
		ctl_table_put(table, control_get_text(rule, "rule"));
		ctl_table_put(table, control_get_text(rule, "state"));
		ctl_table_put_number(table, rule, "port");
		ctl_table_put(table, control_get_text(rule, "device"));
		ctl_table_put(table, control_get_text(rule, "why"));
	}
	ctl_table_print(table);
	ctl_table_destroy(table);
}

const char *ctl_rule_id(struct json_object *answer)
{
	const char *id = control_get_text(answer, "rule_id");

	return id ? id : "?";
}

static enum ctl_status ask(const struct ctl *ctl, const char *action, const char *rule,
			   const char *id)
{
	struct json_object *request = ctl_request("rules"), *answer;
	enum ctl_status status;

	ctl_put_text(request, "action", action);
	ctl_put_text(request, "rule", rule);
	ctl_put_text(request, "rule_id", id);
	status = ctl_ask(ctl, request, -1, &answer);
	if (status == CTL_STATUS_DONE && !ctl->json) {
		_cleanup_free_ char *clean =
			ctl_clean(ctl_rule_id(answer), CTL_COLUMNS_ANY, NULL);

		if (strcmp(action, "list") == 0)
			show_list(answer);
		else if (strcmp(action, "add") == 0)
			(void)puts(clean);
	}
	json_object_put(answer);
	return status;
}

enum ctl_status ctl_rules(const struct ctl *ctl)
{
	const char *action = ctl->args[0];

	if (strcmp(action, "add") == 0 && ctl->nargs >= 2)
		return ask(ctl, action, ctl->args[1],
			   ctl->nargs > 2 ? ctl->args[2] : NULL);
	if (strcmp(action, "remove") == 0 && ctl->nargs == 2)
		return ask(ctl, action, NULL, ctl->args[1]);
	if (strcmp(action, "list") == 0 && ctl->nargs == 1)
		return ask(ctl, action, NULL, NULL);
	return ctl_misused("it is: rules add RULE [ID], rules remove ID, or rules list");
}
