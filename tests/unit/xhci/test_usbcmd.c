/* SPDX-License-Identifier: MIT
 * test_usbcmd.c - run and halt, HCRST, save and restore
 */
#include "fixture.h"

#include "xhci/command.h"
#include "xhci/controller.h"

static bool can_restore(struct fixture *f)
{
	bool failed;

	write32(f, OPER(USBCMD), XHCI_USBCMD_CRS);
	failed = read32(f, OPER(USBSTS)) & XHCI_USBSTS_SRE;
	write32(f, OPER(USBSTS), XHCI_USBSTS_SRE);
	return !failed;
}

/* Bits that do not exist read 0; CSS and CRS are over at once; a restore that has
 * nothing to restore says so. */
static void test_usbcmd(void **state)
{
	struct fixture *f = *state;

	write32(f, OPER(USBCMD),
		~(XHCI_USBCMD_RS | XHCI_USBCMD_HCRST | XHCI_USBCMD_CSS |
		  XHCI_USBCMD_CRS));
	assert_int_equal(read32(f, OPER(USBCMD)),
			 XHCI_USBCMD_INTE | XHCI_USBCMD_HSEE | XHCI_USBCMD_EWE);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_HCH);
	write32(f, OPER(USBCMD), XHCI_USBCMD_CRS);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_HCH | XHCI_USBSTS_SRE);
	write32(f, OPER(USBSTS), XHCI_USBSTS_SRE);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_HCH);
}

/* A controller that was reset in between has lost all, one that has run is elsewhere. */
static void test_save_and_restore(void **state)
{
	struct fixture *f = *state;

	write32(f, OPER(USBCMD), XHCI_USBCMD_CSS);
	assert_int_equal(read32(f, OPER(USBCMD)), 0);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_HCH);
	assert_true(can_restore(f));
	assert_true(can_restore(f));
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	assert_false(can_restore(f));

	write32(f, OPER(USBCMD), XHCI_USBCMD_CSS);
	xhci_reset(f->xhci);
	assert_false(can_restore(f));

	write32(f, OPER(USBCMD), XHCI_USBCMD_CSS);
	fixture_start(f);
	/* not while it runs */
	write32(f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_CRS | XHCI_USBCMD_CSS);
	assert_int_equal(read32(f, OPER(USBSTS)) & XHCI_USBSTS_SRE, 0);
	write32(f, OPER(USBCMD), 0);
	run_until_idle(f);
	assert_false(can_restore(f));
}

static void test_run_stop(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	assert_int_equal(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HCH, 0);
	assert_int_equal(read32(f, OPER(USBCMD)), XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	write32(f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(f);
	assert_int_equal(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HCH, XHCI_USBSTS_HCH);
	assert_int_equal(read32(f, OPER(USBCMD)), XHCI_USBCMD_INTE);
}

static void test_hcrst(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, OPER(DNCTRL), 2);
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST | XHCI_USBCMD_RS);
	run_until_idle(f);
	assert_int_equal(read32(f, OPER(USBCMD)), 0);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_HCH);
	assert_int_equal(read32(f, OPER(DNCTRL)), 0);
	assert_int_equal(read32(f, OPER(CONFIG)), 0);
	assert_int_equal(xhci_mmio_read(f->xhci, OPER(DCBAAP_LO), 8), 0);
	assert_int_equal(f->xhci->commands->ring.dequeue_iova, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_usbcmd),
		T(test_save_and_restore),
		T(test_run_stop),
		T(test_hcrst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
