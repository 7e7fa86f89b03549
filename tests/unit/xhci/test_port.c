/* SPDX-License-Identifier: MIT
 * test_port.c - root hub ports: states, resets, link states, changes
 */
#include "port_driver.h"

#include <errno.h>
#include <string.h>

#include "xhci/controller.h"
#include "xhci/interrupter.h"
#include "xhci/port.h"

static void test_empty(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(xhci_port_count(f->xhci), 2 * FIXTURE_PORTS);
	for (unsigned i = 1; i <= 2 * FIXTURE_PORTS; i++) {
		assert_int_equal(portsc(f, i),
				 want(0, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
		assert_int_equal(read32(f, PORT(i, PORTPMSC)), 0);
		assert_int_equal(read32(f, PORT(i, PORTLI)), 0);
		assert_int_equal(read32(f, PORT(i, PORTHLPMC)), 0);
		assert_null(xhci_port_device(f->xhci, i));
	}
	fixture_start(f);
	expect_no_event(f);
	assert_null(xhci_port_device(f->xhci, 0));
	assert_null(xhci_port_device(f->xhci, 2 * FIXTURE_PORTS + 1));
}

static void test_attach_usb2(void **state)
{
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_LOW, USBDEV_SPEED_FULL,
						   USBDEV_SPEED_HIGH};
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
		struct fake_dev fake;

		fake_dev_init(&fake, f, speeds[i]);
		assert_int_equal(fake_dev_plug(&fake, f), USB2_PORT);
		assert_ptr_equal(xhci_port_device(f->xhci, USB2_PORT), &fake.dev);
		assert_int_equal(portsc(f, USB2_PORT),
				 want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC, XHCI_PLS_POLLING,
				      speeds[i]));
		assert_true(read32(f, OPER(USBSTS)) & XHCI_USBSTS_PCD);
		expect_port_event(f, USB2_PORT);
		clear_changes(f, USB2_PORT);

		fake_dev_unplug(&fake, f, USB2_PORT);
		assert_null(xhci_port_device(f->xhci, USB2_PORT));
		assert_int_equal(
			portsc(f, USB2_PORT),
			want(XHCI_PORTSC_CSC, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
		expect_port_event(f, USB2_PORT);
		clear_changes(f, USB2_PORT);
		expect_no_event(f);
	}
}

static void test_attach_usb3(void **state)
{
	static const enum usbdev_speed speeds[] = {
		USBDEV_SPEED_SUPER, USBDEV_SPEED_SUPER_PLUS, USBDEV_SPEED_SUPER_PLUS_X2};
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
		struct fake_dev fake;

		fake_dev_init(&fake, f, speeds[i]);
		assert_int_equal(fake_dev_plug(&fake, f), USB3_PORT);
		assert_int_equal(portsc(f, USB3_PORT),
				 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_CSC,
				      XHCI_PLS_U0, speeds[i]));
		/* lanes, less one */
		assert_int_equal(read32(f, PORT(USB3_PORT, PORTLI)),
				 speeds[i] == USBDEV_SPEED_SUPER_PLUS_X2 ? 0x00110000
									 : 0);
		expect_port_event(f, USB3_PORT);
		fake_dev_unplug(&fake, f, USB3_PORT);
		assert_int_equal(read32(f, PORT(USB3_PORT, PORTLI)), 0);
		assert_int_equal(
			portsc(f, USB3_PORT),
			want(XHCI_PORTSC_CSC, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
		/* CSC was set already: no event of its own */
		expect_no_event(f);
		clear_changes(f, USB3_PORT);
	}
}

/* A device plugged in before the guest's driver runs is reported when it does. */
static void test_event_waits_for_run(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fake_dev_init(&fake, f, USBDEV_SPEED_HIGH);
	port = fake_dev_plug(&fake, f);
	run_until_idle(f);
	fixture_start(f);
	expect_port_event(f, port);
	expect_no_event(f);
	fake_dev_unplug(&fake, f, port);
}

static void test_no_event_for_cleared(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fake_dev_init(&fake, f, USBDEV_SPEED_HIGH);
	port = fake_dev_plug(&fake, f);
	clear_changes(f, port);
	fixture_start(f);
	expect_no_event(f);
	fake_dev_unplug(&fake, f, port);
}

static void test_reset_usb2(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	fake_dev_init(&fake, f, USBDEV_SPEED_HIGH);
	port = fake_dev_plug(&fake, f);
	events_skip(f);
	clear_changes(f, port);

	write_portsc(f, port, XHCI_PORTSC_PR);
	assert_int_equal(fake.resets, 1);
	assert_true(portsc(f, port) & XHCI_PORTSC_PR);
	assert_false(portsc(f, port) & XHCI_PORTSC_PED);
	/* once more while it goes on: still one */
	write_portsc(f, port, XHCI_PORTSC_PR);
	assert_int_equal(fake.resets, 1);
	/* WPR is for USB 3 */
	write_portsc(f, port, XHCI_PORTSC_WPR);
	expect_no_event(f);

	fake_dev_reset_done(&fake, 0);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PRC,
			      XHCI_PLS_U0, USBDEV_SPEED_HIGH));
	expect_port_event(f, port);
	expect_no_event(f);
	fake_dev_unplug(&fake, f, port);
}

