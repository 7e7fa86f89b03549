/* SPDX-License-Identifier: MIT
 * test_agent.c - usbvfioctl agent as a process: signals
 */
#include "fake.h"

#include <signal.h>
#include <stdio.h>

static char rules[128];
static unsigned step;

static void write_rules(const char *text)
{
	FILE *file = fopen(rules, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* The next thing, when the program has said what the last one leads to. */
static void on_turn(struct fake *fake)
{
	if (step == 0 && fake_has_said(fake, "1 rules")) {
		write_rules("usb:vid=ffff,id=one\nusb:vid=fffe,id=two\n");
		assert_int_equal(kill(fake->pid, SIGHUP), 0);
		step++;
	} else if (step == 1 && fake_has_said(fake, "2 rules")) {
		write_rules("usb:vid=nonsense\n");
		assert_int_equal(kill(fake->pid, SIGHUP), 0);
		step++;
	} else if (step == 2 && fake_has_said(fake, "the rules stay as they were")) {
		assert_int_equal(kill(fake->pid, SIGTERM), 0);
		step++;
	}
}

static void test_sighup_reads_the_file_again(void **state)
{
	struct fake *fake = *state;

	step = 0;
	(void)snprintf(rules, sizeof(rules), "%s/rules", fake->dir);
	write_rules("usb:vid=ffff,id=one\n");
	fake->on_turn = on_turn;
	assert_int_equal(
		RUN(fake, "--socket", fake->daemons[0].path, "agent", "--rules", rules),
		0);
	assert_int_equal(remove(rules), 0);
	assert_int_equal(step, 3);
	fake_expect(fake->errors, "nonsense");
}

/* Nothing runs with rules that are wrong from the start. */
static void test_wrong_rules(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(
		RUN(fake, "--socket", fake->daemons[0].path, "agent", "usb:vid=nonsense"),
		1);
	fake_expect(fake->errors, "nonsense");
	assert_int_equal(RUN(fake, "--socket", fake->daemons[0].path, "agent"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sighup_reads_the_file_again,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_wrong_rules, fake_setup,
						fake_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
