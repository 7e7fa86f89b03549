/* SPDX-License-Identifier: MIT
 * test_ports.c - tests of src/daemon/attach/ports.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/attach/ports.h"

#define PLACE "/devices/usb1/1-2"

static struct port_reserves reserves;

static int setup(void **state)
{
	(void)state;
	reserves = (struct port_reserves){0};
	return 0;
}

static void assert_reserved(unsigned count, const unsigned *ports)
{
	struct vm_reserved reserved = ports_reserved(&reserves);

	assert_int_equal(reserved.count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(reserved.ports[i], ports[i]);
}

/* Whatever their numbers: the first to go is the first to be given up. */
static void test_in_the_order_of_going(void **state)
{
	(void)state;
	assert_reserved(0, NULL);
	ports_reserve(&reserves, 7, "r1", PLACE ".1");
	ports_reserve(&reserves, VM_PORT_MAX, "r2", PLACE ".2");
	ports_reserve(&reserves, 2, "r1", PLACE ".3");
	assert_reserved(3, (unsigned[]){7, VM_PORT_MAX, 2});
	/* once more: it is the last now */
	ports_reserve(&reserves, 7, "r1", PLACE ".1");
	assert_reserved(3, (unsigned[]){VM_PORT_MAX, 2, 7});
}

static void test_found_by_rule_and_place(void **state)
{
	(void)state;
	ports_reserve(&reserves, 4, "r1", PLACE);
	ports_reserve(&reserves, 5, "r2", PLACE);
	assert_int_equal(ports_find(&reserves, "r1", PLACE), 4);
	assert_int_equal(ports_find(&reserves, "r2", PLACE), 5);
	assert_int_equal(ports_find(&reserves, "r3", PLACE), 0);
	assert_int_equal(ports_find(&reserves, "r1", PLACE ".4"), 0);
	ports_use(&reserves, 4);
	assert_int_equal(ports_find(&reserves, "r1", PLACE), 0);
	assert_reserved(1, (unsigned[]){5});
}

/* A device without a rule has no port to come back to here. */
static void test_without_a_rule(void **state)
{
	(void)state;
	ports_reserve(&reserves, 3, "", PLACE);
	ports_reserve(&reserves, VM_PORT_MAX + 1, "r1", PLACE);
	ports_use(&reserves, VM_PORT_MAX + 1);
	assert_reserved(0, NULL);
	assert_int_equal(ports_find(&reserves, "", PLACE), 0);
	assert_int_equal(ports_find(&reserves, "", ""), 0);
}

static void test_added_once(void **state)
{
	struct vm_reserved reserved;

	(void)state;
	ports_reserve(&reserves, 3, "r1", PLACE);
	reserved = ports_reserved(&reserves);
	ports_add(&reserved, 1);
	ports_add(&reserved, 3);
	ports_add(&reserved, 1);
	ports_add(&reserved, 0);
	assert_int_equal(reserved.count, 2);
	assert_int_equal(reserved.ports[0], 3);
	assert_int_equal(reserved.ports[1], 1);
	for (unsigned port = 1; port <= VM_PORT_MAX; port++)
		ports_add(&reserved, port);
	assert_int_equal(reserved.count, VM_PORT_MAX);
}

#define T(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_in_the_order_of_going),
		T(test_found_by_rule_and_place),
		T(test_without_a_rule),
		T(test_added_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
