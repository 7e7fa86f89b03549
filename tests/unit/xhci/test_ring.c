/* SPDX-License-Identifier: MIT
 * test_ring.c - the consumer's cursor on a ring in guest memory
 */
#include <errno.h>

#include "fixture.h"
#include "xhci/budget.h"
#include "xhci/ring.h"

#define RING FIXTURE_FREE_IOVA

static void put(struct fixture *f, unsigned index, uint64_t parameter, uint32_t control)
{
	struct xhci_trb trb = {parameter, index, control};

	guest_put_trb(f, RING + index * XHCI_TRB_SIZE, &trb);
}

static void ends_at_the_other_cycle(void **state)
{
	struct fixture *f = *state;
	struct xhci_budget budget = xhci_budget_of(10);
	struct xhci_ring ring;
	struct xhci_trb trb;
	uint64_t iova;

	xhci_ring_init(&ring, RING, true);
	put(f, 0, 1, XHCI_TRB_C | xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL));
	put(f, 1, 2, xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL));
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 1);
	assert_int_equal(iova, RING);
	assert_int_equal(trb.parameter, 1);
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 0);
	assert_int_equal(ring.dequeue_iova, RING + 16);
	/* handed over: the same call finds it now */
	put(f, 1, 2, XHCI_TRB_C | xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL));
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 1);
	assert_int_equal(trb.parameter, 2);
}

static void link_moves_and_toggles(void **state)
{
	struct fixture *f = *state;
	uint32_t link = xhci_trb_type_bits(XHCI_TRB_TYPE_LINK);
	struct xhci_budget budget = xhci_budget_of(10);
	struct xhci_ring ring;
	struct xhci_trb trb;
	uint64_t iova;

	/* the low four bits of the pointer are no part of it */
	xhci_ring_init(&ring, RING | 0xf, true);
	put(f, 0, (RING + 0x100) | 0x5, link | XHCI_TRB_C);
	put(f, 0x10, RING + 0x200, link | XHCI_TRB_TC | XHCI_TRB_C);
	put(f, 0x20, 3, xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL));
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 1);
	assert_int_equal(xhci_trb_type(&trb), XHCI_TRB_TYPE_LINK);
	assert_int_equal(ring.dequeue_iova, RING + 0x100);
	assert_true(ring.cycle);
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 1);
	assert_false(ring.cycle);
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 1);
	assert_int_equal(trb.parameter, 3);
	assert_int_equal(iova, RING + 0x200);
}

static void outside_memory_changes_nothing(void **state)
{
	static const uint64_t nowhere[] = {FIXTURE_NO_IOVA, UINT64_C(0xfffffffffffffff0),
					   FIXTURE_LOW_IOVA + FIXTURE_MEM_BYTES};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		struct xhci_budget budget = xhci_budget_of(1);
		struct xhci_ring ring;
		struct xhci_trb trb;
		uint64_t iova;

		xhci_ring_init(&ring, nowhere[i], true);
		assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova),
				 -EFAULT);
		assert_int_equal(ring.dequeue_iova, nowhere[i]);
		assert_true(ring.cycle);
	}
}

/* Whatever lies there, the budget is spent after so many looks. */
static void each_look_costs_a_unit(void **state)
{
	struct fixture *f = *state;
	struct xhci_budget budget = xhci_budget_of(5);
	struct xhci_ring ring;
	struct xhci_trb trb;
	uint64_t iova;

	xhci_ring_init(&ring, RING, true);
	put(f, 0, RING, XHCI_TRB_C | xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	for (unsigned i = 0; i < 5; i++) {
		assert_false(xhci_budget_is_spent(&budget));
		assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 1);
	}
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), -ELOOP);
	assert_int_equal(ring.dequeue_iova, RING);
	assert_int_equal(xhci_budget_spent(&budget), 5);
	/* a look at an empty ring costs as well */
	budget = xhci_budget_of(1);
	xhci_ring_init(&ring, RING, false);
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), 0);
	assert_int_equal(xhci_ring_next(&ring, f->mem, &budget, &trb, &iova), -ELOOP);
	/* work that must not stop in its middle overdraws */
	xhci_budget_spend(&budget, 10);
	assert_true(xhci_budget_is_spent(&budget));
	assert_int_equal(xhci_budget_spent(&budget), 11);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(ends_at_the_other_cycle),
		T(link_moves_and_toggles),
		T(outside_memory_changes_nothing),
		T(each_look_costs_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
