/* SPDX-License-Identifier: MIT
 * test_interrupter.c - when an event becomes an interrupt
 */
#include "fixture.h"

#include <string.h>

#include "xhci/controller.h"
#include "xhci/interrupter.h"

#define ERST1 FIXTURE_FREE_IOVA
#define RING1 (FIXTURE_FREE_IOVA + 0x1000)
#define MS_NS UINT64_C(1000000)

static void post_block(struct fixture *f, unsigned interrupter, bool block)
{
	const struct xhci_trb event = {
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_TRANSFER_EVENT),
	};

	assert_int_equal(xhci_event_post(f->xhci, interrupter, &event, block), 0);
	xhci_kick(f->xhci);
	run_until_idle(f);
}

static void post(struct fixture *f, unsigned interrupter)
{
	post_block(f, interrupter, false);
}

static bool ip(struct fixture *f, unsigned interrupter)
{
	return (read32(f, INTR(interrupter, IMAN)) & XHCI_IMAN_IP) != 0;
}

static bool ehb(struct fixture *f, unsigned interrupter)
{
	return (read32(f, INTR(interrupter, ERDP_LO)) & XHCI_ERDP_EHB) != 0;
}

static bool eint(struct fixture *f)
{
	return (read32(f, OPER(USBSTS)) & XHCI_USBSTS_EINT) != 0;
}

/* Reads @count events, then writes ERDP with EHB. */
static void handle(struct fixture *f, struct event_reader *reader, unsigned count)
{
	struct xhci_trb trb;

	for (unsigned i = 0; i < count; i++)
		assert_true(event_next(f, reader, &trb));
	event_handled(f, reader);
}

static void test_reset_values(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
		assert_int_equal(read32(f, INTR(i, IMAN)), 0);
		assert_int_equal(read32(f, INTR(i, IMOD)), XHCI_IMOD_DEFAULT);
		assert_int_equal(read32(f, INTR(i, ERSTSZ)), 0);
		assert_int_equal(read32(f, INTR(i, ERSTBA_LO)), 0);
		assert_int_equal(read32(f, INTR(i, ERDP_LO)), 0);
	}
}

static void test_registers(void **state)
{
	struct fixture *f = *state;

	write32(f, INTR(3, ERSTSZ), 0xffff0002);
	assert_int_equal(read32(f, INTR(3, ERSTSZ)), 2);
	write64(f, INTR(3, ERSTBA_LO), UINT64_C(0x123456789abcdeff));
	assert_int_equal(read32(f, INTR(3, ERSTBA_LO)), 0x9abcdec0);
	assert_int_equal(read32(f, INTR(3, ERSTBA_HI)), 0x12345678);
	write64(f, INTR(3, ERDP_LO), UINT64_C(0x123456789abcdef5));
	assert_int_equal(read32(f, INTR(3, ERDP_LO)), 0x9abcdef5);
	assert_int_equal(read32(f, INTR(3, ERDP_HI)), 0x12345678);
	write32(f, INTR(3, IMAN), UINT32_MAX);
	assert_int_equal(read32(f, INTR(3, IMAN)), XHCI_IMAN_IE);
	assert_int_equal(read32(f, XHCI_OFF_INTR + 3 * XHCI_INTR_STRIDE + 0x0c), 0);
	assert_int_equal(read32(f, INTR(2, ERSTBA_LO)), 0);
	assert_int_equal(read32(f, INTR(4, ERSTBA_LO)), 0);
}

/* One event, one interrupt. The message clears IP by itself; EHB and EINT stay. */
static void test_interrupt(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	assert_int_equal(f->interrupts[0], 0);
	post(f, 0);
	assert_int_equal(f->interrupts[0], 1);
	assert_false(ip(f, 0));
	assert_true(ehb(f, 0));
	assert_true(eint(f));

	write32(f, OPER(USBSTS), XHCI_USBSTS_EINT);
	assert_false(eint(f));
	handle(f, &f->events, 1);
	assert_false(ehb(f, 0));
	assert_false(eint(f));
	assert_int_equal(f->interrupts[0], 1);
	post(f, 0);
	assert_int_equal(f->interrupts[0], 2);
}

/* While the handler is at work more events cause no interrupt. */
static void test_ehb(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < 5; i++)
		post(f, 0);
	assert_int_equal(f->interrupts[0], 1);
	/* it has read them all */
	handle(f, &f->events, 5);
	assert_int_equal(f->interrupts[0], 1);
	assert_int_equal(f->wake_at_ns, 0);

	for (unsigned i = 0; i < 5; i++)
		post(f, 0);
	assert_int_equal(f->interrupts[0], 2);
	/* it has left one: fires again */
	handle(f, &f->events, 4);
	assert_int_equal(f->interrupts[0], 3);
	handle(f, &f->events, 1);
	assert_int_equal(f->interrupts[0], 3);
}

