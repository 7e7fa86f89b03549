/* SPDX-License-Identifier: MIT
 * test_budget.c - loops over rings are bounded, in each run and in their sum
 */
#include <string.h>

#include "driver.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/interrupter.h"
#include "xhci/slot.h"
#include "xhci/td.h"

#define CONTROL 1u
#define OUT     DRIVER_BULK_OUT_DCI
#define IN      DRIVER_BULK_IN_DCI
#define INTR_IN DRIVER_INTR_IN_DCI
#define DATA    DRIVER_DATA_IOVA
#define BIG     (FIXTURE_HIGH_IOVA + 0x40000) /* room for 49,152 TRBs */
#define MS_NS   UINT64_C(1000000)
/* A run overdraws its budget by no more than one TD and its events, and a command. */
#define OVERDRAFT_MAX (XHCI_TD_LOOKS_MAX + XHCI_TD_TRBS_MAX + 1000u)

#define SETUP  (xhci_trb_type_bits(XHCI_TRB_TYPE_SETUP) | XHCI_TRB_IDT)
#define LINK   xhci_trb_type_bits(XHCI_TRB_TYPE_LINK)
#define NOOP   xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP)
#define NORMAL xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL)

static uint64_t big_put(struct driver *d, unsigned index, uint64_t parameter,
			uint32_t status, uint32_t control)
{
	uint64_t iova = BIG + (uint64_t)index * XHCI_TRB_SIZE;
	struct xhci_trb trb = {parameter, status, control | XHCI_TRB_C};

	guest_put_trb(d->f, iova, &trb);
	return iova;
}

/* One TD of @trbs Normal TRBs of a byte, at BIG; behind it a Link to @to, unless 0. */
static void big_td(struct driver *d, unsigned trbs, uint64_t to)
{
	for (unsigned i = 0; i < trbs; i++)
		big_put(d, i, DATA, 1,
			NORMAL | (i + 1 < trbs ? XHCI_TRB_CH : XHCI_TRB_IOC));
	if (to != 0)
		big_put(d, trbs, to, 0, LINK);
}

/* The guest has not handed over more than @index TRBs at BIG. */
static void big_end(struct driver *d, unsigned index)
{
	memset(guest(d->f, BIG + (uint64_t)index * XHCI_TRB_SIZE), 0, XHCI_TRB_SIZE);
}

/* The next TRB of @dci is a Link to BIG. */
static void link_to_big(struct driver *d, unsigned dci)
{
	driver_put(d, dci, BIG, 0, LINK);
}

/* Runs once. Return: units spent. */
static unsigned run_once(struct fixture *f)
{
	f->kicked = false;
	f->xhci->budget = xhci_budget_of(0);
	xhci_run(f->xhci);
	return xhci_budget_spent(&f->xhci->budget);
}

static bool rests(const struct fixture *f)
{
	return f->xhci->pace.rest_until_ns > f->now_ns;
}

/* For @ns, woken as asked for; no run takes time. Return: units spent. */
static uint64_t run_for(struct fixture *f, uint64_t ns)
{
	uint64_t until_ns = f->now_ns + ns;
	uint64_t spent = 0;

	for (;;) {
		for (unsigned n = 0; f->kicked; n++) {
			unsigned units = run_once(f);

			assert_true(n < 1000);
			assert_in_range(units, 0, XHCI_BUDGET_RUN + OVERDRAFT_MAX);
			spent += units;
		}
		if (f->wake_at_ns == 0 || f->wake_at_ns > until_ns)
			break;
		f->now_ns = f->wake_at_ns;
		f->wake_at_ns = 0;
		f->kicked = true;
	}
	f->now_ns = until_ns;
	return spent;
}

/* ---- a TD ---- */

