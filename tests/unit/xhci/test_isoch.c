/* SPDX-License-Identifier: MIT
 * test_isoch.c - isochronous endpoints: when streams start and end, and what TDs report
 */
#include <string.h>

#include "driver.h"
#include "util/bytes.h"
#include "xhci/isoch.h"

#define OUT     4u /* DCI of endpoint 0x02 */
#define IN      7u /* DCI of endpoint 0x83 */
#define ADDR_IN 0x83u
#define DATA    DRIVER_DATA_IOVA

#define FRAME_NS  UINT64_C(1000000)
#define FRAME_IDS 2048u
#define FRAME(n)  (((n) % FRAME_IDS) << 20)
#define INTERVAL  3u /* 2^3 microframes */
#define MORE_TRBS (FIXTURE_LOW_IOVA + 0x80000)

/* Configures both endpoints with @interval (exponent). */
static void configure(struct driver *d, unsigned interval)
{
	uint8_t *input = guest(d->f, DRIVER_INPUT_IOVA);

	driver_input(d, 0, 1 | BIT(OUT) | BIT(IN));
	driver_input_endpoint(d, OUT, XHCI_EP_TYPE_ISOCH_OUT, 1024);
	driver_input_endpoint(d, IN, XHCI_EP_TYPE_ISOCH_IN, 1024);
	put_le32(input + (1 + OUT) * XHCI_CONTEXT_SIZE, interval << 16);
	put_le32(input + (1 + IN) * XHCI_CONTEXT_SIZE, interval << 16);
	assert_int_equal(
		driver_command(d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, DRIVER_INPUT_IOVA, 0)
			.cc,
		XHCI_CC_SUCCESS);
}

static void start(struct driver *d, struct fixture *f)
{
	driver_start(d, f, USBDEV_SPEED_SUPER);
	driver_address(d);
	configure(d, INTERVAL);
}

/* An Isoch TRB; @flags have SIA or FRAME(). */
static uint64_t put_isoch(struct driver *d, unsigned dci, uint32_t len, uint32_t flags)
{
	return driver_put(d, dci, DATA, len,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_ISOCH) | flags);
}

/* A TD as soon as possible that reports. */
static uint64_t put_sia(struct driver *d, unsigned dci, uint32_t len)
{
	return put_isoch(d, dci, len, XHCI_TRB_SIA | XHCI_TRB_IOC | XHCI_TRB_ISP);
}

static unsigned frame_now(struct driver *d)
{
	return read32(d->f, XHCI_OFF_RUNTIME) / 8;
}

static void expect_command(struct driver *d, enum xhci_cc cc)
{
	struct xhci_trb event =
		expect_event(d->f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);

	assert_int_equal(event.status >> 24, cc);
}

/* One TD has completed: the stream runs. Takes its event. */
static void start_stream(struct driver *d, unsigned dci)
{
	uint64_t trb = put_sia(d, dci, 100);

	driver_ring(d, dci);
	driver_complete(d, dci, USBDEV_STATUS_OK, 100);
	driver_expect(d, dci, trb, XHCI_CC_SUCCESS, 0);
}

static void td_is_one_transfer(void **state)
{
	struct driver d;
	uint64_t trb;

	start(&d, *state);
	trb = put_sia(&d, IN, 1024);
	driver_ring(&d, IN);
	assert_int_equal(driver_held(&d, IN)->type, USBDEV_TYPE_ISOCHRONOUS);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 1024);
	assert_int_equal(driver_held(&d, IN)->ep_addr, ADDR_IN);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 1024);
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

