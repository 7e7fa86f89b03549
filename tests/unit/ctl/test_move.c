/* SPDX-License-Identifier: MIT
 * test_move.c - a device goes from one daemon to another, or stays where it was
 */
#include "fake.h"

#include <stdio.h>

#include "ctl/ctl.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, move_setup, fake_teardown)

static int move_setup(void **state)
{
	struct fake *fake;

	fake_setup(state);
	fake = *state;
	fake_start(fake, 1);
	fake_node(fake, "NODE");
	return 0;
}

static int move_child(void *ctx)
{
	return ctl_move(ctx);
}

/* The nodes are in a folder of the test. */
static int move(struct fake *fake, struct ctl *ctl, char *target)
{
	char nodes[128];
	char *args[] = {target, NULL};

	snprintf(nodes, sizeof(nodes), "%s/nodes", fake->dir);
	ctl->node_folder = nodes;
	ctl->socket = fake->daemons[0].path;
	ctl->to = ctl->to ? ctl->to : fake->daemons[1].path;
	ctl->args = args;
	ctl->nargs = 1;
	return fake_run_child(fake, move_child, ctl);
}

static void test_move(void **state)
{
	static char *const targets[] = {"1-2.3", "003:017", "port 2"};
	struct fake *fake = *state;

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct ctl ctl = {0};

		fake->daemons[0].asked[0] = '\0';
		fake->daemons[1].asked[0] = '\0';
		assert_int_equal(move(fake, &ctl, targets[i]), 0);
		assert_string_equal(fake->out, "moved 1-2.3 (YubiKey), port 2\n");
		assert_string_equal(fake->daemons[0].asked,
				    "list\ndetach device=1-2.3\n");
		assert_string_equal(fake->daemons[1].asked,
				    "attach name=YubiKey bus=3 address=17 fd=NODE rw\n");
	}
}

static void test_options(void **state)
{
	struct fake *fake = *state;
	struct ctl ctl = {.port = 5,
			  .name = "key",
			  .reset = "never",
			  .json = true,
			  .given = CTL_OPTION_FORCE};

	assert_int_equal(move(fake, &ctl, "1-2.3"), 0);
	fake_expect(fake->out, "{\"ok\":true");
	assert_string_equal(fake->daemons[1].asked,
			    "attach name=key reset=never port=5 force=yes bus=3 "
			    "address=17 fd=NODE rw\n");
}

static void test_refused_goes_back(void **state)
{
	struct fake *fake = *state;
	struct ctl ctl = {.port = 5};

	fake->daemons[1].refuses = UINT32_MAX;
	fake->daemons[1].code = CONTROL_CODE_NO_FREE_PORT;
	assert_int_equal(move(fake, &ctl, "1-2.3"), 1);
	assert_string_equal(fake->daemons[0].asked,
			    "list\ndetach device=1-2.3\n"
			    "attach name=YubiKey port=2 bus=3 address=17 fd=NODE rw\n");
	fake_expect(fake->errors, "1-2.3 is attached as before");
	fake->daemons[0].refuses = 1u << CONTROL_VERB_ATTACH;
	assert_int_equal(move(fake, &ctl, "1-2.3"), 1);
	fake_expect(fake->errors, "attached to neither");
}

/* Nothing is detached if it is clear before that it cannot go. */
static void test_nothing_is_changed(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *from = &fake->daemons[0];
	struct ctl ctl = {0}, to_itself = {.to = from->path};

	assert_int_equal(move(fake, &ctl, "7-7"), 1);
	fake_expect(fake->errors, "no device '7-7'");
	assert_int_equal(move(fake, &to_itself, "1-2.3"), 2);
	from->devices[0].address = 18;
	assert_int_equal(move(fake, &ctl, "1-2.3"), 1);
	fake_expect(fake->errors, "003/018");
	from->devices[0].bus = 0;
	assert_int_equal(move(fake, &ctl, "1-2.3"), 1);
	fake_expect(fake->errors, "no device of the host");
	fake_stop(&fake->daemons[1]);
	assert_int_equal(move(fake, &ctl, "1-2.3"), 1);
	fake_expect_not(from->asked, "detach");
	assert_string_equal(fake->daemons[1].asked, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_move),
		TEST(test_options),
		TEST(test_refused_goes_back),
		TEST(test_nothing_is_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
