/* SPDX-License-Identifier: MIT
 * test_event_ring.c - event rings: where events go, and when they must wait
 */
#include "fixture.h"

#include <errno.h>

#include "xhci/interrupter.h"

#define ERST  FIXTURE_FREE_IOVA
#define SEG_A (FIXTURE_FREE_IOVA + 0x1000)
#define SEG_B (FIXTURE_HIGH_IOVA + 0x2000) /* above 4 GiB */
#define SEG_C (FIXTURE_FREE_IOVA + 0x3000)

/* A controller that runs, with no events of its own. */
static void start(struct fixture *f)
{
	fixture_start(f);
	expect_no_event(f);
}

/* Events are numbered by their parameter. */
static int post(struct fixture *f, unsigned interrupter, uint64_t number)
{
	const struct xhci_trb event = {
		.parameter = number,
		.status = (uint32_t)XHCI_CC_SUCCESS << 24,
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_TRANSFER_EVENT) | 0x5au << 24,
	};

	return xhci_event_post(f->xhci, interrupter, &event, false);
}

static void assert_event(struct fixture *f, uint64_t iova, uint64_t number, bool cycle)
{
	struct xhci_trb trb = guest_get_trb(f, iova);

	assert_int_equal(trb.parameter, number);
	assert_int_equal(trb.status, (uint32_t)XHCI_CC_SUCCESS << 24);
	assert_int_equal(trb.control, xhci_trb_type_bits(XHCI_TRB_TYPE_TRANSFER_EVENT) |
					      0x5au << 24 | (cycle ? XHCI_TRB_C : 0));
}

/* Interrupter 1 with @segments entries in the table at ERST. */
static void setup_segments(struct fixture *f, unsigned segments)
{
	write32(f, INTR(1, ERSTSZ), segments);
	write64(f, INTR(1, ERDP_LO), SEG_A);
	write64(f, INTR(1, ERSTBA_LO), ERST);
}

static void set_erdp(struct fixture *f, uint64_t iova)
{
	write64(f, INTR(1, ERDP_LO), iova | XHCI_ERDP_EHB);
}

static void test_first_event(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_B, 16);
	setup_segments(f, 1);
	assert_int_equal(post(f, 1, 7), 0);
	assert_int_equal(post(f, 1, 8), 0);
	assert_event(f, SEG_B, 7, true);
	assert_event(f, SEG_B + 16, 8, true);
	assert_int_equal(guest_get_trb(f, SEG_B + 32).control, 0);
}

/* The halves of the registers come in any order; the ring starts with the first event. */
static void test_setup_order(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, SEG_B, 0, SEG_C, 16);
	write32(f, INTR(1, ERSTBA_HI), (uint32_t)(SEG_B >> 32));
	write32(f, INTR(1, ERDP_HI), 0);
	write32(f, INTR(1, ERSTBA_LO), (uint32_t)SEG_B);
	write32(f, INTR(1, ERDP_LO), (uint32_t)SEG_C);
	write32(f, INTR(1, ERSTSZ), 1);
	assert_int_equal(post(f, 1, 1), 0);
	assert_event(f, SEG_C, 1, true);
}

/* Writing ERSTBA starts at the start of segment 0 with cycle 1 (4.9.4). */
static void test_restart(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 16);
	setup_segments(f, 1);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(post(f, 1, i), 0);
		set_erdp(f, SEG_A + ((i + 1) % 16) * 16);
	}
	setup_segments(f, 1);
	assert_int_equal(post(f, 1, 99), 0);
	assert_event(f, SEG_A, 99, true);
}

static void test_wrap(void **state)
{
	struct fixture *f = *state;
	const unsigned trbs = 16;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, trbs);
	setup_segments(f, 1);
	for (unsigned i = 0; i < 3 * trbs + 2; i++) {
		uint64_t iova = SEG_A + (i % trbs) * 16u;

		assert_int_equal(post(f, 1, i), 0);
		assert_event(f, iova, i, (i / trbs) % 2 == 0);
		set_erdp(f, SEG_A + ((i + 1) % trbs) * 16u);
	}
}