/* ERDP without EHB moves the pointer only. */
static void test_erdp_without_ehb(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	post(f, 0);
	post(f, 0);
	write64(f, INTR(0, ERDP_LO), FIXTURE_EVENTS_IOVA + 16);
	run_until_idle(f);
	assert_true(ehb(f, 0));
	assert_int_equal(f->interrupts[0], 1);
}

static void test_disabled(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, INTR(0, IMAN), 0);
	post(f, 0);
	assert_int_equal(f->interrupts[0], 0);
	assert_true(ip(f, 0));
	assert_true(eint(f));
	/* IE set, IP written as 0: not cleared */
	write32(f, INTR(0, IMAN), XHCI_IMAN_IE);
	run_until_idle(f);
	assert_int_equal(f->interrupts[0], 1);
	assert_false(ip(f, 0));
}

static void test_ip_write_one_to_clear(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, INTR(0, IMAN), 0);
	post(f, 0);
	assert_true(ip(f, 0));
	write32(f, INTR(0, IMAN), XHCI_IMAN_IP | XHCI_IMAN_IE);
	run_until_idle(f);
	assert_false(ip(f, 0));
	assert_int_equal(f->interrupts[0], 0);
}

static void test_inte(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, OPER(USBCMD), XHCI_USBCMD_RS);
	post(f, 0);
	assert_int_equal(f->interrupts[0], 0);
	assert_true(ip(f, 0));
	write32(f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	run_until_idle(f);
	assert_int_equal(f->interrupts[0], 1);
}

/* IMODI 4000: at least a millisecond between interrupts. */
static void test_moderation(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, INTR(0, IMOD), 4000);
	post(f, 0);
	assert_int_equal(f->interrupts[0], 1);
	assert_int_equal(read32(f, INTR(0, IMOD)), 4000u << 16 | 4000);
	handle(f, &f->events, 1);

	post(f, 0);
	assert_int_equal(f->interrupts[0], 1);
	assert_false(ehb(f, 0));
	assert_int_equal(f->wake_at_ns, f->now_ns + MS_NS);
	advance_ns(f, MS_NS / 2);
	assert_int_equal(read32(f, INTR(0, IMOD)), 2000u << 16 | 4000);
	assert_int_equal(f->interrupts[0], 1);
	advance_ns(f, MS_NS / 2 - 1);
	assert_int_equal(f->interrupts[0], 1);
	advance_ns(f, 1);
	assert_int_equal(f->interrupts[0], 2);
	assert_int_equal(f->wake_at_ns, 0);

	/* and none at all once the time has passed without an event */
	handle(f, &f->events, 1);
	advance_ns(f, 10 * MS_NS);
	assert_int_equal(f->interrupts[0], 2);
	post(f, 0);
	assert_int_equal(f->interrupts[0], 3);
}

/* The guest reads the event by polling before the interrupt is due. */
static void test_polled_meanwhile(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, INTR(0, IMOD), 4000);
	post(f, 0);
	handle(f, &f->events, 1);
	post(f, 0);
	assert_int_not_equal(f->wake_at_ns, 0);
	handle(f, &f->events, 1);
	assert_int_equal(f->wake_at_ns, 0);
	advance_ns(f, 2 * MS_NS);
	assert_int_equal(f->interrupts[0], 1);
}

static void test_imodc_write(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, INTR(0, IMOD), 8000u << 16);
	post(f, 0);
	assert_int_equal(f->interrupts[0], 0);
	assert_int_equal(f->wake_at_ns, f->now_ns + 2 * MS_NS);
	write32(f, INTR(0, IMOD), 0);
	run_until_idle(f);
	assert_int_equal(f->interrupts[0], 1);
}

/* BEI: no interrupt, but the next event without it brings the guest to both. */
static void test_block(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	post_block(f, 0, true);
	assert_int_equal(f->interrupts[0], 0);
	assert_false(ehb(f, 0));
	assert_false(eint(f));
	post_block(f, 0, false);
	assert_int_equal(f->interrupts[0], 1);
	handle(f, &f->events, 2);
	assert_int_equal(f->interrupts[0], 1);
}

static void test_two_interrupters(void **state)
{
	struct fixture *f = *state;
	struct event_reader reader;

	fixture_start(f);
	reader = event_ring_setup(f, 5, ERST1, RING1, 32);
	post(f, 5);
	assert_int_equal(f->interrupts[5], 1);
	assert_int_equal(f->interrupts[0], 0);
	assert_true(ehb(f, 5));
	assert_false(ehb(f, 0));
	post(f, 0);
	assert_int_equal(f->interrupts[0], 1);
	assert_int_equal(f->interrupts[5], 1);
	handle(f, &reader, 1);
	assert_false(ehb(f, 5));
	assert_true(ehb(f, 0));
}