/* A Setup TRB abandons the one before it: so would each of a ring of them. */
static void setups_without_end(void **state)
{
	static const unsigned counts[] = {1, 2, 100};
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		uint64_t ring = d.rings[CONTROL].iova;

		for (unsigned n = 0; n < counts[i]; n++)
			driver_put(&d, CONTROL, 0x680, 8, SETUP);
		driver_put(&d, CONTROL, ring, 0, LINK);
		write32(d.f, DOORBELL(d.slot_id), CONTROL);
		assert_in_range(run_once(d.f), XHCI_TD_LOOKS_MAX,
				XHCI_TD_LOOKS_MAX + 100);
		driver_expect(&d, CONTROL, ring, XHCI_CC_TRB_ERROR, 0);
		assert_int_equal(driver_ep_state(&d, CONTROL), XHCI_EP_STATE_ERROR);
		assert_int_equal(d.f->xhci->tds, 0);
		/* the guest mends it */
		d.rings[CONTROL].index = 0;
		memset(guest(d.f, ring), 0, 0x1000);
		assert_int_equal(driver_set_dequeue(&d, CONTROL, ring | 1),
				 XHCI_CC_SUCCESS);
		driver_control_in(&d, 0, 0);
		driver_ring(&d, CONTROL);
		driver_complete(&d, CONTROL, USBDEV_STATUS_OK, 0);
		driver_expect(&d, CONTROL, ring + XHCI_TRB_SIZE, XHCI_CC_SUCCESS, 0);
		d.rings[CONTROL].index = 0;
		memset(guest(d.f, ring), 0, 0x1000);
		assert_int_equal(driver_stop(&d, CONTROL), XHCI_CC_SUCCESS);
		assert_int_equal(driver_set_dequeue(&d, CONTROL, ring | 1),
				 XHCI_CC_SUCCESS);
		d.f->now_ns += 1000 * MS_NS;
	}
	driver_end(&d);
}

static void td_of_as_many_trbs_as_may_be(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	big_td(&d, XHCI_TD_TRBS_MAX, 0);
	link_to_big(&d, OUT);
	driver_ring(&d, OUT);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, XHCI_TD_TRBS_MAX);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, XHCI_TD_TRBS_MAX);
	driver_expect(&d, OUT, BIG + (XHCI_TD_TRBS_MAX - 1) * XHCI_TRB_SIZE,
		      XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void td_of_one_trb_more(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	big_td(&d, XHCI_TD_TRBS_MAX + 1, 0);
	link_to_big(&d, OUT);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 0);
	assert_int_equal(expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT).status >> 24,
			 XHCI_CC_TRB_ERROR);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_ERROR);
	assert_int_equal(d.f->xhci->trbs, 0);
	driver_end(&d);
}

/* A Link TRB behind every third TRB: as many as may be. One more is one too many. */
static void td_in_small_segments(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned extra = 0; extra < 2; extra++) {
		unsigned links = XHCI_TD_LOOKS_MAX - XHCI_TD_TRBS_MAX - 1 + extra;
		unsigned left = links;
		unsigned at = 0;
		unsigned trbs;

		driver_put(&d, OUT, BIG, 0, LINK);
		for (trbs = 0; trbs < XHCI_TD_TRBS_MAX; trbs++) {
			bool last = trbs + 1 == XHCI_TD_TRBS_MAX;

			big_put(&d, at++, DATA, 1,
				NORMAL | (last ? XHCI_TRB_IOC : XHCI_TRB_CH));
			if (trbs % 3 == 2 && left > 0) {
				big_put(&d, at, BIG + (at + 1) * XHCI_TRB_SIZE, 0, LINK);
				at++;
				left--;
			}
		}
		assert_int_equal(left, 0);
		driver_ring(&d, OUT);
		if (extra == 0) {
			driver_complete(&d, OUT, USBDEV_STATUS_OK, XHCI_TD_TRBS_MAX);
			expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
			assert_int_equal(driver_stop(&d, OUT), XHCI_CC_SUCCESS);
			assert_int_equal(
				driver_set_dequeue(&d, OUT, d.rings[OUT].iova | 1),
				XHCI_CC_SUCCESS);
			d.rings[OUT].index = 0;
		} else {
			assert_int_equal(d.fake.submits, 1);
			assert_int_equal(
				expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT).status >>
					24,
				XHCI_CC_TRB_ERROR);
		}
	}
	driver_end(&d);
}

