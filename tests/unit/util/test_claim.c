/* SPDX-License-Identifier: MIT
 * test_claim.c - tests of src/util/claim.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "util/claim.h"

static char holder[CLAIM_USER_BYTES];

static struct claim *take(const struct stat *st, bool shared)
{
	struct claim *claim = NULL;

	assert_int_equal(claim_take(st, shared, "somebody", &claim, holder), 0);
	assert_non_null(claim);
	return claim;
}

static void refuse(const struct stat *st, bool shared)
{
	struct claim *claim = NULL;

	holder[0] = '\0';
	assert_int_equal(claim_take(st, shared, "a latecomer", &claim, holder), -EBUSY);
	assert_null(claim);
	assert_string_equal(holder, "somebody");
}

static void test_one_or_several(void **state)
{
	const struct stat st = {.st_mode = S_IFREG, .st_dev = 3, .st_ino = 7};
	struct claim *a, *b;

	(void)state;
	a = take(&st, false);
	refuse(&st, false);
	refuse(&st, true);
	claim_drop(a);
	a = take(&st, true);
	b = take(&st, true);
	refuse(&st, false);
	claim_drop(a);
	refuse(&st, false);
	claim_drop(b);
	a = take(&st, false);
	claim_drop(a);
	claim_drop(NULL);
}

static void test_what_is_the_same(void **state)
{
	const struct stat st = {.st_mode = S_IFREG, .st_dev = 3, .st_ino = 7};
	const struct stat inode = {.st_mode = S_IFREG, .st_dev = 3, .st_ino = 8};
	const struct stat device = {.st_mode = S_IFREG, .st_dev = 4, .st_ino = 7};
	/* nodes of one disk in two places */
	const struct stat disk = {
		.st_mode = S_IFBLK, .st_dev = 3, .st_ino = 7, .st_rdev = 9};
	const struct stat same_disk = {
		.st_mode = S_IFBLK, .st_dev = 5, .st_ino = 70, .st_rdev = 9};
	struct claim *claims[4];

	(void)state;
	claims[0] = take(&st, false);
	claims[1] = take(&inode, false);
	claims[2] = take(&device, false);
	claims[3] = take(&disk, false);
	refuse(&same_disk, false);
	for (unsigned i = 0; i < 4; i++)
		claim_drop(claims[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_or_several),
		cmocka_unit_test(test_what_is_the_same),
	};

	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
