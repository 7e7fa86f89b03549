/* SPDX-License-Identifier: MIT
 * rulebook.c - joins the keeper of rules and attach
 *
 * Each device that is attached, or being so, for a holder of the keeper has a *hold*,
 * from the keeper's attach() until it has been told that the device has gone.
 */
#include "daemon/rulebook.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "daemon/attach/node.h"
#include "rules/file.h"
#include "rules/keeper.h"
#include "rules/rule.h"
#include "util/apart.h"
#include "util/log.h"
#include "util/worker.h"

enum hold_state {
	HOLD_STATE_FREE,
	HOLD_STATE_HELD,    /* attached, or being so */
	HOLD_STATE_LEAVING, /* the keeper wants it detached */
};

/**
 * struct hold
 * @id:		of the attachment, 0: none
 */
struct hold {
	struct rulebook *rulebook;
	enum hold_state state;
	unsigned holder;
	unsigned id;
};

enum rulebook_phase {
	RULEBOOK_PHASE_STARTING, /* not all devices that were there have been tried */
	RULEBOOK_PHASE_RUNNING,
	RULEBOOK_PHASE_STOPPING,
};

/**
 * struct rulebook
 * @keeper:	NULL until there is a rule
 * @worker:	reads the file; NULL: it is not being read
 * @job, @list, @err, @result: its
 * @again:	the file is to be read once more
 */
struct rulebook {
	struct rulebook_options options;
	struct keeper *keeper;
	struct hold holds[ATTACH_MAX];
	enum rulebook_phase phase;
	struct worker *worker;
	struct worker_job job;
	struct rule_list list;
	struct err err;
	int result;
	bool again;
};

/* --- holds --- */

static struct hold *hold_new(struct rulebook *rulebook, unsigned holder)
{
	for (unsigned i = 0; i < ATTACH_MAX; i++) {
		struct hold *hold = &rulebook->holds[i];

		if (hold->state != HOLD_STATE_FREE)
			continue;
		*hold = (struct hold){
			.rulebook = rulebook, .state = HOLD_STATE_HELD, .holder = holder};
		return hold;
	}
	return NULL;
}

static struct hold *hold_of(struct rulebook *rulebook, unsigned id)
{
	for (unsigned i = 0; i < ATTACH_MAX; i++) {
		if (rulebook->holds[i].state != HOLD_STATE_FREE &&
		    rulebook->holds[i].id == id)
			return &rulebook->holds[i];
	}
	return NULL;
}

static void hold_end(struct hold *hold, enum keeper_end end)
{
	hold->state = HOLD_STATE_FREE;
	keeper_gone(hold->rulebook->keeper, hold->holder, end);
}

/* --- callbacks of the keeper --- */

static void on_attached(void *ctx, unsigned id, unsigned port, const struct err *err,
			const char *hint)
{
	struct hold *hold = ctx;

	(void)hint;
	hold->id = id;
	if (port == 0)
		hold->state = HOLD_STATE_FREE;
	keeper_attached(hold->rulebook->keeper, hold->holder, port,
			port == 0 ? err : NULL);
}

static void on_attach(void *ctx, unsigned holder, const struct rule *rule,
		      const struct hostdev *dev, unsigned port)
{
	static const char *const resets[] = {
		[RULE_RESET_ALWAYS] = "always",
		[RULE_RESET_FIRST] = "first",
		[RULE_RESET_NEVER] = "never",
	};
	struct rulebook *rulebook = ctx;
	struct hold *hold = hold_new(rulebook, holder);
	char path[NODE_PATH_BYTES];
	char text[NODE_PATH_BYTES + 32];
	struct attach_order order = {
		.text = text,
		.fd = -1,
		.port = port,
		.rule = rule->id,
		.force = true, /* the keeper has looked */
		.done = on_attached,
		.ctx = hold,
	};
	struct err err = {0};

	node_path(dev->bus, dev->number, path);
	(void)snprintf(text, sizeof(text), "host:path=%s,reset=%s", path,
		       resets[rule->reset]);
	if (!hold)
		(void)err_set(&err, ENOSPC, "more than %u devices", ATTACH_MAX);
	else if (attach_order(rulebook->options.attach, &order, &err) >= 0)
		return;
	else
		hold->state = HOLD_STATE_FREE;
	keeper_attached(rulebook->keeper, holder, 0, &err);
}

static void on_left(void *ctx)
{
	hold_end(ctx, KEEPER_END_DETACHED);
}

static void on_detach(void *ctx, unsigned holder)
{
	struct rulebook *rulebook = ctx;
	struct hold *hold = NULL;

	for (unsigned i = 0; i < ATTACH_MAX; i++) {
		if (rulebook->holds[i].state != HOLD_STATE_FREE &&
		    rulebook->holds[i].holder == holder)
			hold = &rulebook->holds[i];
	}
	if (!hold) {
		keeper_gone(rulebook->keeper, holder, KEEPER_END_DETACHED);
		return;
	}
	hold->state = HOLD_STATE_LEAVING;
	if (attach_detach(rulebook->options.attach, hold->id, on_left, hold) < 0)
		hold_end(hold, KEEPER_END_DETACHED);
}

