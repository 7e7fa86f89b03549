/* SPDX-License-Identifier: MIT
 * test_agent.c - tests of src/ctl/agent.c and agent_job.c, against a daemon in the same loop
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "../rules/fake_sysfs.h"
#include "control/request.h"
#include "control/server.h"
#include "ctl/agent.h"
#include "rules/keeper.h"
#include "util/fds.h"
#include "util/loop.h"

static struct loop *loop;
static struct agent *agent;
static struct control_server *server;
static char path[108];

/* What the daemon was asked. */
static unsigned attached, detached, next_id, port_wanted;
static bool had_fd, was_forced;
static char rule_id[64], target[64];
static enum control_code refusal;
static bool refuses;

static void on_request(void *ctx, struct control_request *req)
{
	struct control_device device = CONTROL_DEVICE_INIT;
	char id[16];

	(void)ctx;
	device.id = id;
	device.port = 5;
	if (req->verb == CONTROL_VERB_DETACH) {
		detached++;
		(void)snprintf(target, sizeof(target), "%s", req->target.text);
		control_refuse(req, CONTROL_CODE_NO_SUCH_DEVICE, NULL, "it has gone");
		return;
	}
	assert_int_equal(req->verb, CONTROL_VERB_ATTACH);
	attached++;
	had_fd = req->fd >= 0;
	was_forced = req->attach.force;
	port_wanted = req->attach.port;
	(void)snprintf(rule_id, sizeof(rule_id), "%s", req->attach.rule_id);
	if (refuses) {
		control_refuse(req, refusal, NULL, "no");
		return;
	}
	(void)snprintf(id, sizeof(id), "%u", ++next_id);
	control_answer_device(req, &device);
}

static void serve(void)
{
	static const struct control_options options = {.daemon = "test",
						       .request = on_request};
	struct err err = {0};
	int fd = listen_unix(path, &err);

	assert_true(fd >= 0);
	server = control_server_create(loop, fd, &options, &err);
	assert_non_null(server);
}

static void end_server(void)
{
	control_server_destroy(server);
	server = NULL;
	(void)unlink(path);
}

static void tell(enum control_event event, const char *id)
{
	struct control_device device = CONTROL_DEVICE_INIT;

	device.id = id;
	control_server_event(server, event, &device, NULL);
}

static void plug(unsigned number)
{
	char node[64];

	fake_plug(&(struct fake_device){.name = "3-2", .number = number});
	(void)snprintf(node, sizeof(node), "/dev/bus/usb/003/%03u", number);
	fake_file(node, "");
}

static void hear(bool added, unsigned number)
{
	struct uevent event = {.added = added, .bus = 3, .number = number};

	(void)snprintf(event.place, sizeof(event.place), "%s", fake_place("3-2"));
	keeper_uevent(agent_keeper(agent), &event);
}

static void take_state(void *ctx, const struct keeper_status *status)
{
	*(enum keeper_state *)ctx = status->state;
}

static enum keeper_state state_now(void)
{
	enum keeper_state now = KEEPER_WAITING;

	keeper_list(agent_keeper(agent), take_state, &now);
	return now;
}

/* The time limit is that of the test. */
#define AWAIT(condition)                                            \
	do {                                                        \
		while (!(condition))                                \
			assert_int_equal(loop_turn(loop, true), 0); \
	} while (0)

static int setup(void **state)
{
	struct agent_options options = {.socket = path, .no_uevents = true};
	struct err err = {0};

	(void)state;
	(void)alarm(20);
	fake_clear();
	fake_folder("/sys/bus/usb/devices");
	(void)snprintf(path, sizeof(path), "%s/a.sock", fake_root());
	attached = detached = next_id = port_wanted = 0;
	refuses = false;
	loop = loop_create();
	options.loop = loop;
	options.root = fake_root();
	serve();
	agent = agent_create(&options, &err);
	assert_non_null(agent);
	assert_int_equal(agent_add(agent, "usb:vid=1050,id=key", &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	agent_destroy(agent);
	if (server)
		end_server();
	loop_destroy(loop);
	fake_finish();
	(void)alarm(0);
	return 0;
}

static void test_hands_over(void **state)
{
	(void)state;
	plug(7);
	hear(true, 7);
	AWAIT(state_now() == KEEPER_ATTACHED);
	assert_int_equal(attached, 1);
	assert_true(had_fd);
	assert_true(was_forced);
	assert_string_equal(rule_id, "key");
	assert_int_equal(port_wanted, 0);
}

static void test_comes_back_to_its_port(void **state)
{
	test_hands_over(state);
	fake_unplug("3-2");
	hear(false, 7);
	AWAIT(detached == 1 && state_now() == KEEPER_WAITING);
	assert_string_equal(target, "1");
	plug(8);
	hear(true, 8);
	AWAIT(state_now() == KEEPER_ATTACHED);
	assert_int_equal(attached, 2);
	assert_int_equal(port_wanted, 5);
}

static void test_ends_that_are_told(void **state)
{
	test_hands_over(state);
	/* another's */
	tell(CONTROL_EVENT_DETACHED, "99");
	/* lost by the daemon: tried again */
	tell(CONTROL_EVENT_GONE, "1");
	AWAIT(attached == 2 && state_now() == KEEPER_ATTACHED);
	assert_int_equal(detached, 0);
	/* by hand: not */
	tell(CONTROL_EVENT_DETACHED, "2");
	AWAIT(state_now() == KEEPER_REFUSED);
	assert_int_equal(attached, 2);
}

static void test_daemon_starts_anew(void **state)
{
	test_hands_over(state);
	end_server();
	AWAIT(state_now() != KEEPER_ATTACHED);
	serve();
	AWAIT(attached == 2 && state_now() == KEEPER_ATTACHED);
	assert_int_equal(port_wanted, 5);
}

static void test_refusals_are_tried_again(void **state)
{
	(void)state;
	refuses = true;
	refusal = CONTROL_CODE_BUSY;
	plug(7);
	hear(true, 7);
	AWAIT(attached == 2);
	refuses = false;
	AWAIT(state_now() == KEEPER_ATTACHED);
}

static void test_rule_goes(void **state)
{
	struct err err = {0};

	test_hands_over(state);
	assert_int_equal(keeper_remove(agent_keeper(agent), "key", &err), 0);
	AWAIT(detached == 1 && keeper_rule_count(agent_keeper(agent)) == 0);
	assert_string_equal(target, "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hands_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_comes_back_to_its_port, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ends_that_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_daemon_starts_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals_are_tried_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_rule_goes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