/* The most of a service interval at SuperSpeed: 48 KiB in several TRBs. */
static void large_payload_in_several_trbs(void **state)
{
	struct driver d;
	uint64_t last;
	uint8_t got[2];

	start(&d, *state);
	memcpy((uint8_t *)guest(d.f, DATA) + 0x20000, "xy", 2);
	put_isoch(&d, OUT, 16384, XHCI_TRB_SIA | XHCI_TRB_CH);
	driver_normal(&d, OUT, DATA + 0x20000, 16384, XHCI_TRB_CH);
	last = driver_normal(&d, OUT, DATA + 0x10000, 16384, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 1);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 49152);
	assert_int_equal(usbdev_transfer_read(driver_held(&d, OUT), 16384, got, 2), 0);
	assert_memory_equal(got, "xy", 2);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 49152);
	driver_expect(&d, OUT, last, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void each_packet_has_its_length(void **state)
{
	static const uint32_t lengths[] = {1024, 0, 3, 512};
	struct driver d;
	uint64_t trbs[ARRAY_SIZE(lengths)];

	start(&d, *state);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++)
		trbs[i] = put_sia(&d, IN, 1024);
	driver_ring(&d, IN);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		driver_complete(&d, IN, USBDEV_STATUS_OK, lengths[i]);
		driver_expect(&d, IN, trbs[i],
			      lengths[i] == 1024 ? XHCI_CC_SUCCESS : XHCI_CC_SHORT_PACKET,
			      1024 - lengths[i]);
	}
	expect_no_event(d.f);
	driver_end(&d);
}