static void test_reset_usb3(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_SUPER);
	write_portsc(f, port, XHCI_PORTSC_PR);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CCS | XHCI_PORTSC_PR,
					       XHCI_PLS_HOT_RESET, USBDEV_SPEED_SUPER));
	fake_dev_reset_done(&fake, 0);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PRC,
			      XHCI_PLS_U0, USBDEV_SPEED_SUPER));
	clear_changes(f, port);

	write_portsc(f, port, XHCI_PORTSC_WPR);
	assert_int_equal(portsc(f, port) & XHCI_PORTSC_WPR, 0);
	assert_true(portsc(f, port) & XHCI_PORTSC_PR);
	fake_dev_reset_done(&fake, 0);
	assert_int_equal(fake.resets, 3);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED |
						       XHCI_PORTSC_PRC | XHCI_PORTSC_WRC,
					       XHCI_PLS_U0, USBDEV_SPEED_SUPER));
	fake_dev_unplug(&fake, f, port);
}

/* A warm reset may come on top of a hot one, not the other way round. During a reset the port
 * ignores all other writes. */
static void test_reset_upon_reset(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_SUPER);
	write_portsc(f, port, XHCI_PORTSC_PR);
	write_portsc(f, port, XHCI_PORTSC_WPR);
	write_portsc(f, port, XHCI_PORTSC_PR);
	write_portsc(f, port, XHCI_PORTSC_PED);
	write_pls(f, port, XHCI_PLS_DISABLED);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CCS | XHCI_PORTSC_PR,
					       XHCI_PLS_HOT_RESET, USBDEV_SPEED_SUPER));
	assert_int_equal(fake.resets_pending, 1);
	fake_dev_reset_done(&fake, 0);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED |
						       XHCI_PORTSC_PRC | XHCI_PORTSC_WRC,
					       XHCI_PLS_U0, USBDEV_SPEED_SUPER));
	fake_dev_unplug(&fake, f, port);
}