/* Beyond the total of TRBs only small TDs go on, one per endpoint. */
static void trbs_of_all_tds_are_bounded(void **state)
{
	const unsigned whole = XHCI_TRBS_TOTAL / XHCI_TD_TRBS_MAX;
	struct driver d;
	uint64_t trb = 0;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	big_td(&d, XHCI_TD_TRBS_MAX, BIG); /* again and again */
	link_to_big(&d, OUT);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	run_for(d.f, 1000 * MS_NS);
	assert_int_equal(d.fake.submits, whole);
	assert_int_equal(d.f->xhci->trbs, XHCI_TRBS_TOTAL);

	/* not a large one */
	for (unsigned i = 0; i < 201; i++)
		driver_normal(&d, IN, DATA, 1, i < 200 ? XHCI_TRB_CH : XHCI_TRB_IOC);
	for (unsigned i = 0; i < 255; i++)
		driver_normal(&d, INTR_IN, DATA, 1, XHCI_TRB_CH);
	driver_put(&d, INTR_IN, BIG + (XHCI_TD_TRBS_MAX - 2) * XHCI_TRB_SIZE, 0, LINK);
	driver_ring(&d, INTR_IN);
	assert_int_equal(fake_dev_count(&d.fake, 0x82), 0);
	/* but a small one, and not another */
	for (unsigned i = 0; i <= XHCI_TD_TRBS_INLINE; i++)
		trb = driver_normal(&d, IN, DATA, 1,
				    i < XHCI_TD_TRBS_INLINE ? XHCI_TRB_CH : XHCI_TRB_IOC);
	driver_ring(&d, IN);
	assert_int_equal(fake_dev_count(&d.fake, 0x81), 1);
	assert_int_equal(d.f->xhci->trbs, XHCI_TRBS_TOTAL + XHCI_TD_TRBS_SMALL);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 201);
	expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
	driver_complete(&d, IN, USBDEV_STATUS_OK, XHCI_TD_TRBS_INLINE + 1);
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);

	/* when a large one has completed the other starts */
	big_end(&d, XHCI_TD_TRBS_MAX);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, XHCI_TD_TRBS_MAX);
	expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
	run_for(d.f, 1000 * MS_NS);
	assert_int_equal(fake_dev_count(&d.fake, 0x82), 1);
	driver_end(&d);
}

/* ---- a run ---- */

/* TDs of @trbs No-Ops each at BIG, @tds of them in a circle. */
static void big_circle(struct driver *d, unsigned tds, unsigned trbs)
{
	for (unsigned i = 0; i < tds * trbs; i++)
		big_put(d, i, 0, 0, NOOP | (i % trbs + 1 < trbs ? XHCI_TRB_CH : 0));
	big_put(d, tds * trbs, BIG, 0, LINK);
}

/* Rings without end on all endpoints, each of them enough for any budget: a run is bounded,
 * each endpoint has its turn, and commands do, too. */
