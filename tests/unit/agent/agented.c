/* SPDX-License-Identifier: MIT
 * agented.c - an agent with a fake daemon and fake devices of the host
 */
#include "agented.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "control/server.h"
#include "util/fds.h"
#include "util/log.h"

struct agented agented;

static void on_request(void *ctx, struct control_request *req)
{
	struct control_device answer = CONTROL_DEVICE_INIT;
	char id[16];

	(void)ctx;
	answer.id = id;
	answer.port = 5;
	if (req->verb == CONTROL_VERB_LIST) {
		agented.listed++;
		control_answer_list(req, &(struct control_list){
						 .devices = &agented.device,
						 .ndevices = agented.devices,
					 });
		return;
	}
	if (req->verb == CONTROL_VERB_DETACH) {
		agented.detached++;
		(void)snprintf(agented.target, sizeof(agented.target), "%s",
			       req->target.text);
		control_refuse(req, CONTROL_CODE_NO_SUCH_DEVICE, NULL, "it has gone");
		return;
	}
	assert_int_equal(req->verb, CONTROL_VERB_ATTACH);
	agented.attached++;
	agented.had_fd = req->fd >= 0;
	agented.was_forced = req->attach.force;
	agented.port_wanted = req->attach.port;
	(void)snprintf(agented.rule_id, sizeof(agented.rule_id), "%s",
		       req->attach.rule_id);
	if (agented.ends_first)
		agented_tell(CONTROL_EVENT_DETACHED, agented.ends_first);
	agented.ends_first = NULL;
	if (agented.refuses) {
		control_refuse(req, agented.refusal, NULL, "no");
		return;
	}
	(void)snprintf(id, sizeof(id), "%u", ++agented.next_id);
	control_answer_device(req, &answer);
}

void agented_serve(void)
{
	static const struct control_options options = {.daemon = "test",
						       .request = on_request};
	struct err err = {0};
	int fd = listen_unix(agented.path, &err);

	assert_true(fd >= 0);
	agented.server = control_server_create(agented.loop, fd, &options, &err);
	assert_non_null(agented.server);
}

void agented_end_server(void)
{
	control_server_destroy(agented.server);
	agented.server = NULL;
	(void)unlink(agented.path);
}

void agented_tell(enum control_event event, const char *id)
{
	struct control_device ended = CONTROL_DEVICE_INIT;

	ended.id = id;
	control_server_event(agented.server, event, &ended, NULL);
}

void agented_plug(unsigned number)
{
	char node[64];

	fake_plug(&(struct fake_device){.name = "3-2", .number = number});
	(void)snprintf(node, sizeof(node), "/dev/bus/usb/003/%03u", number);
	fake_file(node, "");
}

static void hear_at(bool added, const char *name, unsigned number)
{
	struct uevent event = {.added = added, .bus = 3, .number = number};

	(void)snprintf(event.place, sizeof(event.place), "%s", fake_place(name));
	keeper_uevent(agent_keeper(agented.agent), &event);
}

void agented_hear(bool added, unsigned number)
{
	hear_at(added, "3-2", number);
}

static void take_state(void *ctx, const struct keeper_status *status)
{
	*(enum keeper_state *)ctx = status->state;
}

static void take_port(void *ctx, const struct keeper_status *status)
{
	*(unsigned *)ctx = status->port;
}

enum keeper_state agented_state(void)
{
	enum keeper_state now = KEEPER_STATE_WAITING;

	keeper_list(agent_keeper(agented.agent), take_state, &now);
	return now;
}

void agented_start(void)
{
	struct agent_options options = {.loop = agented.loop,
					.socket = agented.path,
					.rules = agented.rules,
					.root = fake_root(),
					.no_uevents = true};
	struct err err = {0};

	agented.agent = agent_create(&options, &err);
	assert_non_null(agented.agent);
}

void agented_add(const char *rule)
{
	struct err err = {0};

	assert_int_equal(agent_add(agented.agent, rule, &err), 0);
}

void agented_expect_port(unsigned port)
{
	unsigned now = 0;

	keeper_list(agent_keeper(agented.agent), take_port, &now);
	assert_int_equal(now, port);
}

static void count_attached(void *ctx, const struct keeper_status *status)
{
	*(unsigned *)ctx += status->state == KEEPER_STATE_ATTACHED;
}

unsigned agented_count(void)
{
	unsigned now = 0;

	keeper_list(agent_keeper(agented.agent), count_attached, &now);
	return now;
}

void agented_plug_other(const char *name, unsigned number)
{
	char node[64];

	fake_plug(
		&(struct fake_device){.name = name, .number = number, .vendor = 0x2222});
	(void)snprintf(node, sizeof(node), "/dev/bus/usb/003/%03u", number);
	fake_file(node, "");
	hear_at(true, name, number);
}

void agented_has(const char *id, unsigned number)
{
	agented.device.id = id;
	agented.device.bus = 3;
	agented.device.address = number;
	agented.device.place = "3-2";
	agented.device.port = 4;
	agented.device.rule = "key";
	agented.device.state = "attached";
	agented.devices = 1;
}

int agented_prepare(void **state)
{
	(void)state;
	(void)alarm(20);
	log_init(LOG_LEVEL_ERROR, false);
	fake_clear();
	fake_folder("/sys/bus/usb/devices");
	(void)snprintf(agented.path, sizeof(agented.path), "%s/a.sock", fake_root());
	agented.attached = agented.detached = agented.listed = agented.next_id =
		agented.port_wanted = 0;
	agented.refuses = false;
	agented.device = (struct control_device)CONTROL_DEVICE_INIT;
	agented.devices = 0;
	agented.rules = NULL;
	agented.loop = loop_create();
	agented_serve();
	return 0;
}

int agented_setup(void **state)
{
	(void)agented_prepare(state);
	agented_start();
	agented_add("usb:vid=1050,id=key");
	return 0;
}

int agented_teardown(void **state)
{
	(void)state;
	agent_destroy(agented.agent);
	if (agented.server)
		agented_end_server();
	loop_destroy(agented.loop);
	fake_finish();
	(void)alarm(0);
	return 0;
}