static void test_disable_empty(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write_portsc(f, USB3_PORT, XHCI_PORTSC_PED);
	assert_int_equal(portsc(f, USB3_PORT),
			 want(0, XHCI_PLS_DISABLED, USBDEV_SPEED_UNKNOWN));
	write_pls(f, USB3_PORT, XHCI_PLS_RX_DETECT);
	assert_int_equal(portsc(f, USB3_PORT),
			 want(0, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	expect_no_event(f);
}

static void test_reset_failed(void **state)
{
	struct fixture *f = *state;
	struct fake_dev two;
	struct fake_dev three;
	unsigned port2;
	unsigned port3;

	fixture_start(f);
	port2 = plug_enabled(&two, f, USBDEV_SPEED_FULL);
	port3 = plug_enabled(&three, f, USBDEV_SPEED_SUPER);
	write_portsc(f, port2, XHCI_PORTSC_PR);
	write_portsc(f, port3, XHCI_PORTSC_PR);
	fake_dev_reset_done(&two, -EIO);
	fake_dev_reset_done(&three, -EIO);
	assert_int_equal(portsc(f, port2), want(XHCI_PORTSC_CCS | XHCI_PORTSC_PRC,
						XHCI_PLS_POLLING, USBDEV_SPEED_FULL));
	assert_int_equal(portsc(f, port3),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PRC | XHCI_PORTSC_PLC,
			      XHCI_PLS_INACTIVE, USBDEV_SPEED_SUPER));
	fake_dev_unplug(&two, f, port2);
	fake_dev_unplug(&three, f, port3);
}

/* A reset may change the speed (full to high). */
static void test_reset_speed(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_FULL);
	write_portsc(f, port, XHCI_PORTSC_PR);
	fake.dev.speed = USBDEV_SPEED_HIGH;
	fake_dev_reset_done(&fake, 0);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PRC,
			      XHCI_PLS_U0, USBDEV_SPEED_HIGH));
	fake_dev_unplug(&fake, f, port);
}

static void test_reset_empty(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write_portsc(f, USB2_PORT, XHCI_PORTSC_PR);
	assert_int_equal(portsc(f, USB2_PORT),
			 want(XHCI_PORTSC_PRC, XHCI_PLS_RX_DETECT, USBDEV_SPEED_UNKNOWN));
	expect_port_event(f, USB2_PORT);
	write_portsc(f, USB3_PORT, XHCI_PORTSC_WPR);
	assert_int_equal(portsc(f, USB3_PORT),
			 want(XHCI_PORTSC_PRC | XHCI_PORTSC_WRC, XHCI_PLS_RX_DETECT,
			      USBDEV_SPEED_UNKNOWN));
	expect_port_event(f, USB3_PORT);
}

/* Each change bit is cleared by a 1 of its own, and by nothing else. */
static void test_changes_one_by_one(void **state)
{
	struct fixture *f = *state;
	struct xhci_port *port = &f->xhci->ports[USB3_PORT - 1];

	for (unsigned bit = 17; bit < 24; bit++) {
		port->portsc |= XHCI_PORTSC_CHANGES;
		write_portsc(f, USB3_PORT, BIT(bit));
		assert_int_equal(portsc(f, USB3_PORT) & XHCI_PORTSC_CHANGES,
				 XHCI_PORTSC_CHANGES & ~BIT(bit));
	}
	write_portsc(f, USB3_PORT, 0);
	assert_int_equal(portsc(f, USB3_PORT) & XHCI_PORTSC_CHANGES,
			 XHCI_PORTSC_CHANGES & ~BIT(23));
}

static void test_disable_usb2(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_HIGH);
	write_portsc(f, port, XHCI_PORTSC_PED);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS, XHCI_PLS_POLLING, USBDEV_SPEED_HIGH));
	expect_no_event(f);
	/* USB 2 has no Disabled link state */
	write_pls(f, port, XHCI_PLS_DISABLED);
	write_pls(f, port, XHCI_PLS_U0);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS, XHCI_PLS_POLLING, USBDEV_SPEED_HIGH));
	write_portsc(f, port, XHCI_PORTSC_PR);
	fake_dev_reset_done(&fake, 0);
	assert_true(portsc(f, port) & XHCI_PORTSC_PED);
	fake_dev_unplug(&fake, f, port);
}