static void test_three_segments(void **state)
{
	struct fixture *f = *state;
	const uint64_t bases[] = {SEG_A, SEG_B, SEG_C};
	const unsigned sizes[] = {16, 20, 17};
	uint64_t number = 0;

	start(f);
	for (unsigned i = 0; i < 3; i++)
		guest_put_erst(f, ERST, i, bases[i], sizes[i]);
	setup_segments(f, 3);
	for (unsigned lap = 0; lap < 3; lap++) {
		for (unsigned s = 0; s < 3; s++) {
			for (unsigned i = 0; i < sizes[s]; i++) {
				assert_int_equal(post(f, 1, number), 0);
				assert_event(f, bases[s] + i * 16u, number, lap % 2 == 0);
				set_erdp(f, bases[s] + i * 16u);
				number++;
			}
		}
	}
}

/* Software lengthens the table, or puts another segment in, while we run. */
static void test_table_changes_live(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 16);
	guest_put_erst(f, ERST, 1, SEG_B, 16);
	setup_segments(f, 1);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(post(f, 1, i), 0);
	set_erdp(f, SEG_A + 10 * 16);
	write32(f, INTR(1, ERSTSZ), 2);
	for (unsigned i = 10; i < 17; i++)
		assert_int_equal(post(f, 1, i), 0);
	assert_event(f, SEG_A + 15 * 16, 15, true);
	assert_event(f, SEG_B, 16, true);

	set_erdp(f, SEG_B + 16);
	guest_put_erst(f, ERST, 0, SEG_C, 16);
	for (unsigned i = 17; i < 33; i++)
		assert_int_equal(post(f, 1, i), 0);
	assert_event(f, SEG_C, 32, false);
}

static void assert_full_error(struct fixture *f, uint64_t iova, bool cycle)
{
	struct xhci_trb trb = guest_get_trb(f, iova);

	assert_int_equal(xhci_trb_type(&trb), XHCI_TRB_TYPE_HOST_CONTROLLER_EVENT);
	assert_int_equal(trb.status >> 24, XHCI_CC_EVENT_RING_FULL);
	assert_int_equal(trb.control & XHCI_TRB_C, cycle ? XHCI_TRB_C : 0);
}

/* 16 TRBs: 14 events, then the error, and one TRB stays free. */
static void test_full(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 16);
	setup_segments(f, 1);
	for (unsigned i = 0; i < 14; i++)
		assert_int_equal(post(f, 1, i), 0);
	assert_int_equal(post(f, 1, 14), -ENOSPC);
	assert_full_error(f, SEG_A + 14 * 16, true);
	assert_int_equal(post(f, 1, 14), -ENOSPC);
	assert_int_equal(guest_get_trb(f, SEG_A + 15 * 16).control, 0);
	assert_event(f, SEG_A, 0, true);

	/* ERDP written, but not moved: the last TRB still stays free */
	set_erdp(f, SEG_A);
	assert_int_equal(post(f, 1, 14), -ENOSPC);
	assert_int_equal(guest_get_trb(f, SEG_A + 15 * 16).control, 0);

	/* all read: continues behind the error */
	run_until_idle(f);
	write32(f, INTR(1, ERDP_LO), (uint32_t)SEG_A + 15 * 16);
	assert_true(f->kicked);
	assert_int_equal(post(f, 1, 14), 0);
	assert_event(f, SEG_A + 15 * 16, 14, true);
}

/* A guest that frees TRBs one by one must not get an error into each. */
static void test_full_tells_once(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 16);
	setup_segments(f, 1);
	for (unsigned i = 0; i < 14; i++)
		assert_int_equal(post(f, 1, i), 0);
	assert_int_equal(post(f, 1, 14), -ENOSPC);
	set_erdp(f, SEG_A + 1 * 16);
	assert_int_equal(post(f, 1, 14), -ENOSPC);
	assert_int_equal(guest_get_trb(f, SEG_A + 15 * 16).control, 0);
	set_erdp(f, SEG_A + 2 * 16);
	assert_int_equal(post(f, 1, 14), 0);
	assert_event(f, SEG_A + 15 * 16, 14, true);
	/* full again, after an ordinary event: the error again */
	assert_int_equal(post(f, 1, 15), -ENOSPC);
	assert_full_error(f, SEG_A, false);
}

/* The low bits of ERDP, as the guest writes them, are no part of the address. */
static void test_full_ignores_desi(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 16);
	setup_segments(f, 1);
	assert_int_equal(post(f, 1, 0), 0);
	write64(f, INTR(1, ERDP_LO), SEG_A | XHCI_ERDP_EHB | 5);
	for (unsigned i = 1; i < 14; i++)
		assert_int_equal(post(f, 1, i), 0);
	assert_int_equal(post(f, 1, 14), -ENOSPC);
	assert_int_equal(read32(f, INTR(1, ERDP_LO)), (uint32_t)SEG_A | 5);
}