static void a_run_is_bounded_and_fair(void **state)
{
	static const unsigned dcis[] = {CONTROL, OUT, IN, INTR_IN};
	uint64_t last[ARRAY_SIZE(dcis)] = {0};
	unsigned turns[ARRAY_SIZE(dcis)] = {0};
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	big_circle(&d, 5, 400);
	for (unsigned i = 0; i < ARRAY_SIZE(dcis); i++) {
		link_to_big(&d, dcis[i]);
		write32(d.f, DOORBELL(d.slot_id), dcis[i]);
	}
	driver_command_put(&d, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND));
	for (unsigned run = 0; run < 20; run++) {
		assert_true(d.f->kicked);
		assert_in_range(run_once(d.f), XHCI_BUDGET_RUN, XHCI_BUDGET_RUN + 1000);
		d.f->now_ns += 100 * MS_NS;
		for (unsigned i = 0; i < ARRAY_SIZE(dcis); i++) {
			uint64_t at = d.f->xhci->slots[1]
					      .endpoints[dcis[i]]
					      ->ring.cursor.dequeue_iova;

			turns[i] += at != last[i];
			last[i] = at;
		}
		if (run == 1) { /* found in the first, done in the second */
			struct xhci_trb event;

			assert_true(event_next(d.f, &d.f->events, &event));
			assert_int_equal(xhci_trb_type(&event),
					 XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(dcis); i++)
		assert_in_range(turns[i], 5, 20);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	driver_end(&d);
}

/* The event that was posted last. */
static struct xhci_trb last_event(struct fixture *f)
{
	const struct xhci_interrupter *intr = &f->xhci->interrupters[0];
	unsigned index = (intr->ring.enqueue.index + FIXTURE_EVENTS_TRBS - 1) %
			 FIXTURE_EVENTS_TRBS;

	return guest_get_trb(f, FIXTURE_EVENTS_IOVA + index * XHCI_TRB_SIZE);
}

/* TDs that want an event for each of their TRBs, all done at once; the guest wants to stop
 * the endpoint. All events are posted before it stops, in several runs. */
static void events_of_a_run_are_bounded(void **state)
{
	const unsigned tds = XHCI_TDS_PER_RING, trbs = 512;
	struct driver d;
	struct xhci_trb event;
	unsigned runs = 0;
	uint64_t spent = 0;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned i = 0; i < tds * trbs; i++)
		big_put(&d, i, DATA, 1,
			NORMAL | XHCI_TRB_IOC | (i % trbs + 1 < trbs ? XHCI_TRB_CH : 0));
	link_to_big(&d, OUT);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	run_for(d.f, 1000 * MS_NS);
	assert_int_equal(d.fake.submits, tds);
	/* an event ring that never fills */
	write64(d.f, INTR(0, ERDP_LO), FIXTURE_FREE_IOVA);
	for (unsigned i = 0; i < tds; i++)
		fake_dev_complete(&d.fake, driver_held(&d, OUT), USBDEV_STATUS_OK, trbs);
	driver_stop_put(&d, OUT);
	while (d.f->kicked) {
		unsigned units = run_once(d.f);

		assert_in_range(units, 0, XHCI_BUDGET_RUN + 3 * trbs);
		spent += units;
		runs++;
		d.f->now_ns += 1000 * MS_NS;
		if (rests(d.f))
			d.f->kicked = true;
	}
	assert_true(spent >= tds * trbs);
	assert_in_range(runs, 4, 20);
	event = last_event(d.f);
	assert_int_equal(xhci_trb_type(&event), XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(event.status >> 24, XHCI_CC_SUCCESS);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_STOPPED);
	driver_end(&d);
}

/* ---- the sum of the runs ---- */

static void put_noops(struct driver *d, unsigned dci, uint32_t flags)
{
	for (unsigned n = 0; n < 62; n++)
		driver_put(d, dci, 0, 0, NOOP | flags);
	driver_put(d, dci, d->rings[dci].iova, 0, LINK);
}

/* Since the guest last wrote ERDP; no data has moved since. */
static uint64_t events_posted(const struct fixture *f)
{
	return f->xhci->pace.due / XHCI_PACE_EVENT_UNITS;
}

/* What a guest may cost that does not react, in @ns: time before that counts once. */
static uint64_t units_max(uint64_t ns)
{
	return 2 * XHCI_PACE_AHEAD + ns / XHCI_PACE_UNIT_NS + XHCI_BUDGET_RUN +
	       OVERDRAFT_MAX;
}

static void noops_without_end_get_a_share(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	put_noops(&d, OUT, 0);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	assert_in_range(run_for(d.f, 1000 * MS_NS), 900000, units_max(1000 * MS_NS));
	/* not for ever: commands are done, and end it */
	driver_command_put(&d, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND));
	driver_stop_put(&d, OUT);
	run_for(d.f, 50 * MS_NS);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT)
						 .status >>
					 24,
				 XHCI_CC_SUCCESS);
	run_for(d.f, 100 * MS_NS);
	assert_false(d.f->kicked);
	assert_int_equal(d.f->wake_at_ns, 0);
	driver_end(&d);
}