/* A disabled USB 3 port sees nothing until the guest makes it look. */
static void test_disable_usb3(void **state)
{
	static const uint32_t ways[] = {
		XHCI_PORTSC_PED,
		XHCI_PORTSC_LWS | (uint32_t)XHCI_PLS_DISABLED << XHCI_PORTSC_PLS_SHIFT,
	};
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		struct fake_dev fake;
		unsigned port = plug_enabled(&fake, f, USBDEV_SPEED_SUPER);

		write_portsc(f, port, ways[i]);
		assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CSC, XHCI_PLS_DISABLED,
						       USBDEV_SPEED_UNKNOWN));
		expect_port_event(f, port);
		clear_changes(f, port);
		fake_dev_unplug(&fake, f, port);
		fake_dev_init(&fake, f, USBDEV_SPEED_SUPER);
		assert_int_equal(fake_dev_plug(&fake, f), port);
		assert_int_equal(portsc(f, port),
				 want(0, XHCI_PLS_DISABLED, USBDEV_SPEED_UNKNOWN));
		expect_no_event(f);

		write_pls(f, port, XHCI_PLS_RX_DETECT);
		assert_int_equal(portsc(f, port),
				 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_CSC,
				      XHCI_PLS_U0, USBDEV_SPEED_SUPER));
		expect_port_event(f, port);
		clear_changes(f, port);
		fake_dev_unplug(&fake, f, port);
		events_skip(f);
		assert_false(portsc(f, port) & XHCI_PORTSC_CCS);
		clear_changes(f, port);
	}
}

static void test_suspend_usb2(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_HIGH);
	/* without LWS nothing happens */
	write_portsc(f, port, (uint32_t)XHCI_PLS_U3 << XHCI_PORTSC_PLS_SHIFT);
	assert_int_equal(pls(f, port), XHCI_PLS_U0);
	write_pls(f, port, XHCI_PLS_U3);
	assert_int_equal(pls(f, port), XHCI_PLS_U3);
	assert_int_equal(fake.suspends, 1);
	write_pls(f, port, XHCI_PLS_U3);
	assert_int_equal(fake.suspends, 1);
	expect_no_event(f);

	write_pls(f, port, XHCI_PLS_RESUME);
	assert_int_equal(pls(f, port), XHCI_PLS_RESUME);
	assert_int_equal(fake.resumes, 0);
	expect_no_event(f);
	write_pls(f, port, XHCI_PLS_U0);
	assert_int_equal(fake.resumes, 1);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PLC,
			      XHCI_PLS_U0, USBDEV_SPEED_HIGH));
	expect_port_event(f, port);
	clear_changes(f, port);
	/* already there */
	write_pls(f, port, XHCI_PLS_U0);
	write_pls(f, port, XHCI_PLS_RESUME);
	assert_int_equal(pls(f, port), XHCI_PLS_U0);
	expect_no_event(f);
	assert_int_equal(fake.resumes, 1);
	fake_dev_unplug(&fake, f, port);
}

static void test_suspend_usb3(void **state)
{
	static const enum xhci_pls ignored[] = {XHCI_PLS_U1,        XHCI_PLS_U2,
						XHCI_PLS_RX_DETECT, XHCI_PLS_COMPLIANCE,
						XHCI_PLS_RESUME,    XHCI_PLS_INACTIVE};
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_SUPER);
	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++) {
		write_pls(f, port, ignored[i]);
		assert_int_equal(pls(f, port), XHCI_PLS_U0);
		expect_no_event(f);
	}
	write_pls(f, port, XHCI_PLS_U3);
	write_pls(f, port, XHCI_PLS_RESUME);
	assert_int_equal(pls(f, port), XHCI_PLS_U3);
	write_pls(f, port, XHCI_PLS_U0);
	assert_int_equal(pls(f, port), XHCI_PLS_U0);
	assert_int_equal(fake.suspends, 1);
	assert_int_equal(fake.resumes, 1);
	expect_port_event(f, port);
	fake_dev_unplug(&fake, f, port);
}