static void test_full_across_segments(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 16);
	guest_put_erst(f, ERST, 1, SEG_B, 16);
	setup_segments(f, 2);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(post(f, 1, i), 0);
	assert_int_equal(post(f, 1, 30), -ENOSPC);
	assert_full_error(f, SEG_B + 14 * 16, true);
	set_erdp(f, SEG_B);
	assert_int_equal(post(f, 1, 30), 0);
	assert_event(f, SEG_B + 15 * 16, 30, true);
	assert_int_equal(post(f, 1, 31), 0);
	assert_event(f, SEG_A, 31, false);
}

static void test_target(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(post(f, 1, 1), 0); /* has no ring */
	assert_int_equal(post(f, XHCI_INTERRUPTERS, 2), 0);
	assert_int_equal(post(f, 1023, 3), 0);
	for (unsigned i = 1; i <= 3; i++)
		assert_event(f, FIXTURE_EVENTS_IOVA + (i - 1) * 16, i, true);
}

static void test_no_ring(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(post(f, 0, 1), -ENOSPC);
	write32(f, INTR(0, ERSTSZ), 1);
	write32(f, INTR(0, ERSTSZ), 0);
	assert_int_equal(post(f, 0, 1), -ENOSPC);
	assert_int_equal(read32(f, OPER(USBSTS)) & (XHCI_USBSTS_HSE | XHCI_USBSTS_HCE),
			 0);
}

/* Segments of 16 to 4096 TRBs, at most 2^ERST Max of them: else HCE. */
static void test_bad_table(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 15);
	setup_segments(f, 1);
	assert_true(post(f, 1, 1) < 0);
	assert_true(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HCE);
	assert_int_equal(guest_get_trb(f, SEG_A).control, 0);
}

static void test_segment_too_long(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 4097);
	setup_segments(f, 1);
	assert_true(post(f, 1, 1) < 0);
	assert_true(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HCE);
}

static void test_table_too_long(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_A, 16);
	setup_segments(f, BIT(XHCI_ERST_MAX_LOG2));
	assert_int_equal(post(f, 1, 1), 0);
	setup_segments(f, BIT(XHCI_ERST_MAX_LOG2) + 1);
	assert_true(post(f, 1, 1) < 0);
	assert_true(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HCE);
}

static void test_table_outside_memory(void **state)
{
	struct fixture *f = *state;

	start(f);
	setup_segments(f, 1);
	write64(f, INTR(1, ERSTBA_LO), FIXTURE_NO_IOVA);
	assert_int_equal(post(f, 1, 1), -EFAULT);
	assert_true(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
}

static void test_segment_outside_memory(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_put_erst(f, ERST, 0, UINT64_C(0xffffffffffffffc0), 16);
	setup_segments(f, 1);
	assert_int_equal(post(f, 1, 1), -EFAULT);
	assert_true(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
}

/* Memory that is away for a moment: the same event goes to the same place later. */
static void test_memory_away(void **state)
{
	struct fixture *f = *state;
	const unsigned prot = GUEST_MEM_READ | GUEST_MEM_WRITE;

	start(f);
	guest_put_erst(f, ERST, 0, SEG_B, 16);
	setup_segments(f, 1);
	assert_int_equal(post(f, 1, 1), 0);
	assert_int_equal(
		guest_mem_unmap(f->mem, FIXTURE_HIGH_IOVA, FIXTURE_MEM_BYTES, NULL), 0);
	f->now_ns = guest_mem_last_change_ns(f->mem) + 1000;
	assert_int_equal(post(f, 1, 2), -EFAULT);
	assert_false(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	assert_int_equal(guest_mem_map_bytes(f->mem, FIXTURE_HIGH_IOVA, f->high,
					     FIXTURE_MEM_BYTES, prot),
			 0);
	xhci_memory_changed(f->xhci);
	run_until_idle(f);
	assert_int_equal(post(f, 1, 2), 0);
	assert_event(f, SEG_B + 16, 2, true);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_first_event),
		T(test_setup_order),
		T(test_restart),
		T(test_wrap),
		T(test_three_segments),
		T(test_table_changes_live),
		T(test_full),
		T(test_full_tells_once),
		T(test_full_ignores_desi),
		T(test_full_across_segments),
		T(test_target),
		T(test_no_ring),
		T(test_bad_table),
		T(test_segment_too_long),
		T(test_table_too_long),
		T(test_table_outside_memory),
		T(test_segment_outside_memory),
		T(test_memory_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
