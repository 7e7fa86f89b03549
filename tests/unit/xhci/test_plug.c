/* SPDX-License-Identifier: MIT
 * test_plug.c - devices into ports and out of them, and when the guest sees it
 */
#include "port_driver.h"

#include <errno.h>

#define ABSENT_NS         UINT64_C(10000000000)
#define ABSENT_CLEARED_NS UINT64_C(1000000000)
#define GIVEN_UP_NS       UINT64_C(16000000000)

/* Into the port that another device has left. */
static void plug_next(struct fake_dev *next, struct fixture *f, enum usbdev_speed speed,
		      unsigned port)
{
	fake_dev_init(next, f, speed);
	assert_int_equal(fake_dev_plug(next, f), port);
}

/* The same device comes back at once. */
static void pull_and_plug(struct fake_dev *fake, struct fixture *f, unsigned port)
{
	assert_int_equal(xhci_detach(f->xhci, port, fake_dev_released, NULL), 0);
	run_until_idle(f);
	assert_int_equal(fake_dev_plug(fake, f), port);
}

static void test_attach_refused(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fakes[FIXTURE_PORTS + 1];
	struct err err;

	for (unsigned i = 0; i <= FIXTURE_PORTS; i++)
		fake_dev_init(&fakes[i], f, USBDEV_SPEED_HIGH);
	assert_int_equal(xhci_attach(f->xhci, &fakes[0].dev, 2 * FIXTURE_PORTS + 1, &err),
			 -EINVAL);
	assert_int_equal(xhci_attach(f->xhci, &fakes[0].dev, USB3_PORT, &err), -EINVAL);
	assert_int_equal(xhci_attach(f->xhci, &fakes[0].dev, 3, NULL), 3);
	assert_int_equal(xhci_attach(f->xhci, &fakes[1].dev, 3, &err), -EBUSY);
	assert_int_equal(err.code, EBUSY);
	assert_int_equal(xhci_attach(f->xhci, &fakes[1].dev, 0, &err), 1);
	assert_int_equal(xhci_attach(f->xhci, &fakes[2].dev, 0, &err), 2);
	assert_int_equal(xhci_attach(f->xhci, &fakes[3].dev, 0, &err), 4);
	assert_int_equal(xhci_attach(f->xhci, &fakes[4].dev, 0, &err), -ENOSPC);
	fakes[4].dev.speed = USBDEV_SPEED_UNKNOWN;
	assert_int_equal(xhci_attach(f->xhci, &fakes[4].dev, 0, &err), -EINVAL);
	assert_int_equal(xhci_detach(f->xhci, 5, NULL, NULL), -ENOENT);
	assert_int_equal(xhci_detach(f->xhci, 0, NULL, NULL), -ENOENT);
	assert_int_equal(xhci_detach(f->xhci, 99, NULL, NULL), -ENOENT);
	fake_dev_unplug(&fakes[0], f, 3);
	assert_int_equal(xhci_detach(f->xhci, 3, NULL, NULL), -ENOENT);
	fake_dev_unplug(&fakes[1], f, 1);
	fake_dev_unplug(&fakes[2], f, 2);
	fake_dev_unplug(&fakes[3], f, 4);
	usbdev_destroy(&fakes[4].dev, NULL, NULL);
}

/* Pulled during a reset: the guest sees both end at once, the owner gets the device
 * back only after its reset has been answered. */
static void test_detach_while_resetting(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_HIGH);
	write_portsc(f, port, XHCI_PORTSC_PR);
	assert_int_equal(xhci_detach(f->xhci, port, fake_dev_released, NULL), 0);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CSC | XHCI_PORTSC_PRC,
					       XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	run_until_idle(f);
	assert_false(fake.released);
	assert_false(xhci_idle(f->xhci));
	fake_dev_reset_done(&fake, 0);
	run_until_idle(f);
	assert_true(fake.released);
	assert_true(xhci_idle(f->xhci));
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CSC | XHCI_PORTSC_PRC,
					       XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	assert_null(fake.dev.events);
	usbdev_destroy(&fake.dev, NULL, NULL);
}

