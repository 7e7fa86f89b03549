/* SPDX-License-Identifier: MIT
 * test_host.c - taking a real device from the host
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host_fake.h"

static int setup(void **state)
{
	(void)state;
	fake_init();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_finish();
	return 0;
}

static void test_open(void **state)
{
	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	assert_non_null(fake.host.dev);
	assert_int_equal(fake.host.dev->speed, USBDEV_SPEED_HIGH);
	assert_string_equal(fake.host.dev->label, "1-2.3 046d:c31c Fake");
	assert_string_equal(fake.host.dev->ops->name, "host");
	assert_false(usbdev_has_streams(fake.host.dev));
}

static void test_refused(void **state)
{
	(void)state;
	fake.open_error = -EBUSY;
	fake_open(HOST_RESET_ALWAYS);
	assert_null(fake.host.dev);
	assert_int_equal(fake.open_err.code, EBUSY);
	assert_string_equal(fake.open_err.text, "fake: refused");
}

static void never(void *ctx, struct usbdev *dev, const struct err *err)
{
	(void)ctx;
	(void)dev;
	(void)err;
	fail_msg("opened");
}

static void test_no_node(void **state)
{
	struct host_options options = {.fd = -1, .name = "nothing"};
	struct err err = {0};

	(void)state;
	assert_int_equal(host_open(fake.host.loop, &options, never, NULL, &err), -EBADF);
	assert_string_equal(err.text, "nothing: bad");
}

/* The host's drivers get the device back, although the guest never had it. */
static void test_no_memory(void **state)
{
	(void)state;
	fake.urbs_fail = true;
	fake_open(HOST_RESET_ALWAYS);
	assert_null(fake.host.dev);
	assert_int_equal(fake.open_err.code, ENOMEM);
	assert_true(fake.closed_fd >= 0);
	assert_int_equal(fcntl(fake.closed_fd, F_GETFD), -1);
}

static bool destroyed;

static void on_destroyed(void *ctx)
{
	(void)ctx;
	destroyed = true;
}

static void destroy_at_once(void *ctx, struct usbdev *dev, const struct err *err)
{
	(void)ctx;
	(void)err;
	assert_non_null(dev);
	usbdev_destroy(dev, on_destroyed, NULL);
	assert_false(destroyed);
}

static void test_destroy_right_after(void **state)
{
	struct host_options options = {.name = "fake"};
	struct err err = {0};

	(void)state;
	options.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	destroyed = false;
	assert_int_equal(host_open(fake.host.loop, &options, destroy_at_once, NULL, &err),
			 0);
	FAKE_UNTIL(destroyed);
	assert_string_equal(fake.calls, "open; close; ");
	assert_int_equal(fcntl(options.fd, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_node, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy_right_after, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("opening a real device", tests, NULL, NULL);
}