static void test_remote_wake(void **state)
{
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_LOW, USBDEV_SPEED_SUPER};
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
		struct fake_dev fake;
		unsigned port = plug_enabled(&fake, f, speeds[i]);

		usbdev_wake(&fake.dev); /* not asleep */
		expect_no_event(f);
		write_pls(f, port, XHCI_PLS_U3);
		usbdev_wake(&fake.dev);
		assert_int_equal(portsc(f, port),
				 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PLC,
				      XHCI_PLS_RESUME, speeds[i]));
		expect_port_event(f, port);
		usbdev_wake(&fake.dev);
		expect_no_event(f);
		clear_changes(f, port);
		write_pls(f, port, XHCI_PLS_U0);
		assert_int_equal(fake.resumes, 1);
		expect_port_event(f, port);
		fake_dev_unplug(&fake, f, port);
		events_skip(f);
		assert_false(portsc(f, port) & XHCI_PORTSC_CCS);
		clear_changes(f, port);
	}
}

/* A reset, a pull, and HCRST each wake a sleeping device. */
static void test_woken_by_reset(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_HIGH);
	write_pls(f, port, XHCI_PLS_U3);
	write_portsc(f, port, XHCI_PORTSC_PR);
	assert_int_equal(fake.resumes, 1);
	fake_dev_reset_done(&fake, 0);
	assert_int_equal(pls(f, port), XHCI_PLS_U0);
	write_pls(f, port, XHCI_PLS_U3);
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	assert_int_equal(fake.resumes, 2);
	fixture_start(f);
	write_portsc(f, port, XHCI_PORTSC_PR);
	fake_dev_reset_done(&fake, 0);
	write_pls(f, port, XHCI_PLS_U3);
	fake_dev_unplug(&fake, f, port);
	assert_int_equal(fake.resumes, 3);
}

static void test_hcrst(void **state)
{
	struct fixture *f = *state;
	struct fake_dev two;
	struct fake_dev three;
	unsigned port2;
	unsigned port3;

	fixture_start(f);
	port2 = plug_enabled(&two, f, USBDEV_SPEED_HIGH);
	port3 = plug_enabled(&three, f, USBDEV_SPEED_SUPER);
	write_portsc(f, port2, XHCI_PORTSC_WAKES);
	write32(f, PORT(port3, PORTPMSC), 0x1234);
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(f);
	assert_int_equal(portsc(f, port2), want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC,
						XHCI_PLS_POLLING, USBDEV_SPEED_HIGH));
	assert_int_equal(portsc(f, port3),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_CSC,
			      XHCI_PLS_U0, USBDEV_SPEED_SUPER));
	assert_int_equal(read32(f, PORT(port3, PORTPMSC)), 0);
	memset(f->low, 0, FIXTURE_MEM_BYTES);
	fixture_start(f);
	expect_port_event(f, port2);
	expect_port_event(f, port3);
	expect_no_event(f);
	fake_dev_unplug(&two, f, port2);
	fake_dev_unplug(&three, f, port3);
}

/* HCRST while the device resets: the answer comes to a port that asked for nothing;
 * and if PR has been set again meanwhile it answers that. */
static void test_hcrst_while_resetting(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fake;
	const uint32_t after = want(XHCI_PORTSC_CCS | XHCI_PORTSC_CSC, XHCI_PLS_POLLING,
				    USBDEV_SPEED_HIGH);
	unsigned port;

	fixture_start(f);
	port = plug_enabled(&fake, f, USBDEV_SPEED_HIGH);
	write_portsc(f, port, XHCI_PORTSC_PR);
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	assert_int_equal(portsc(f, port), after);
	fake_dev_reset_done(&fake, 0);
	assert_int_equal(portsc(f, port), after);

	write_portsc(f, port, XHCI_PORTSC_PR);
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	write_portsc(f, port, XHCI_PORTSC_PR);
	assert_int_equal(fake.resets_pending, 1);
	fake_dev_reset_done(&fake, 0);
	assert_int_equal(portsc(f, port), want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED |
						       XHCI_PORTSC_CSC | XHCI_PORTSC_PRC,
					       XHCI_PLS_U0, USBDEV_SPEED_HIGH));
	fake_dev_unplug(&fake, f, port);
}