/* The port is free at once, for another device or the same one later. */
static void test_replug(void **state)
{
	struct fixture *f = *state;
	struct fake_dev first;
	struct fake_dev second;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&first, f, USBDEV_SPEED_HIGH);
	write_portsc(f, port, XHCI_PORTSC_PR);
	assert_int_equal(xhci_detach(f->xhci, port, fake_dev_released, NULL), 0);
	plug_next(&second, f, USBDEV_SPEED_FULL, port);
	advance_ns(f, ABSENT_NS);
	write_portsc(f, port, XHCI_PORTSC_PR);
	/* the old device's answer means nothing to the new one */
	fake_dev_reset_done(&first, 0);
	run_until_idle(f);
	assert_true(first.released);
	assert_int_equal(portsc(f, port) & (XHCI_PORTSC_PED | XHCI_PORTSC_PR),
			 XHCI_PORTSC_PR);

	first.released = false;
	assert_int_equal(xhci_attach(f->xhci, &first.dev, 2, NULL), 2);
	fake_dev_unplug(&first, f, 2);
	fake_dev_unplug(&second, f, port);
}

static void on_gone(void *ctx, unsigned port)
{
	*(unsigned *)ctx = port;
}

static void test_gone(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned told = 0;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_HIGH);
	usbdev_gone(&fake.dev); /* no owner has asked */
	xhci_on_gone(f->xhci, on_gone, &told);
	usbdev_gone(&fake.dev);
	assert_int_equal(told, port);
	/* the port shows it when the owner pulls it out */
	assert_true(portsc(f, port) & XHCI_PORTSC_CCS);
	fake_dev_unplug(&fake, f, port);
}

static void reset_after(struct fake_dev *fake, struct fixture *f, unsigned port,
			uint64_t ns)
{
	write_portsc(f, port, XHCI_PORTSC_PR);
	expect_no_event(f);
	advance_ns(f, ns / 2);
	/* it tries again; the reset is the same */
	write_portsc(f, port, XHCI_PORTSC_PR);
	advance_ns(f, ns - ns / 2);
	fake_dev_reset_done(fake, 0);
	expect_port_event(f, port);
}

/* A reset that took too long: the guest looks at the port only for a new connection. */
static void test_given_up(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned usb3 = 0; usb3 < 2; usb3++) {
		enum usbdev_speed speed = usb3 ? USBDEV_SPEED_SUPER : USBDEV_SPEED_HIGH;
		struct fake_dev fake;
		unsigned port = plug_enabled(&fake, f, speed);

		reset_after(&fake, f, port, GIVEN_UP_NS - 1);
		assert_int_equal(portsc(f, port),
				 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PRC,
				      XHCI_PLS_U0, speed));
		clear_changes(f, port);
		reset_after(&fake, f, port, GIVEN_UP_NS);
		assert_int_equal(portsc(f, port),
				 want(XHCI_PORTSC_CSC | XHCI_PORTSC_PRC,
				      XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
		clear_changes(f, port);
		expect_port_event(f, port);
		assert_int_equal(portsc(f, port),
				 want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC |
					      (usb3 ? XHCI_PORTSC_PED : 0),
				      usb3 ? XHCI_PLS_U0 : XHCI_PLS_POLLING, speed));
		assert_int_equal(fake.resets_pending, 0);
		fake_dev_unplug(&fake, f, port);
		clear_changes(f, port);
		events_skip(f);
	}
}

/* A guest in the midst of a reset does not see the empty port: its predecessor's absence
 * outlasts that. */
