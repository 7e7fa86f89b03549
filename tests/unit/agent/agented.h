/* SPDX-License-Identifier: MIT
 * agented.h - an agent with a fake daemon and fake devices of the host
 *
 * The daemon is a control server in the same loop. An unexpected call fails the running
 * cmocka test.
 */
#ifndef TESTS_UNIT_AGENT_AGENTED_H
#define TESTS_UNIT_AGENT_AGENTED_H

#include <stdbool.h>
#include <stddef.h>

#include "../rules/fake_sysfs.h"
#include "agent/agent.h"
#include "control/request.h"
#include "rules/keeper.h"
#include "util/loop.h"

/**
 * struct agented
 * @rules:	the agent's file of rules, or NULL
 * @attached, @detached, @listed: how many such requests the daemon has got
 * @port_wanted, @had_fd, @was_forced, @rule_id, @target: of the last request
 * @refuses:	the daemon refuses to attach, with @refusal
 * @device:	the daemon's list, if @devices is 1
 * @ends_first:	id of a device that ends before the next answer to attach; NULL: none
 */
struct agented {
	struct loop *loop;
	struct agent *agent;
	struct control_server *server;
	char path[108];
	const char *rules;
	unsigned attached, detached, listed, next_id, port_wanted;
	bool had_fd, was_forced;
	char rule_id[64], target[64];
	bool refuses;
	enum control_code refusal;
	struct control_device device;
	size_t devices;
	const char *ends_first;
};

extern struct agented agented;

/* cmocka set-up: a daemon, no devices, no agent yet. */
int agented_prepare(void **state);
/* The same, and an agent with a rule "key" for the devices of agented_plug(). */
int agented_setup(void **state);
int agented_teardown(void **state);

void agented_start(void);
void agented_add(const char *rule);
void agented_serve(void);
void agented_end_server(void);
/* Makes the daemon send an event about the device with this id. */
void agented_tell(enum control_event event, const char *id);

/* Makes the daemon's list contain 3-2 at port 4, for the rule "key", as an earlier agent has left
 * it. */
void agented_has(const char *id, unsigned number);
/* Plugs in device 3-2, of vendor 1050, with its node. */
void agented_plug(unsigned number);
/* Sends the kernel's message about that device. */
void agented_hear(bool added, unsigned number);
/* Plugs in another device, of vendor 2222, with its node, and sends the kernel's message. */
void agented_plug_other(const char *name, unsigned number);

/* The state of the last rule. */
enum keeper_state agented_state(void);
void agented_expect_port(unsigned port);
/* How many devices the rules hold. */
unsigned agented_count(void);

/* Only the test's own time limit ends this. */
#define AWAIT(condition)                                                    \
	do {                                                                \
		while (!(condition))                                        \
			assert_int_equal(loop_turn(agented.loop, true), 0); \
	} while (0)

#endif /* TESTS_UNIT_AGENT_AGENTED_H */
