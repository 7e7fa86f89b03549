/* SPDX-License-Identifier: MIT
 * attachment.c - one --device or order, and the states on its way into the controller and out
 *
 *	         a worker opens the node          host_open() takes the device
 *	NEW ---> NODE -------------------------> OPENING ---------> HELD ---> PLUGGED
 *	          ^  \                            ^   ^                         |
 *	          |   `-> WAITING for the rival --'   |                         |
 *	          |       that has the device         |                         |
 *	          |                                   |                         |
 *	          +---- AWAY <---- the device is pulled on the host's side -----+
 *	          +---- LEAVING <-- reset; detach: --> OUT ---------------------'
 *
 *	in                     event                             to
 *	NEW                    start, of the host                NODE
 *	                       start, emulated with a file       NODE
 *	                       start, emulated without           HELD
 *	NODE                   node is open, the guard agrees    OPENING
 *	                       the same, but another attachment
 *	                       has the device: detaches it       WAITING
 *	                       file is open                      HELD
 *	WAITING                the rival is OUT                  OPENING, WAITING
 *	OPENING                host_open() gives a device        HELD
 *	HELD                   the start is over: port / none    PLUGGED / OUT
 *	                       pulled                            LEAVING
 *	PLUGGED                reset: comes back by itself       LEAVING
 *	                       pulled: may come back / cannot    AWAY / OUT
 *	AWAY                   a device appears in the place     NODE
 *	                       the time is over                  OUT
 *	LEAVING                released; after a reset           OUT; NODE, WAITING, OPENING, HELD
 *	NODE, OPENING          failed; of one that was AWAY      OUT; AWAY
 *	NODE, OPENING          detach: when that has ended       LEAVING, OUT
 *	WAITING, AWAY          detach                            OUT
 *	HELD, PLUGGED          detach                            LEAVING
 *
 * The guest sees a device that comes back as a new one: a firmware loader, or a reset that changes
 * descriptors, is a disconnect and a connect.
 */
#include "daemon/attach/attachment.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/closer.h"
#include "util/log.h"

/* --- states --- */

static const char *const state_names[] = {
	[ATTACH_STATE_NEW] = "NEW",         [ATTACH_STATE_NODE] = "NODE",
	[ATTACH_STATE_WAITING] = "WAITING", [ATTACH_STATE_OPENING] = "OPENING",
	[ATTACH_STATE_HELD] = "HELD",       [ATTACH_STATE_PLUGGED] = "PLUGGED",
	[ATTACH_STATE_AWAY] = "AWAY",       [ATTACH_STATE_LEAVING] = "LEAVING",
	[ATTACH_STATE_OUT] = "OUT",
};

#define TO(state) (1u << ATTACH_STATE_##state)

/* What may follow a state, as drawn above. */
static const unsigned next_states[] = {
	[ATTACH_STATE_NEW] = TO(NODE) | TO(HELD) | TO(OUT),
	[ATTACH_STATE_NODE] =
		TO(WAITING) | TO(OPENING) | TO(HELD) | TO(AWAY) | TO(LEAVING) | TO(OUT),
	[ATTACH_STATE_WAITING] = TO(WAITING) | TO(OPENING) | TO(OUT),
	[ATTACH_STATE_OPENING] = TO(HELD) | TO(AWAY) | TO(LEAVING) | TO(OUT),
	[ATTACH_STATE_HELD] = TO(PLUGGED) | TO(LEAVING) | TO(OUT),
	[ATTACH_STATE_PLUGGED] = TO(AWAY) | TO(LEAVING) | TO(OUT),
	[ATTACH_STATE_AWAY] = TO(NODE) | TO(OUT),
	[ATTACH_STATE_LEAVING] =
		TO(NODE) | TO(WAITING) | TO(OPENING) | TO(HELD) | TO(OUT),
	[ATTACH_STATE_OUT] = 0,
};

void attachment_enter(struct attachment *at, enum attach_state state)
{
	enum attach_state old = at->state;

	log_trace("attach %u: %s -> %s", at->id, state_names[old], state_names[state]);
	assert(next_states[old] & 1u << state);
	if (old == ATTACH_STATE_WAITING) {
		at->rival = NULL;
	} else if (old == ATTACH_STATE_AWAY) {
		away_stop(&at->away);
	} else if (old == ATTACH_STATE_PLUGGED) {
		at->dev = NULL;
		at->since = 0;
	}
	at->state = state;
	loop_defer(at->all->loop, &at->all->changed);
}

bool attachment_is_there(const struct attachment *at)
{
	return at->state != ATTACH_STATE_NEW && at->state != ATTACH_STATE_OUT;
}

bool attachment_is_opening(const struct attachment *at)
{
	return at->state == ATTACH_STATE_NODE || at->state == ATTACH_STATE_WAITING ||
	       at->state == ATTACH_STATE_OPENING;
}