static void test_absent_for_long(void **state)
{
	struct fixture *f = *state;
	struct fake_dev first;
	struct fake_dev second;
	const uint32_t empty = want(XHCI_PORTSC_CSC | XHCI_PORTSC_PRC, XHCI_PLS_RX_DETECT,
				    USBDEV_SPEED_UNKNOWN);
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&first, f, USBDEV_SPEED_HIGH);
	write_portsc(f, port, XHCI_PORTSC_PR);
	fake_dev_unplug(&first, f, port);
	expect_port_event(f, port);
	advance_ns(f, 1);
	plug_next(&second, f, USBDEV_SPEED_HIGH, port);
	advance_ns(f, ABSENT_NS - 2);
	assert_int_equal(portsc(f, port), empty);
	/* an empty port is reset at once */
	write_portsc(f, port, XHCI_PORTSC_PR | XHCI_PORTSC_PRC);
	assert_int_equal(portsc(f, port), empty);
	assert_int_equal(second.resets_pending, 0);
	events_skip(f);
	advance_ns(f, 1);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC | XHCI_PORTSC_PRC,
			      XHCI_PLS_POLLING, USBDEV_SPEED_HIGH));
	fake_dev_unplug(&second, f, port);
}

/* A guest that was just about to clear CSC, of an earlier change. */
static void test_absence_cleared_unseen(void **state)
{
	struct fixture *f = *state;
	struct fake_dev first;
	struct fake_dev second;
	unsigned port;

	fixture_start(f);
	for (unsigned plugged_first = 0; plugged_first < 2; plugged_first++) {
		port = plug_enabled(&first, f, USBDEV_SPEED_HIGH);
		fake_dev_unplug(&first, f, port);
		events_skip(f);
		fake_dev_init(&second, f, USBDEV_SPEED_HIGH);
		if (plugged_first)
			assert_int_equal(fake_dev_plug(&second, f), port);
		write_portsc(f, port, XHCI_PORTSC_CSC);
		if (!plugged_first)
			assert_int_equal(fake_dev_plug(&second, f), port);
		advance_ns(f, ABSENT_CLEARED_NS - 1);
		expect_no_event(f);
		advance_ns(f, 1);
		expect_port_event(f, port);
		assert_int_equal(portsc(f, port),
				 want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC, XHCI_PLS_POLLING,
				      USBDEV_SPEED_HIGH));
		fake_dev_unplug(&second, f, port);
		assert_false(portsc(f, port) & XHCI_PORTSC_CCS);
		clear_changes(f, port);
		events_skip(f);
	}
	/* but not later than without that */
	port = plug_enabled(&first, f, USBDEV_SPEED_HIGH);
	fake_dev_unplug(&first, f, port);
	plug_next(&second, f, USBDEV_SPEED_HIGH, port);
	advance_ns(f, ABSENT_NS - 1);
	write_portsc(f, port, XHCI_PORTSC_CSC);
	advance_ns(f, 1);
	assert_true(portsc(f, port) & XHCI_PORTSC_CCS);
	fake_dev_unplug(&second, f, port);
}