struct search {
	const char *place;
	bool found;
};

static void look_for(void *ctx, const struct attach_info *info)
{
	struct search *search = ctx;

	search->found = search->found || (info->rule[0] == '\0' &&
					  strcmp(info->place, search->place) == 0);
}

static bool is_taken(void *ctx, const char *place)
{
	struct rulebook *rulebook = ctx;
	struct search search = {.place = place};

	attach_each(rulebook->options.attach, look_for, &search);
	return search.found;
}

static void on_changed(void *ctx, const struct keeper_status *status)
{
	struct rulebook *rulebook = ctx;
	const struct rulebook_options *options = &rulebook->options;

	if (options->held && status->why && status->why->code != 0)
		options->held(options->ctx, status->rule_id, status->why->text);
}

/* Devices get their ports, and the keeper its answers, when the start is over: it does not wait for those. */
static void on_asked(void *ctx)
{
	struct rulebook *rulebook = ctx;

	if (rulebook->phase == RULEBOOK_PHASE_STARTING)
		attach_await(rulebook->options.attach, false);
}

static void on_quiet(void *ctx)
{
	struct rulebook *rulebook = ctx;

	if (rulebook->phase != RULEBOOK_PHASE_STARTING)
		return;
	rulebook->phase = RULEBOOK_PHASE_RUNNING;
	attach_await(rulebook->options.attach, false);
}

/* --- rules --- */

static int need_keeper(struct rulebook *rulebook, struct err *err)
{
	const struct keeper_options options = {
		.loop = rulebook->options.loop,
		.attach = on_attach,
		.detach = on_detach,
		.is_taken = is_taken,
		.changed = on_changed,
		.quiet = on_quiet,
		.asked = on_asked,
		.ctx = rulebook,
	};

	if (rulebook->phase == RULEBOOK_PHASE_STOPPING)
		return err_set(err, ESHUTDOWN, "usbvfiod is stopping");
	if (rulebook->keeper)
		return 0;
	rulebook->keeper = keeper_create(&options, err);
	return rulebook->keeper ? 0 : -err->code;
}

static int add(struct rulebook *rulebook, const char *text, const char *id,
	       enum keeper_origin origin, const char **ret_id, struct err *err)
{
	struct rule rule;
	int r = rule_parse(&rule, text, err);

	if (r < 0)
		return r;
	if (id && strlen(id) >= sizeof(rule.id))
		return err_set(err, EINVAL, "a rule's name has at most %zu characters",
			       sizeof(rule.id) - 1);
	if (id)
		(void)snprintf(rule.id, sizeof(rule.id), "%s", id);
	r = need_keeper(rulebook, err);
	return r < 0 ? r : keeper_add(rulebook->keeper, &rule, origin, ret_id, err);
}

int rulebook_add_option(struct rulebook *rulebook, const char *text, struct err *err)
{
	int r = add(rulebook, text, NULL, KEEPER_ORIGIN_OPTION, NULL, err);

	/* on_quiet() ends it */
	if (r == 0 && rulebook->phase == RULEBOOK_PHASE_STARTING)
		attach_await(rulebook->options.attach, true);
	return r;
}

int rulebook_add(struct rulebook *rulebook, const char *text, const char *id,
		 const char **ret_id, struct err *err)
{
	return add(rulebook, text, id, KEEPER_ORIGIN_CONTROL, ret_id, err);
}

int rulebook_remove(struct rulebook *rulebook, const char *id, struct err *err)
{
	if (!rulebook->keeper)
		return err_set(err, ENOENT, "there is no rule %s", id);
	return keeper_remove(rulebook->keeper, id, err);
}

static void read_rules(void *arg)
{
	struct rulebook *rulebook = arg;

	rulebook->err = (struct err){0};
	rulebook->result =
		rules_file_read(rulebook->options.path, &rulebook->list, &rulebook->err);
}

/* Replaces the rules of the file by those just read. Return: 0, or -errno, which has been logged. */
static int take_rules(struct rulebook *rulebook)
{
	struct err *err = &rulebook->err;
	unsigned count = rulebook->list.count;
	int r = rulebook->result;

	if (r == 0)
		r = need_keeper(rulebook, err);
	if (r == 0)
		r = keeper_replace(rulebook->keeper, &rulebook->list, KEEPER_ORIGIN_FILE,
				   err);
	if (r < 0)
		log_error("--rules: %s", err->text);
	else
		log_info("%s: %u rules", rulebook->options.path, count);
	if (r == 0 && rulebook->phase == RULEBOOK_PHASE_STARTING && count > 0)
		attach_await(rulebook->options.attach, true);
	rule_list_finish(&rulebook->list);
	return r;
}

int rulebook_load(struct rulebook *rulebook)
{
	if (!rulebook->options.path)
		return 0;
	read_rules(rulebook);
	return take_rules(rulebook);
}

static void run_read(struct worker_job *job)
{
	run_apart(read_rules, CONTAINER_OF(job, struct rulebook, job));
}