/* Transfers and events that the guest does not take count as well. */
static void events_that_nobody_takes_get_a_share(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	put_noops(&d, OUT, XHCI_TRB_IOC);
	write64(d.f, INTR(0, ERDP_LO), FIXTURE_FREE_IOVA); /* never full */
	write32(d.f, DOORBELL(d.slot_id), OUT);
	assert_in_range(run_for(d.f, 1000 * MS_NS), 900000, units_max(1000 * MS_NS));
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	driver_end(&d);
}

static void commands_that_nobody_awaits_get_a_share(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	write64(d.f, INTR(0, ERDP_LO), FIXTURE_FREE_IOVA);
	for (unsigned i = 0; i < 10; i++)
		driver_command_put(&d, 0, 0,
				   xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND));
	driver_command_put(&d, FIXTURE_COMMAND_IOVA, 0, LINK);
	/* its first commands are those of the driver: to the No-Ops */
	for (unsigned i = 0; i < 3; i++) {
		struct xhci_trb trb = {
			.control = xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND) |
				   XHCI_TRB_C,
		};

		guest_put_trb(d.f, FIXTURE_COMMAND_IOVA + i * XHCI_TRB_SIZE, &trb);
	}
	assert_in_range(run_for(d.f, 1000 * MS_NS), 900000, units_max(1000 * MS_NS));
	assert_in_range(events_posted(d.f), 10000,
			units_max(1000 * MS_NS) / XHCI_BUDGET_COMMAND);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	driver_end(&d);
}

/* A device that answers at once, and no TD that asks for an event. */
static void transfers_that_nobody_awaits_get_a_share(void **state)
{
	struct driver d;
	uint64_t until_ns;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned n = 0; n < 62; n++)
		driver_normal(&d, OUT, DATA, 4096, 0);
	driver_put(&d, OUT, d.rings[OUT].iova, 0, LINK);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	until_ns = d.f->now_ns + 1000 * MS_NS;
	while (d.f->now_ns < until_ns) {
		run_for(d.f, 0);
		while (fake_dev_first(&d.fake, 1))
			fake_dev_complete(&d.fake, driver_held(&d, OUT), USBDEV_STATUS_OK,
					  4096);
		if (rests(d.f)) {
			d.f->now_ns = d.f->xhci->pace.rest_until_ns;
			d.f->kicked = true;
		}
	}
	assert_in_range(d.fake.submits, 10000,
			units_max(1000 * MS_NS) / XHCI_BUDGET_TRANSFER);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_for(d.f, 0);
	driver_end(&d);
}

/* A long TD that never ends, and a doorbell again and again: each one reads all of it. */
static void td_that_never_ends_gets_a_share(void **state)
{
	const unsigned trbs = XHCI_TD_TRBS_MAX - 100;
	struct driver d;
	uint64_t spent = 0;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	big_td(&d, XHCI_TD_TRBS_MAX, 0);
	big_end(&d, trbs);
	link_to_big(&d, OUT);
	for (unsigned ms = 0; ms < 1000; ms++) {
		for (unsigned n = 0; n < 10; n++) {
			write32(d.f, DOORBELL(d.slot_id), OUT);
			if (d.f->kicked)
				spent += run_once(d.f);
		}
		spent += run_for(d.f, MS_NS);
	}
	assert_in_range(spent, 900000, units_max(1000 * MS_NS));
	/* the controller takes it once it is complete */
	big_td(&d, XHCI_TD_TRBS_MAX, 0);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	run_for(d.f, 100 * MS_NS);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, XHCI_TD_TRBS_MAX);
	driver_end(&d);
}