/* A guest has taken note when it has seen the empty port, then cleared CSC. */
static void test_absence_noted(void **state)
{
	struct fixture *f = *state;
	struct fake_dev first;
	struct fake_dev second;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&first, f, USBDEV_SPEED_SUPER);
	fake_dev_unplug(&first, f, port);
	expect_port_event(f, port);
	plug_next(&second, f, USBDEV_SPEED_SUPER, port);
	/* of an earlier change */
	write_portsc(f, port, XHCI_PORTSC_CSC);
	assert_int_equal(portsc(f, port),
			 want(0, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	write_portsc(f, port, XHCI_PORTSC_PRC);
	assert_int_equal(portsc(f, port),
			 want(0, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	expect_no_event(f);
	write_portsc(f, port, XHCI_PORTSC_CSC);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_CSC,
			      XHCI_PLS_U0, USBDEV_SPEED_SUPER));
	expect_port_event(f, port);
	expect_no_event(f);
	/* each disconnect again */
	fake_dev_unplug(&second, f, port);
	plug_next(&first, f, USBDEV_SPEED_SUPER, port);
	clear_changes(f, port);
	assert_int_equal(portsc(f, port),
			 want(0, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	fake_dev_unplug(&first, f, port);
}

/* What was noted before the next device comes need not be noted again. */
static void test_absence_noted_before(void **state)
{
	struct fixture *f = *state;
	struct fake_dev first;
	struct fake_dev second;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&first, f, USBDEV_SPEED_HIGH);
	fake_dev_unplug(&first, f, port);
	assert_true(portsc(f, port) & XHCI_PORTSC_CSC);
	clear_changes(f, port);
	assert_int_equal(portsc(f, port),
			 want(0, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	plug_next(&second, f, USBDEV_SPEED_HIGH, port);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC,
					       XHCI_PLS_POLLING, USBDEV_SPEED_HIGH));
	fake_dev_unplug(&second, f, port);
}

/* Pulled again before it came into sight: nothing has happened, and the second runs on. */
static void test_absent_and_pulled(void **state)
{
	struct fixture *f = *state;
	struct fake_dev first;
	struct fake_dev second;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&first, f, USBDEV_SPEED_HIGH);
	fake_dev_unplug(&first, f, port);
	events_skip(f);
	plug_next(&second, f, USBDEV_SPEED_HIGH, port);
	assert_int_equal(xhci_detach(f->xhci, port, fake_dev_released, NULL), 0);
	run_until_idle(f);
	assert_true(second.released);
	advance_ns(f, ABSENT_NS - 1);
	assert_int_equal(xhci_attach(f->xhci, &second.dev, port, NULL), port);
	assert_false(portsc(f, port) & XHCI_PORTSC_CCS);
	expect_no_event(f);
	advance_ns(f, 1);
	assert_true(portsc(f, port) & XHCI_PORTSC_CCS);
	fake_dev_unplug(&second, f, port);
}

/* A port hides no device while no driver is at work, nor after a reset of the controller. */
static void test_absent_from_nobody(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fake_dev_init(&fake, f, USBDEV_SPEED_HIGH);
	port = fake_dev_plug(&fake, f);
	pull_and_plug(&fake, f, port);
	assert_true(portsc(f, port) & XHCI_PORTSC_CCS);

	fixture_start(f);
	pull_and_plug(&fake, f, port);
	assert_false(portsc(f, port) & XHCI_PORTSC_CCS);
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(f);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC,
					       XHCI_PLS_POLLING, USBDEV_SPEED_HIGH));
	/* and a device that is shown stays as it is */
	write_portsc(f, port, XHCI_PORTSC_PR);
	fake_dev_reset_done(&fake, 0);
	advance_ns(f, ABSENT_NS);
	assert_true(portsc(f, port) & XHCI_PORTSC_PED);
	fake_dev_unplug(&fake, f, port);
}

/* A USB 3 port that the guest has disabled meanwhile looks for a device when it says so. */
static void test_absent_and_disabled(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_SUPER);
	pull_and_plug(&fake, f, port);
	write_pls(f, port, XHCI_PLS_DISABLED);
	advance_ns(f, ABSENT_NS);
	assert_int_equal(pls(f, port), XHCI_PLS_DISABLED);
	clear_changes(f, port);
	assert_int_equal(portsc(f, port),
			 want(0, XHCI_PLS_DISABLED, USBDEV_SPEED_UNKNOWN));
	write_pls(f, port, XHCI_PLS_RX_DETECT);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_CSC,
			      XHCI_PLS_U0, USBDEV_SPEED_SUPER));
	fake_dev_unplug(&fake, f, port);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_attach_refused),
		T(test_detach_while_resetting),
		T(test_replug),
		T(test_gone),
		T(test_given_up),
		T(test_absent_for_long),
		T(test_absence_cleared_unseen),
		T(test_absence_noted),
		T(test_absence_noted_before),
		T(test_absent_and_pulled),
		T(test_absent_from_nobody),
		T(test_absent_and_disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