static void packet_without_data(void **state)
{
	struct driver d;
	uint64_t trb;

	start(&d, *state);
	trb = put_sia(&d, OUT, 0);
	driver_ring(&d, OUT);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 0);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 0);
	driver_expect(&d, OUT, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* No device acknowledges it, so a smaller count from the host is not a short packet. */
static void out_packet_counts_as_whole(void **state)
{
	struct driver d;
	uint64_t trb;

	start(&d, *state);
	trb = put_sia(&d, OUT, 192);
	driver_ring(&d, OUT);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 0);
	driver_expect(&d, OUT, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void errors_do_not_halt(void **state)
{
	static const struct {
		enum usbdev_status status;
		enum xhci_cc cc;
	} cases[] = {
		{USBDEV_STATUS_ERROR, XHCI_CC_USB_TRANSACTION_ERROR},
		{USBDEV_STATUS_BABBLE, XHCI_CC_BABBLE_DETECTED},
		{USBDEV_STATUS_MISSED, XHCI_CC_MISSED_SERVICE_ERROR},
		{USBDEV_STATUS_MEMORY, XHCI_CC_DATA_BUFFER_ERROR},
		{USBDEV_STATUS_STALL, XHCI_CC_USB_TRANSACTION_ERROR},
		{USBDEV_STATUS_CANCELLED, XHCI_CC_USB_TRANSACTION_ERROR},
	};
	struct driver d;
	uint64_t trbs[ARRAY_SIZE(cases)];
	uint64_t good;

	start(&d, *state);
	for (unsigned i = 0; i < ARRAY_SIZE(cases);
	     i++) /* no IOC: reported all the same */
		trbs[i] = put_isoch(&d, IN, 1000, XHCI_TRB_SIA);
	good = put_sia(&d, IN, 1000);
	driver_ring(&d, IN);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		driver_complete(&d, IN, cases[i].status, 300);
		driver_expect(&d, IN, trbs[i], cases[i].cc, 700);
		assert_int_equal(driver_ep_state(&d, IN), XHCI_EP_STATE_RUNNING);
	}
	driver_complete(&d, IN, USBDEV_STATUS_OK, 1000);
	driver_expect(&d, IN, good, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	assert_int_equal(d.fake.cancels, 0);
	assert_int_equal(d.fake.submits, ARRAY_SIZE(cases) + 1);
	driver_end(&d);
}

/* Even while guest memory changes: later packets must not be sent twice. */
static void unreachable_data_is_not_sent_again(void **state)
{
	const unsigned prot = GUEST_MEM_READ | GUEST_MEM_WRITE;
	struct fixture *f = *state;
	static uint8_t more[0x1000];
	struct driver d;
	uint64_t first;

	start(&d, f);
	first = put_sia(&d, OUT, 100);
	put_sia(&d, OUT, 100);
	driver_ring(&d, OUT);
	assert_int_equal(
		guest_mem_map_bytes(f->mem, FIXTURE_NO_IOVA, more, sizeof(more), prot),
		0);
	driver_complete(&d, OUT, USBDEV_STATUS_MEMORY, 0);
	driver_expect(&d, OUT, first, XHCI_CC_DATA_BUFFER_ERROR, 100);
	assert_int_equal(d.fake.submits, 2);
	assert_int_equal(d.fake.cancels, 0);
	driver_end(&d);
}

/* 4.9.1: in the TRB where it happened; then again at the end, for who waits there. */
static void error_in_a_chain_is_told_there_and_at_the_end(void **state)
{
	struct driver d;
	uint64_t second, last, next;

	start(&d, *state);
	put_isoch(&d, IN, 1000, XHCI_TRB_SIA | XHCI_TRB_CH | XHCI_TRB_ISP);
	second = driver_normal(&d, IN, DATA, 1000, XHCI_TRB_CH | XHCI_TRB_ISP);
	driver_normal(&d, IN, DATA, 1000, XHCI_TRB_CH | XHCI_TRB_ISP);
	last = driver_normal(&d, IN, DATA, 500, XHCI_TRB_IOC | XHCI_TRB_ISP);
	next = put_sia(&d, IN, 10);
	driver_ring(&d, IN);
	driver_complete(&d, IN, USBDEV_STATUS_ERROR, 1200);
	driver_expect(&d, IN, second, XHCI_CC_USB_TRANSACTION_ERROR, 800);
	driver_expect(&d, IN, last, XHCI_CC_USB_TRANSACTION_ERROR, 500);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 10);
	driver_expect(&d, IN, next, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void event_data_of_good_short_and_failed_tds(void **state)
{
	static const struct {
		enum usbdev_status status;
		uint32_t actual;
		enum xhci_cc cc;
		bool error_first;
	} cases[] = {
		{USBDEV_STATUS_OK, 1024, XHCI_CC_SUCCESS, false},
		{USBDEV_STATUS_OK, 24, XHCI_CC_SHORT_PACKET, false},
		{USBDEV_STATUS_BABBLE, 1024, XHCI_CC_BABBLE_DETECTED, true},
	};
	struct driver d;

	start(&d, *state);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct xhci_trb event;

		put_isoch(&d, IN, 1024, XHCI_TRB_SIA | XHCI_TRB_CH);
		driver_put(&d, IN, 0x1000 + i, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_EVENT_DATA) | XHCI_TRB_IOC);
		driver_ring(&d, IN);
		driver_complete(&d, IN, cases[i].status, cases[i].actual);
		event = expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
		if (cases[i].error_first) {
			assert_false(event.control & XHCI_TRB_EVENT_ED);
			assert_int_equal(event.status >> 24, cases[i].cc);
			event = expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
		}
		assert_true(event.control & XHCI_TRB_EVENT_ED);
		assert_int_equal(event.parameter, 0x1000 + i);
		assert_int_equal(event.status >> 24, cases[i].cc);
		assert_int_equal(event.status & 0xffffff, cases[i].actual);
	}
	expect_no_event(d.f);
	driver_end(&d);
}

static void blocked_interrupts(void **state)
{
	struct driver d;
	unsigned before;

	start(&d, *state);
	put_isoch(&d, IN, 8, XHCI_TRB_SIA | XHCI_TRB_IOC | XHCI_TRB_BEI);
	put_sia(&d, IN, 8);
	driver_ring(&d, IN);
	before = d.f->interrupts[0];
	driver_complete(&d, IN, USBDEV_STATUS_OK, 8);
	assert_int_equal(d.f->interrupts[0], before);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 8);
	assert_int_equal(d.f->interrupts[0], before + 1);
	driver_end(&d);
}

