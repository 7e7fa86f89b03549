/* SPDX-License-Identifier: MIT
 * test_protocol.c - words and numbers of the control protocol
 */
#include "controlled.h"

#include <errno.h>

/* Each name leads back to its value, and is used once. */
static void names_lead_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONTROL_VERBS; i++)
		assert_int_equal(control_verb_find(control_verb_name(i)), i);
	for (unsigned i = 0; i < CONTROL_CODES; i++)
		assert_int_equal(control_code_find(control_code_name(i)), i);
	for (unsigned i = 0; i < CONTROL_EVENTS; i++)
		assert_int_equal(control_event_find(control_event_name(i)), i);
}

static void unknown_names(void **state)
{
	(void)state;
	assert_int_equal(control_verb_find("Attach"), -ENOENT);
	assert_int_equal(control_verb_find(""), -ENOENT);
	assert_int_equal(control_code_find("bad"), -ENOENT);
	assert_int_equal(control_event_find("lost"), -ENOENT);
}

/* The bytes of the original program, where it has one. */
static void legacy_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONTROL_CODES; i++) {
		unsigned wanted = 4;

		if (i == CONTROL_CODE_NO_FREE_PORT)
			wanted = 2;
		if (i == CONTROL_CODE_SPEED_UNKNOWN)
			wanted = 3;
		if (i == CONTROL_CODE_NO_SUCH_DEVICE)
			wanted = 5;
		assert_int_equal(control_code_legacy(i), wanted);
	}
}

static void codes_of_errno(void **state)
{
	(void)state;
	assert_int_equal(control_code_of_errno(-EBUSY), CONTROL_CODE_BUSY);
	assert_int_equal(control_code_of_errno(-ENODEV), CONTROL_CODE_NO_SUCH_DEVICE);
	assert_int_equal(control_code_of_errno(-ENOSPC), CONTROL_CODE_NO_FREE_PORT);
	assert_int_equal(control_code_of_errno(-EACCES), CONTROL_CODE_CANNOT_OPEN);
	assert_int_equal(control_code_of_errno(-ENOTTY), CONTROL_CODE_CANNOT_OPEN);
	assert_int_equal(control_code_of_errno(-ENOMEM), CONTROL_CODE_INTERNAL);
	assert_int_equal(control_code_of_errno(0), CONTROL_CODE_INTERNAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_back),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(legacy_bytes),
		cmocka_unit_test(codes_of_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