/* Event Ring Full Error raises an interrupt, too. */
static void test_full_interrupts(void **state)
{
	struct fixture *f = *state;
	const struct xhci_trb event = {0};

	fixture_start(f);
	(void)event_ring_setup(f, 1, ERST1, RING1, 16);
	for (unsigned i = 0; i < 14; i++)
		post_block(f, 1, true);
	assert_int_equal(f->interrupts[1], 0);
	assert_true(xhci_event_post(f->xhci, 1, &event, true) < 0);
	xhci_kick(f->xhci);
	run_until_idle(f);
	assert_int_equal(f->interrupts[1], 1);
}

static void test_replay(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	xhci_replay_interrupts(f->xhci);
	assert_int_equal(f->interrupts[0], 0);
	assert_false(eint(f));

	/* sent, but the guest has not answered it */
	post(f, 0);
	write32(f, OPER(USBSTS), XHCI_USBSTS_EINT);
	xhci_replay_interrupts(f->xhci);
	assert_int_equal(f->interrupts[0], 2);
	assert_true(eint(f));

	/* none for interrupters without IE */
	write32(f, INTR(0, IMAN), 0);
	xhci_replay_interrupts(f->xhci);
	write32(f, INTR(0, IMAN), XHCI_IMAN_IE);
	write32(f, OPER(USBCMD), XHCI_USBCMD_RS);
	xhci_replay_interrupts(f->xhci);
	assert_int_equal(f->interrupts[0], 2);
}

/* A message is a memory write: without bus mastering it waits, and asks for no wake-up. */
static void test_bus_master(void **state)
{
	struct fixture *f = *state;

	const struct xhci_trb event = {
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_TRANSFER_EVENT),
	};

	fixture_start(f);
	assert_int_equal(xhci_event_post(f->xhci, 0, &event, false), 0);
	xhci_set_bus_master(f->xhci, false);
	run_until_idle(f);
	assert_int_equal(f->interrupts[0], 0);
	assert_int_equal(f->wake_at_ns, 0);
	xhci_set_bus_master(f->xhci, true);
	run_until_idle(f);
	assert_int_equal(f->interrupts[0], 1);
	xhci_set_bus_master(f->xhci, false);
	xhci_replay_interrupts(f->xhci);
	assert_int_equal(f->interrupts[0], 1);
}

static void test_hcrst(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	write32(f, INTR(0, IMOD), 4000);
	post(f, 0);
	handle(f, &f->events, 1);
	post(f, 0);
	assert_int_not_equal(f->wake_at_ns, 0);
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	advance_ns(f, 10 * MS_NS);
	assert_int_equal(f->wake_at_ns, 0);
	assert_int_equal(f->interrupts[0], 1);
	test_reset_values(state);
}

/* A driver that wakes up writes the registers of its ring again. */
static void sleep_and_wake(struct fixture *f, uint64_t erst_iova, bool restore)
{
	uint64_t erdp = xhci_mmio_read(f->xhci, INTR(0, ERDP_LO), 8);

	write32(f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(f);
	write32(f, OPER(USBCMD), XHCI_USBCMD_CSS);
	write32(f, INTR(0, ERSTSZ), 1);
	write64(f, INTR(0, ERSTBA_LO), erst_iova);
	write64(f, INTR(0, ERDP_LO), erdp);
	if (restore)
		write32(f, OPER(USBCMD), XHCI_USBCMD_CRS);
	write32(f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	run_until_idle(f);
}

static void test_restore(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < FIXTURE_EVENTS_TRBS + 3; i++) {
		post(f, 0);
		handle(f, &f->events, 1);
	}
	/* it continues where it was, in its second round */
	for (unsigned i = 0; i < 2; i++) {
		sleep_and_wake(f, FIXTURE_ERST_IOVA, true);
		post(f, 0);
		handle(f, &f->events, 1);
	}
	/* another ring starts at its start */
	guest_put_erst(f, ERST1, 0, RING1, 16);
	sleep_and_wake(f, ERST1, true);
	f->events = (struct event_reader){.ring_iova = RING1, .trbs = 16, .cycle = true};
	event_handled(f, &f->events);
	post(f, 0);
	handle(f, &f->events, 1);
	/* so does the same without a restore */
	post(f, 0);
	handle(f, &f->events, 1);
	sleep_and_wake(f, ERST1, false);
	f->events.index = 0;
	memset(guest(f, RING1), 0, 16 * XHCI_TRB_SIZE);
	event_handled(f, &f->events);
	post(f, 0);
	handle(f, &f->events, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reset_values),
		T(test_registers),
		T(test_interrupt),
		T(test_ehb),
		T(test_erdp_without_ehb),
		T(test_disabled),
		T(test_ip_write_one_to_clear),
		T(test_inte),
		T(test_moderation),
		T(test_polled_meanwhile),
		T(test_imodc_write),
		T(test_block),
		T(test_two_interrupters),
		T(test_full_interrupts),
		T(test_replay),
		T(test_bus_master),
		T(test_hcrst),
		T(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
