/* SPDX-License-Identifier: MIT
 * test_spin.c - who is polled for and who is not
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/spin.h"

#define SHORT_NS (SPIN_MAX_NS / 4)
#define LONG_NS  (SPIN_MAX_NS * 5)

/* @messages per burst, then a pause. Return: pauses that would be polled through. */
static unsigned pauses_polled(unsigned messages, unsigned bursts)
{
	struct spin spin = {0};
	unsigned polled = 0;

	for (unsigned b = 0; b < bursts; b++) {
		for (unsigned m = 1; m < messages; m++)
			spin_learn(&spin, SHORT_NS);
		polled += spin_is_worth(&spin);
		spin_learn(&spin, LONG_NS);
	}
	return polled;
}

static void not_before_anything_is_known(void **state)
{
	struct spin spin = {0};

	(void)state;
	assert_false(spin_is_worth(&spin));
	spin_learn(&spin, LONG_NS);
	assert_false(spin_is_worth(&spin));
}

static void a_stream_is_polled_for(void **state)
{
	struct spin spin = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		spin_learn(&spin, SHORT_NS);
	assert_true(spin_is_worth(&spin));
	/* one pause does not end it, two do */
	spin_learn(&spin, LONG_NS);
	assert_true(spin_is_worth(&spin));
	spin_learn(&spin, LONG_NS);
	assert_false(spin_is_worth(&spin));
}

static void neither_idle_nor_a_mouse_is_polled_for(void **state)
{
	(void)state;
	assert_int_equal(pauses_polled(1, 1000), 0);
	assert_int_equal(pauses_polled(6, 1000), 0);
}

/* Whatever the pattern: for each poll in vain eight gaps were short. */
static void polling_in_vain_is_bounded(void **state)
{
	(void)state;
	for (unsigned period = 2; period < 60; period++) {
		for (unsigned run = 1; run < period; run++) {
			struct spin spin = {0};
			unsigned in_vain = 0;
			unsigned paid = 0;

			for (unsigned n = 0; n < 1000; n++) {
				bool is_long = n % period >= run;

				in_vain += is_long && spin_is_worth(&spin);
				paid += !is_long;
				spin_learn(&spin, is_long ? LONG_NS : SHORT_NS);
			}
			assert_true(in_vain * 8 <= paid);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_before_anything_is_known),
		cmocka_unit_test(a_stream_is_polled_for),
		cmocka_unit_test(neither_idle_nor_a_mouse_is_polled_for),
		cmocka_unit_test(polling_in_vain_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