/* A guest that takes its events never waits, however much it does at once: 300 times
 * 8 TDs of 256 TRBs of 512 bytes, and then 300 times 200 No-Ops, in no time. */
static void guest_that_reacts_never_waits(void **state)
{
	struct driver d;
	struct xhci_trb event;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned i = 0; i < 256; i++)
		big_put(&d, i, DATA, 512,
			NORMAL | (i < 255 ? XHCI_TRB_CH : XHCI_TRB_IOC));
	big_put(&d, 256, BIG, 0, LINK);
	link_to_big(&d, OUT);
	put_noops(&d, IN, XHCI_TRB_IOC);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	for (unsigned round = 0; round < 600; round++) {
		if (round == 300)
			write32(d.f, DOORBELL(d.slot_id), IN);
		for (unsigned n = 0; n < 5 && d.f->kicked; n++)
			run_once(d.f);
		assert_false(rests(d.f));
		for (unsigned n = 0; n < 8 && round < 300; n++)
			fake_dev_complete(&d.fake, driver_held(&d, OUT), USBDEV_STATUS_OK,
					  256 * 512);
		while (event_next(d.f, &d.f->events, &event))
			;
		write64(d.f, INTR(0, ERDP_LO),
			d.f->events.ring_iova + d.f->events.index * XHCI_TRB_SIZE);
	}
	assert_true(d.fake.submits >= 2400);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_for(d.f, 0);
	driver_end(&d);
}

/* Small event ring segments: each entry of the table that is read costs a unit. */
static void segment_table_entries_count(void **state)
{
	struct driver d;
	unsigned whole;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned n = 0; n < 40; n++)
		driver_put(&d, OUT, 0, 0, NOOP | XHCI_TRB_IOC);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	whole = run_once(d.f);
	events_skip(d.f);
	/* the same again, into segments of 16 */
	for (unsigned i = 0; i < 4; i++)
		guest_put_erst(d.f, FIXTURE_ERST_IOVA, i,
			       FIXTURE_EVENTS_IOVA + i * 0x400u, 16);
	write32(d.f, INTR(0, ERSTSZ), 4);
	write64(d.f, INTR(0, ERDP_LO), FIXTURE_EVENTS_IOVA);
	write64(d.f, INTR(0, ERSTBA_LO), FIXTURE_ERST_IOVA);
	for (unsigned n = 0; n < 40; n++)
		driver_put(&d, OUT, 0, 0, NOOP | XHCI_TRB_IOC);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	/* the first, and the next two, looked into twice each */
	assert_int_equal(run_once(d.f), whole + 5);
	driver_end(&d);
}

/* The guest takes its events: a rest that is for them ends at once. */
static void a_rest_ends_when_the_guest_reacts(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	put_noops(&d, OUT, XHCI_TRB_IOC);
	write64(d.f, INTR(0, ERDP_LO), FIXTURE_FREE_IOVA);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	run_for(d.f, 1);
	assert_true(rests(d.f));
	assert_int_equal(d.f->wake_at_ns, d.f->xhci->pace.rest_until_ns);
	d.f->kicked = true;
	assert_int_equal(run_once(d.f), 0);
	assert_false(d.f->kicked);
	write64(d.f, INTR(0, ERDP_LO), FIXTURE_FREE_IOVA);
	assert_true(d.f->kicked);
	assert_true(run_once(d.f) > 0);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(setups_without_end),
		T(td_of_as_many_trbs_as_may_be),
		T(td_of_one_trb_more),
		T(td_in_small_segments),
		T(trbs_of_all_tds_are_bounded),
		T(a_run_is_bounded_and_fair),
		T(events_of_a_run_are_bounded),
		T(noops_without_end_get_a_share),
		T(events_that_nobody_takes_get_a_share),
		T(commands_that_nobody_awaits_get_a_share),
		T(transfers_that_nobody_awaits_get_a_share),
		T(td_that_never_ends_gets_a_share),
		T(segment_table_entries_count),
		T(guest_that_reacts_never_waits),
		T(a_rest_ends_when_the_guest_reacts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