static void on_read(struct worker_job *job)
{
	struct rulebook *rulebook = CONTAINER_OF(job, struct rulebook, job);
	bool again = rulebook->again;

	worker_destroy(rulebook->worker);
	rulebook->worker = NULL;
	rulebook->again = false;
	if (rulebook->phase == RULEBOOK_PHASE_STOPPING)
		rule_list_finish(&rulebook->list);
	else if (take_rules(rulebook) < 0)
		log_warn("the rules stay as they were");
	if (again)
		rulebook_reload(rulebook);
}

void rulebook_reload(struct rulebook *rulebook)
{
	if (!rulebook->options.path || rulebook->phase == RULEBOOK_PHASE_STOPPING)
		return;
	if (rulebook->worker) {
		rulebook->again = true;
		return;
	}
	rulebook->worker = worker_create(rulebook->options.loop, "rulebook");
	if (!rulebook->worker) {
		log_warn("no thread to read the rules: they stay as they were");
		return;
	}
	rulebook->job = (struct worker_job){.run = run_read, .done = on_read};
	worker_submit(rulebook->worker, &rulebook->job);
}

bool rulebook_is_reading(const struct rulebook *rulebook)
{
	return rulebook->worker != NULL;
}

/* --- the list of rules --- */

static const char *state_name(enum keeper_state state)
{
	static const char *const names[] = {
		[KEEPER_STATE_WAITING] = "waiting",
		[KEEPER_STATE_ATTACHING] = "attaching",
		[KEEPER_STATE_ATTACHED] = "attached",
		[KEEPER_STATE_BACKING_OFF] = "failed",
		[KEEPER_STATE_REFUSED] = "refused",
		[KEEPER_STATE_DETACHING] = "detaching",
	};

	return names[state];
}

static const char *origin_name(enum keeper_origin origin)
{
	static const char *const names[] = {
		[KEEPER_ORIGIN_OPTION] = "option",
		[KEEPER_ORIGIN_FILE] = "file",
		[KEEPER_ORIGIN_CONTROL] = "control",
	};

	return names[origin];
}

/* @array: NULL when memory was short. */
struct told {
	struct json_object *array;
};

static bool fill_status(struct json_object *one, const struct keeper_status *status)
{
	char rule[RULE_TEXT_BYTES];
	char device[HOSTDEV_TEXT_BYTES * 2] = "";

	rule_text(status->rule, rule);
	if (status->dev)
		hostdev_describe(status->dev, device, sizeof(device));
	return control_add_text(one, "rule_id", status->rule_id) &&
	       control_add_text(one, "rule", rule) &&
	       control_add_text(one, "origin", origin_name(status->origin)) &&
	       control_add_text(one, "state", state_name(status->state)) &&
	       control_add_text(one, "device", status->dev ? device : NULL) &&
	       (!status->port ||
		control_add(one, "port", json_object_new_int((int)status->port))) &&
	       control_add_text(one, "why",
				status->why && status->why->code != 0 ? status->why->text
								      : NULL);
}

static void add_status(void *ctx, const struct keeper_status *status)
{
	struct told *told = ctx;
	struct json_object *one = json_object_new_object();

	if (!fill_status(one, status)) {
		json_object_put(one);
		one = NULL;
	}
	if (!control_append(told->array, one)) {
		json_object_put(told->array);
		told->array = NULL;
	}
}

struct json_object *rulebook_to_json(const struct rulebook *rulebook)
{
	struct told told = {.array = json_object_new_array()};

	if (rulebook->keeper)
		keeper_list(rulebook->keeper, add_status, &told);
	return told.array;
}

/* --- events --- */

void rulebook_event(struct rulebook *rulebook, enum attach_event event,
		    const struct attach_info *info)
{
	struct hold *hold;

	if (!rulebook || !rulebook->keeper)
		return;
	hold = info->rule[0] != '\0' ? hold_of(rulebook, info->id) : NULL;
	switch (event) {
	case ATTACH_EVENT_GONE:
	case ATTACH_EVENT_FAILED:
		if (hold)
			hold_end(hold, KEEPER_END_PULLED);
		break;
	case ATTACH_EVENT_DETACHED:
		if (hold && hold->state != HOLD_STATE_LEAVING)
			hold_end(hold, KEEPER_END_BY_HAND);
		break;
	case ATTACH_EVENT_ATTACHED:
	case ATTACH_EVENT_RETURNED:
	default:
		return;
	}
	if (!hold)
		keeper_recheck(rulebook->keeper);
}

struct rulebook *rulebook_create(const struct rulebook_options *options)
{
	struct rulebook *rulebook = calloc(1, sizeof(*rulebook));

	if (rulebook)
		rulebook->options = *options;
	return rulebook;
}

void rulebook_stop(struct rulebook *rulebook)
{
	rulebook->phase = RULEBOOK_PHASE_STOPPING;
	if (rulebook->keeper)
		keeper_stop(rulebook->keeper);
}

void rulebook_destroy(struct rulebook *rulebook)
{
	if (!rulebook)
		return;
	worker_destroy(rulebook->worker);
	keeper_destroy(rulebook->keeper);
	free(rulebook);
}