static void test_power_registers(void **state)
{
	struct fixture *f = *state;

	write32(f, PORT(USB2_PORT, PORTPMSC), UINT32_MAX);
	assert_int_equal(read32(f, PORT(USB2_PORT, PORTPMSC)), 0x0000fff8);
	write32(f, PORT(USB2_PORT, PORTHLPMC), UINT32_MAX);
	assert_int_equal(read32(f, PORT(USB2_PORT, PORTHLPMC)), 0x3fff);
	write32(f, PORT(USB3_PORT, PORTPMSC), UINT32_MAX);
	assert_int_equal(read32(f, PORT(USB3_PORT, PORTPMSC)), 0x1ffff);
	write32(f, PORT(USB3_PORT, PORTHLPMC), UINT32_MAX);
	assert_int_equal(read32(f, PORT(USB3_PORT, PORTHLPMC)), 0);
	write32(f, PORT(USB3_PORT, PORTLI), UINT32_MAX);
	assert_int_equal(read32(f, PORT(USB3_PORT, PORTLI)), 0);
	write_portsc(f, USB2_PORT, XHCI_PORTSC_WAKES);
	assert_int_equal(portsc(f, USB2_PORT) & XHCI_PORTSC_WAKES, XHCI_PORTSC_WAKES);
	write_portsc(f, USB2_PORT, BIT(25));
	assert_int_equal(portsc(f, USB2_PORT) & XHCI_PORTSC_WAKES, BIT(25));
	/* PPC 0: power cannot be switched off */
	write32(f, PORT(USB2_PORT, PORTSC), 0);
	assert_true(portsc(f, USB2_PORT) & XHCI_PORTSC_PP);
}

/* Events of many ports wait for room in the ring, and none is lost. */
static void test_events_wait_for_room(void **state)
{
	struct fixture *f = *state;
	struct fake_dev fakes[2 * FIXTURE_PORTS];
	const struct xhci_trb filler = {
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP),
	};
	struct xhci_trb trb;
	unsigned seen = 0;

	fixture_start(f);
	f->events =
		event_ring_setup(f, 0, FIXTURE_FREE_IOVA, FIXTURE_FREE_IOVA + 0x1000, 16);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(xhci_event_post(f->xhci, 0, &filler, true), 0);
	for (unsigned i = 0; i < 2 * FIXTURE_PORTS; i++) {
		fake_dev_init(&fakes[i], f,
			      i < FIXTURE_PORTS ? USBDEV_SPEED_HIGH : USBDEV_SPEED_SUPER);
		(void)fake_dev_plug(&fakes[i], f);
	}
	run_until_idle(f);
	for (unsigned i = 0; i < 100 && seen < 2 * FIXTURE_PORTS; i++) {
		if (!event_next(f, &f->events, &trb))
			break;
		if (xhci_trb_type(&trb) == XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT)
			assert_int_equal(trb.parameter >> 24, ++seen);
		event_handled(f, &f->events);
	}
	assert_int_equal(seen, 2 * FIXTURE_PORTS);
	for (unsigned i = 0; i < 2 * FIXTURE_PORTS; i++)
		fake_dev_unplug(&fakes[i], f, i + 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_empty),
		T(test_attach_usb2),
		T(test_attach_usb3),
		T(test_event_waits_for_run),
		T(test_no_event_for_cleared),
		T(test_reset_usb2),
		T(test_reset_usb3),
		T(test_reset_upon_reset),
		T(test_disable_empty),
		T(test_reset_failed),
		T(test_reset_speed),
		T(test_reset_empty),
		T(test_changes_one_by_one),
		T(test_disable_usb2),
		T(test_disable_usb3),
		T(test_suspend_usb2),
		T(test_suspend_usb3),
		T(test_remote_wake),
		T(test_woken_by_reset),
		T(test_hcrst),
		T(test_hcrst_while_resetting),
		T(test_power_registers),
		T(test_events_wait_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