bool attachments_are_starting(const struct attachments *all)
{
	return all->phase == ATTACH_PHASE_NEW || all->phase == ATTACH_PHASE_STARTING;
}

bool attachments_are_stopping(const struct attachments *all)
{
	return all->phase == ATTACH_PHASE_STOPPING || all->phase == ATTACH_PHASE_IDLE;
}

/* --- description, events, failures --- */

static enum attach_stage stage_of(enum attach_state state)
{
	switch (state) {
	case ATTACH_STATE_PLUGGED:
		return ATTACH_STAGE_PLUGGED;
	case ATTACH_STATE_AWAY:
		return ATTACH_STAGE_AWAY;
	case ATTACH_STATE_LEAVING:
	case ATTACH_STATE_OUT:
		return ATTACH_STAGE_LEAVING;
	case ATTACH_STATE_NEW:
	case ATTACH_STATE_NODE:
	case ATTACH_STATE_WAITING:
	case ATTACH_STATE_OPENING:
	case ATTACH_STATE_HELD:
	default:
		return ATTACH_STAGE_OPENING;
	}
}

struct attach_info attachment_describe(const struct attachment *at)
{
	struct attach_info info = {
		.id = at->id,
		.stage = stage_of(at->state),
		.text = at->wanted.text,
		.label = at->facts.label,
		.rule = at->wanted.rule,
		.place = at->node.place,
		.real = wanted_is_host(&at->wanted),
		.port = at->port,
		.bus = at->node.bus,
		.number = at->node.number,
		.speed = at->facts.speed,
		.since = at->since,
		.vendor = at->facts.vendor,
		.product = at->facts.product,
		.host = at->facts.hostdev_known ? &at->facts.hostdev : NULL,
	};

	if (at->state == ATTACH_STATE_PLUGGED && at->dev)
		info.stats = at->dev->stats;
	return info;
}

void attachment_notify(struct attachment *at, enum attach_event event,
		       const struct err *why)
{
	const struct attachments *all = at->all;
	struct attach_info info = attachment_describe(at);

	info.why = why;
	at->announced = event == ATTACH_EVENT_ATTACHED || event == ATTACH_EVENT_RETURNED;
	if (all->event && !attachments_are_stopping(all))
		all->event(all->ctx, event, &info);
}

const char *attachment_prefix(const struct attachment *at)
{
	return at->wanted.is_option ? "--device " : "";
}

void attachment_log_failure(const struct attachment *at)
{
	const char *text = at->wanted.text, *hint = at->failure.hint;

	/* clients can cause any number of these; their answer has the reason */
	if (at->wanted.is_option)
		log_error("--device %s: %s", text, at->failure.err.text);
	else
		log_limited(LOG_LEVEL_ERROR, "%s: %s", text, at->failure.err.text);
	if (hint[0] != '\0' && at->wanted.is_option)
		log_info("to fix that: %s", hint);
	else if (hint[0] != '\0')
		log_limited(LOG_LEVEL_INFO, "to fix that: %s", hint);
}

void attachment_fail(struct attachment *at, int code, const char *text)
{
	(void)err_set(&at->failure.err, code, "%s", text);
	at->failure.hint[0] = '\0';
}

/* --- the end --- */

void attachment_answer(struct attachment *at, unsigned port)
{
	attach_done *done = at->order.done;

	at->order.done = NULL;
	if (done && !attachments_are_stopping(at->all))
		done(at->order.ctx, at->id, port, port ? NULL : &at->failure.err,
		     at->failure.hint);
}

void attachment_finish(struct attachment *at)
{
	attachment_enter(at, ATTACH_STATE_OUT);
	/* a reset announces nothing, so watchers still see it plugged in */
	if (at->announced)
		attachment_notify(at, ATTACH_EVENT_DETACHED, NULL);
	attachment_answer(at, 0);
}

/* --- life --- */

struct attachment *attachment_create(struct attachments *all, unsigned id,
				     const struct wanted *wanted)
{
	struct attachment *at = calloc(1, sizeof(*at));

	if (!at)
		return NULL;
	at->all = all;
	at->id = id;
	at->wanted = *wanted;
	at->port = wanted->port;
	at->node.fd = at->dev_fd = -1;
	at->facts.speed = "";
	at->opening.wanted = &at->wanted;
	at->opening.node.fd = -1;
	(void)snprintf(at->opening.path, sizeof(at->opening.path), "%s", wanted->path);
	device_file_init(&at->opening.file);
	list_append(&all->list, &at->node_in_list);
	return at;
}

void attachment_free(struct attachment *at)
{
	assert(!at->dev && !at->opening.worker);
	list_remove(&at->node_in_list);
	closer_close(&at->node.fd);
	away_finish(&at->away);
	wanted_finish(&at->wanted);
	free(at);
}
