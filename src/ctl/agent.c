/* SPDX-License-Identifier: MIT
 * agent.c - usbvfioctl agent: runs until a signal ends it
 */
#include <signal.h>

#include "agent/agent.h"
#include "ctl/ctl.h"
#include "util/log.h"
#include "util/loop.h"

struct running {
	struct loop *loop;
	struct agent *agent;
};

static void on_hangup(void *ctx)
{
	struct running *running = ctx;
	struct err err = {0};

	if (agent_load(running->agent, &err) < 0)
		log_error("--rules: %s; the rules stay as they were", err.text);
}

static void on_end(void *ctx)
{
	struct running *running = ctx;

	loop_stop(running->loop);
}

static enum ctl_status run(const struct ctl *ctl, struct running *running)
{
	struct err err = {0};
	int r = agent_load(running->agent, &err);

	for (int i = 0; r == 0 && i < ctl->nargs; i++)
		r = agent_add(running->agent, ctl->args[i], &err);
	if (r < 0) {
		ctl_complain("%s", err.text);
		return CTL_STATUS_FAILED;
	}
	return loop_run(running->loop) < 0 ? CTL_STATUS_FAILED : CTL_STATUS_DONE;
}

enum ctl_status ctl_agent(const struct ctl *ctl)
{
	struct running running = {0};
	struct agent_options options = {
		.rules = ctl->rules,
		.root = "",
	};
	static const int ends[] = {SIGTERM, SIGINT};
	struct loop_watch *watches[ARRAY_SIZE(ends) + 1] = {NULL};
	enum ctl_status status = CTL_STATUS_FAILED;
	struct err err = {0};

	if (!ctl->rules && ctl->nargs == 0)
		return ctl_misused(
			"the agent has nothing to do: give it --rules FILE, or rules");
	options.socket = ctl_socket(ctl);
	if (options.socket)
		options.loop = running.loop = loop_create();
	if (!running.loop)
		return CTL_STATUS_FAILED;
	watches[0] = loop_watch_signal(running.loop, SIGHUP, on_hangup, &running);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		watches[i + 1] =
			loop_watch_signal(running.loop, ends[i], on_end, &running);
	running.agent = agent_create(&options, &err);
	if (running.agent)
		status = run(ctl, &running);
	else
		ctl_complain("%s", err.text);
	agent_destroy(running.agent);
	for (size_t i = 0; i < ARRAY_SIZE(watches); i++)
		loop_unwatch(watches[i]);
	loop_destroy(running.loop);
	return status;
}