static void hundreds_are_queued_ahead(void **state)
{
	struct driver d;
	unsigned put = 0;

	start(&d, *state);
	driver_put(&d, IN, MORE_TRBS, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	d.rings[IN] = (struct driver_ring){MORE_TRBS, 0, true};
	for (; put < XHCI_ISOCH_TDS_PER_RING + 10; put++)
		put_sia(&d, IN, 1);
	driver_ring(&d, IN);
	assert_int_equal(fake_dev_count(&d.fake, ADDR_IN), XHCI_ISOCH_TDS_PER_RING);
	for (unsigned i = 0; i < put; i++) {
		driver_complete(&d, IN, USBDEV_STATUS_OK, 1);
		driver_expect(&d, IN, MORE_TRBS + 16ull * i, XHCI_CC_SUCCESS, 0);
	}
	expect_no_event(d.f);
	driver_end(&d);
}

static void frame_ahead_is_waited_for(void **state)
{
	struct driver d;
	uint64_t first;

	start(&d, *state);
	advance_ns(d.f, 5 * FRAME_NS + 300000);
	first = put_isoch(&d, OUT, 10, FRAME(frame_now(&d) + 20) | XHCI_TRB_IOC);
	put_isoch(&d, OUT, 10, FRAME(frame_now(&d) + 21) | XHCI_TRB_IOC);
	put_isoch(&d, OUT, 10, FRAME(frame_now(&d) + 22) | XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 0);
	advance_ns(d.f, 19 * FRAME_NS);
	driver_ring(&d, OUT); /* ringing does not hurry it */
	assert_int_equal(d.fake.submits, 0);
	advance_ns(d.f, FRAME_NS - 300000 - 1);
	assert_int_equal(d.fake.submits, 0);
	advance_ns(d.f, 1);
	/* the others follow it in order, at once: the device keeps the time */
	assert_int_equal(d.fake.submits, 3);
	assert_int_equal(d.f->wake_at_ns, 0);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 10);
	driver_expect(&d, OUT, first, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* A machine under load wakes up late: TDs queued in time are not missed. */
static void waking_up_late_misses_nothing(void **state)
{
	struct driver d;

	start(&d, *state);
	for (unsigned i = 0; i < 3; i++)
		put_isoch(&d, OUT, 10, FRAME(frame_now(&d) + 20 + i) | XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	advance_ns(d.f, 27 * FRAME_NS);
	assert_int_equal(d.fake.submits, 3);
	expect_no_event(d.f);
	driver_end(&d);
}

static void passed_frames_are_missed(void **state)
{
	struct driver d;
	uint64_t trbs[5];
	unsigned now;

	start(&d, *state);
	advance_ns(d.f, 100 * FRAME_NS);
	now = frame_now(&d);
	for (unsigned i = 0; i < ARRAY_SIZE(trbs); i++) /* now - 2 ... now + 2 */
		trbs[i] = put_isoch(&d, IN, 64, FRAME(now + i - 2) | XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_expect(&d, IN, trbs[0], XHCI_CC_MISSED_SERVICE_ERROR, 64);
	driver_expect(&d, IN, trbs[1], XHCI_CC_MISSED_SERVICE_ERROR, 64);
	expect_no_event(d.f);
	assert_int_equal(d.fake.submits, 3);
	assert_int_equal(driver_ep_state(&d, IN), XHCI_EP_STATE_RUNNING);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 64);
	driver_expect(&d, IN, trbs[2], XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* 4.11.2.5: 895 ms ahead is the farthest; over the wrap of the counter too. */
static void window_of_frames(void **state)
{
	static const unsigned nows[] = {10, 2047, 1500, 2048 + 1200};
	struct driver d;

	start(&d, *state);
	for (unsigned i = 0; i < ARRAY_SIZE(nows); i++) {
		unsigned submits = d.fake.submits;
		uint64_t far;
		uint64_t too_far;

		while (frame_now(&d) != nows[i] % FRAME_IDS)
			advance_ns(d.f, FRAME_NS);
		too_far = put_isoch(&d, OUT, 8, FRAME(nows[i] + 896));
		far = put_isoch(&d, OUT, 8, FRAME(nows[i] + 895) | XHCI_TRB_IOC);
		driver_ring(&d, OUT);
		driver_expect(&d, OUT, too_far, XHCI_CC_MISSED_SERVICE_ERROR, 8);
		advance_ns(d.f, 894 * FRAME_NS);
		assert_int_equal(d.fake.submits, submits);
		advance_ns(d.f, FRAME_NS);
		assert_int_equal(d.fake.submits, submits + 1);
		driver_complete(&d, OUT, USBDEV_STATUS_OK, 8);
		driver_expect(&d, OUT, far, XHCI_CC_SUCCESS, 0);
		advance_ns(d.f, 2 * FRAME_NS);
		(void)expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT); /* underrun */
	}
	driver_end(&d);
}

/* The frames of real devices drift against MFINDEX. */
static void running_stream_does_not_look_at_frames(void **state)
{
	struct driver d;
	unsigned now;

	start(&d, *state);
	now = frame_now(&d);
	put_sia(&d, IN, 8);
	put_sia(&d, IN, 8);
	driver_ring(&d, IN);
	put_isoch(&d, IN, 8, FRAME(now - 5));
	put_isoch(&d, IN, 8, FRAME(now + 500));
	put_isoch(&d, IN, 8, FRAME(now + 1200));
	driver_ring(&d, IN);
	assert_int_equal(d.fake.submits, 5);
	expect_no_event(d.f);
	driver_end(&d);
}

#define DRIFT_FRAMES 4400000u

/* More than 2^32 microseconds, on a bus whose frames are 200 ppm too long, with Frame IDs
 * that count this controller's frames. */
static void drift_does_not_matter(void **state)
{
	const unsigned ahead = 8;
	struct driver d;
	unsigned frame;

	start(&d, *state);
	driver_put(&d, OUT, MORE_TRBS, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	d.rings[OUT] = (struct driver_ring){MORE_TRBS, 0, true};
	frame = frame_now(&d) + 10;
	for (unsigned n = 0; n < DRIFT_FRAMES + ahead; n++) {
		struct driver_ring *ring = &d.rings[OUT];

		if (ring->index == 15) { /* a ring of sixteen */
			driver_put(&d, OUT, MORE_TRBS, 0,
				   xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) | XHCI_TRB_TC);
			*ring = (struct driver_ring){MORE_TRBS, 0, !ring->cycle};
		}
		put_isoch(&d, OUT, 8, FRAME(frame + n) | XHCI_TRB_IOC);
		driver_ring(&d, OUT);
		if (n < ahead)
			continue;
		advance_ns(d.f, n == ahead ? 11 * FRAME_NS : FRAME_NS + 200);
		driver_complete(&d, OUT, USBDEV_STATUS_OK, 8);
		driver_expect(&d, OUT, MORE_TRBS + (n - ahead) % 15 * XHCI_TRB_SIZE,
			      XHCI_CC_SUCCESS, 0);
	}
	expect_no_event(d.f);
	driver_end(&d);
}

static void empty_ring_is_told_once(void **state)
{
	static const struct {
		unsigned dci;
		enum xhci_cc cc;
	} cases[] = {{OUT, XHCI_CC_RING_UNDERRUN}, {IN, XHCI_CC_RING_OVERRUN}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned dci = cases[i].dci;
		struct driver d;

		if (i > 0) {
			fixture_teardown(state);
			fixture_setup(state);
		}
		start(&d, *state);
		advance_ns(d.f, 100 * FRAME_NS);
		expect_no_event(d.f); /* it has never run */
		for (unsigned n = 0; n < 2; n++) {
			start_stream(&d, dci);
			advance_ns(d.f, FRAME_NS - 1);
			expect_no_event(d.f);
			advance_ns(d.f, 1);
			driver_expect(&d, dci, 0, cases[i].cc, 0);
			assert_int_equal(driver_ep_state(&d, dci), XHCI_EP_STATE_RUNNING);
			advance_ns(d.f, 100 * FRAME_NS);
			driver_ring(&d, dci);
			expect_no_event(d.f);
			assert_int_equal(d.f->wake_at_ns, 0);
		}
		driver_end(&d);
	}
}

/* No ring is empty for want of a service interval. */
static void grace_is_an_interval(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	driver_address(&d);
	configure(&d, 7); /* 16 ms */
	start_stream(&d, OUT);
	advance_ns(d.f, 16 * FRAME_NS - 1);
	expect_no_event(d.f);
	advance_ns(d.f, 1);
	driver_expect(&d, OUT, 0, XHCI_CC_RING_UNDERRUN, 0);
	driver_end(&d);
}

static void interval_beyond_all_bounds(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	driver_address(&d);
	configure(&d, 255);
	start_stream(&d, OUT);
	advance_ns(d.f, 4096 * FRAME_NS - 1);
	expect_no_event(d.f);
	advance_ns(d.f, 1);
	driver_expect(&d, OUT, 0, XHCI_CC_RING_UNDERRUN, 0);
	driver_end(&d);
}

static void queueing_in_time_goes_on(void **state)
{
	struct driver d;

	start(&d, *state);
	start_stream(&d, OUT);
	advance_ns(d.f, FRAME_NS - 1);
	/* still the same stream: a passed frame does not matter */
	put_isoch(&d, OUT, 8, FRAME(frame_now(&d) - 1));
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 2);
	assert_int_equal(d.f->wake_at_ns, 0);
	advance_ns(d.f, 100 * FRAME_NS);
	expect_no_event(d.f); /* the device has it */
	driver_end(&d);
}

static void stream_after_an_underrun_looks_at_frames(void **state)
{
	struct driver d;
	uint64_t late;

	start(&d, *state);
	start_stream(&d, OUT);
	advance_ns(d.f, FRAME_NS);
	driver_expect(&d, OUT, 0, XHCI_CC_RING_UNDERRUN, 0);
	late = put_isoch(&d, OUT, 8, FRAME(frame_now(&d) - 1));
	driver_ring(&d, OUT);
	driver_expect(&d, OUT, late, XHCI_CC_MISSED_SERVICE_ERROR, 8);
	driver_end(&d);
}

/* The event that found no room comes when there is some, and once. */
static void underrun_waits_for_room(void **state)
{
	struct driver d;
	struct xhci_trb trb;
	unsigned underruns = 0;

	start(&d, *state);
	start_stream(&d, OUT);
	for (unsigned i = 0; i < FIXTURE_EVENTS_TRBS; i++)
		driver_put(&d, IN, 0, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP) | XHCI_TRB_IOC);
	driver_ring(&d, IN);
	advance_ns(d.f, 10 * FRAME_NS);
	assert_int_equal(d.f->wake_at_ns, 0); /* waits for the guest, not for time */
	for (unsigned quiet = 0; quiet < 3;) {
		run_until_idle(d.f);
		if (!event_next(d.f, &d.f->events, &trb)) {
			event_handled(d.f, &d.f->events);
			quiet++;
			continue;
		}
		if (xhci_trb_dci(&trb) == OUT) {
			assert_int_equal(trb.status >> 24, XHCI_CC_RING_UNDERRUN);
			underruns++;
		}
		event_handled(d.f, &d.f->events);
	}
	assert_int_equal(underruns, 1);
	driver_end(&d);
}

static void stop_takes_packets_back(void **state)
{
	struct driver d;
	uint64_t first, second;

	start(&d, *state);
	d.fake.hold_cancelled = true;
	first = put_sia(&d, IN, 100);
	second = put_sia(&d, IN, 100);
	put_sia(&d, IN, 100);
	driver_ring(&d, IN);
	driver_stop_put(&d, IN);
	expect_no_event(d.f);
	assert_int_equal(d.fake.cancels, 3);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
	driver_expect(&d, IN, first, XHCI_CC_SUCCESS, 0);
	driver_complete(&d, IN, USBDEV_STATUS_CANCELLED, 40);
	driver_complete(&d, IN, USBDEV_STATUS_CANCELLED, 0);
	driver_expect(&d, IN, second, XHCI_CC_STOPPED, 60);
	expect_command(&d, XHCI_CC_SUCCESS);
	assert_int_equal(driver_context(&d, IN, 2), (uint32_t)second | 1);
	advance_ns(d.f, 100 * FRAME_NS);
	expect_no_event(d.f); /* stopped is not run empty */

	/* the second goes again, from its start: a packet has no middle */
	driver_ring(&d, IN);
	assert_int_equal(fake_dev_count(&d.fake, ADDR_IN), 2);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 100);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
	driver_expect(&d, IN, second, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void unlink_goes_on_behind(void **state)
{
	struct driver d;
	uint64_t next;

	start(&d, *state);
	put_sia(&d, IN, 100);
	next = put_sia(&d, IN, 200);
	driver_ring(&d, IN);
	driver_stop_put(&d, IN);
	(void)expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
	expect_command(&d, XHCI_CC_SUCCESS);
	assert_int_equal(driver_set_dequeue(&d, IN, next | 1), XHCI_CC_SUCCESS);
	driver_ring(&d, IN);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 200);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 200);
	driver_expect(&d, IN, next, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void stop_while_waiting_for_a_frame(void **state)
{
	struct driver d;
	uint64_t trb;

	start(&d, *state);
	trb = put_isoch(&d, OUT, 10, FRAME(frame_now(&d) + 50) | XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_not_equal(d.f->wake_at_ns, 0);
	driver_stop_put(&d, OUT);
	expect_command(&d, XHCI_CC_SUCCESS);
	assert_int_equal(d.f->wake_at_ns, 0);
	assert_int_equal(driver_context(&d, OUT, 2), (uint32_t)trb | 1);
	advance_ns(d.f, 60 * FRAME_NS);
	assert_int_equal(d.fake.submits, 0);
	driver_ring(&d, OUT);
	driver_expect(&d, OUT, trb, XHCI_CC_MISSED_SERVICE_ERROR, 10);
	driver_end(&d);
}

/* What waits for a time goes with its endpoint. */
static void endpoint_dropped_while_waiting(void **state)
{
	struct driver d;

	start(&d, *state);
	put_isoch(&d, OUT, 10, FRAME(frame_now(&d) + 50));
	driver_ring(&d, OUT);
	start_stream(&d, IN);
	driver_input(&d, BIT(OUT) | BIT(IN), 1);
	assert_int_equal(
		driver_command(&d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, DRIVER_INPUT_IOVA, 0)
			.cc,
		XHCI_CC_SUCCESS);
	assert_int_equal(d.f->wake_at_ns, 0);
	advance_ns(d.f, 60 * FRAME_NS);
	assert_int_equal(d.fake.submits, 1);
	expect_no_event(d.f);
	driver_end(&d);
}

static void controller_reset_while_streaming(void **state)
{
	struct driver d;

	start(&d, *state);
	d.fake.hold_cancelled = true;
	put_sia(&d, IN, 100);
	put_sia(&d, IN, 100);
	driver_ring(&d, IN);
	put_isoch(&d, OUT, 10, FRAME(frame_now(&d) + 50));
	driver_ring(&d, OUT);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(d.f);
	assert_false(xhci_idle(d.f->xhci));
	while (fake_dev_first(&d.fake, ADDR_IN))
		driver_complete(&d, IN, USBDEV_STATUS_CANCELLED, 0);
	assert_true(xhci_idle(d.f->xhci));
	advance_ns(d.f, 60 * FRAME_NS);
	assert_int_equal(d.fake.submits, 2);
	driver_end(&d);
}

static void controller_halted_and_run_again(void **state)
{
	struct driver d;
	uint64_t trb;

	start(&d, *state);
	trb = put_sia(&d, IN, 100);
	driver_ring(&d, IN);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(d.f);
	assert_true(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	advance_ns(d.f, 100 * FRAME_NS);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	run_until_idle(d.f);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* The guest resets the port under the stream: the transfers that the device holds fail. */
static void port_reset_while_streaming(void **state)
{
	struct driver d;
	uint64_t trbs[2];

	start(&d, *state);
	for (unsigned i = 0; i < ARRAY_SIZE(trbs); i++)
		trbs[i] = put_sia(&d, IN, 100);
	driver_ring(&d, IN);
	write32(d.f, PORT(d.port, PORTSC), XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	for (unsigned i = 0; i < ARRAY_SIZE(trbs); i++)
		driver_expect(&d, IN, trbs[i], XHCI_CC_USB_TRANSACTION_ERROR, 100);
	fake_dev_reset_done(&d.fake, 0);
	(void)expect_event(d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_RESET_DEVICE, 0, 0).cc,
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_ep_state(&d, IN), XHCI_EP_STATE_DISABLED);
	advance_ns(d.f, 100 * FRAME_NS);
	expect_no_event(d.f);
	driver_end(&d);
}

/* Those with the device fail; more are not taken: nothing would pace their errors. */
static void unplugged_while_streaming(void **state)
{
	struct driver d;
	uint64_t first, second;

	start(&d, *state);
	first = put_sia(&d, IN, 100);
	second = put_sia(&d, IN, 100);
	driver_ring(&d, IN);
	driver_end(&d);
	(void)expect_event(d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	driver_expect(&d, IN, first, XHCI_CC_USB_TRANSACTION_ERROR, 100);
	driver_expect(&d, IN, second, XHCI_CC_USB_TRANSACTION_ERROR, 100);
	put_sia(&d, IN, 100);
	driver_ring(&d, IN);
	advance_ns(d.f, 100 * FRAME_NS);
	expect_no_event(d.f);
	assert_int_equal(driver_stop(&d, IN), XHCI_CC_SUCCESS);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_DISABLE_SLOT, 0, 0).cc,
			 XHCI_CC_SUCCESS);
}

static void trbs_that_do_not_fit(void **state)
{
	struct driver d;
	uint64_t trb;

	start(&d, *state);
	trb = driver_normal(&d, IN, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_expect(&d, IN, trb, XHCI_CC_TRB_ERROR, 8);
	assert_int_equal(driver_ep_state(&d, IN), XHCI_EP_STATE_ERROR);

	put_isoch(&d, OUT, 8, XHCI_TRB_SIA | XHCI_TRB_CH);
	trb = put_isoch(&d, OUT, 8, XHCI_TRB_SIA | XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_expect(&d, OUT, trb, XHCI_CC_TRB_ERROR, 8);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_ERROR);
	assert_int_equal(d.fake.submits, 0);
	driver_end(&d);
}

static void isoch_trb_on_another_ring(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = put_isoch(&d, DRIVER_BULK_IN_DCI, 8, XHCI_TRB_SIA | XHCI_TRB_IOC);
	driver_ring(&d, DRIVER_BULK_IN_DCI);
	driver_expect(&d, DRIVER_BULK_IN_DCI, trb, XHCI_CC_TRB_ERROR, 8);
	driver_end(&d);
}

/* A driver turns TDs that it has cancelled into these. */
static void noops_take_no_interval(void **state)
{
	struct driver d;
	uint64_t noop, trb;

	start(&d, *state);
	noop = driver_put(&d, IN, 0, 0,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP) | XHCI_TRB_IOC);
	trb = put_isoch(&d, IN, 8, FRAME(frame_now(&d) - 1) | XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_expect(&d, IN, noop, XHCI_CC_SUCCESS, 0);
	/* and start no stream */
	driver_expect(&d, IN, trb, XHCI_CC_MISSED_SERVICE_ERROR, 8);
	assert_int_equal(d.fake.submits, 0);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(td_is_one_transfer),
		T(large_payload_in_several_trbs),
		T(each_packet_has_its_length),
		T(packet_without_data),
		T(out_packet_counts_as_whole),
		T(errors_do_not_halt),
		T(unreachable_data_is_not_sent_again),
		T(error_in_a_chain_is_told_there_and_at_the_end),
		T(event_data_of_good_short_and_failed_tds),
		T(blocked_interrupts),
		T(hundreds_are_queued_ahead),
		T(frame_ahead_is_waited_for),
		T(waking_up_late_misses_nothing),
		T(passed_frames_are_missed),
		T(window_of_frames),
		T(running_stream_does_not_look_at_frames),
		T(drift_does_not_matter),
		T(empty_ring_is_told_once),
		T(grace_is_an_interval),
		T(interval_beyond_all_bounds),
		T(queueing_in_time_goes_on),
		T(stream_after_an_underrun_looks_at_frames),
		T(underrun_waits_for_room),
		T(stop_takes_packets_back),
		T(unlink_goes_on_behind),
		T(stop_while_waiting_for_a_frame),
		T(endpoint_dropped_while_waiting),
		T(controller_reset_while_streaming),
		T(controller_halted_and_run_again),
		T(port_reset_while_streaming),
		T(unplugged_while_streaming),
		T(trbs_that_do_not_fit),
		T(isoch_trb_on_another_ring),
		T(noops_take_no_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
