/* SPDX-License-Identifier: MIT
 * test_isoch.c - isochronous streams with the emulated test device, in real time
 */
#include <poll.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

#define ISO_IN  5u /* DCI of 0x82 */
#define ISO_OUT 4u

#define SIA            (UINT32_C(1) << 31)
#define FRAME_ID(f)    (((f) % 2048u) << 20)
#define PACKETS        100u
#define PACKET_BYTES   UINT64_C(1024)
#define BURST_BYTES    UINT64_C(49152)
#define FRAMES_MFINDEX 2048u
#define STREAM         600u
#define AHEAD          128u
#define IDLE_MS        300

struct stream {
	struct func *f;
	struct drv_device device;
	struct drv_slot *slot;
	struct guest_buf buf;
};

/* Enumerates the device @spec and selects alternate setting @alternate. */
static void begin(struct func *f, struct stream *s, const char *spec, uint8_t alternate)
{
	struct drv_setup set_interface = {
		.request_type = 0x01,
		.request = 11,
		.value = alternate,
	};

	memset(s, 0, sizeof(*s));
	s->f = f;
	func_device(f, spec, &s->device);
	s->slot = s->device.slot;
	s->buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 65536);
	assert_code(drv_control(s->slot, &set_interface, 0, NULL), XCC_SUCCESS);
}

/* An Isoch TRB for packet @i of the buffer. */
static uint64_t push(struct stream *s, unsigned dci, unsigned i, uint32_t flags)
{
	return drv_ring_push(
		&s->slot->endpoints[dci].ring,
		(struct drv_trb){
			.parameter = s->buf.iova + i * PACKET_BYTES,
			.status = (uint32_t)PACKET_BYTES,
			.control = XTRB_TYPE(XTRB_ISOCH) | XTRB_ISP | XTRB_IOC | flags,
		});
}

static unsigned frame_now(struct stream *s)
{
	return drv_read32(&s->f->drv, s->f->drv.rt + XRT_MFINDEX) / 8;
}

/* The next event of the endpoint is this one. */
static void expect(struct stream *s, unsigned dci, uint64_t trb, enum xcc code)
{
	struct drv_event event;

	assert_code(drv_wait_transfer(&s->f->drv, s->slot->id, dci, 0, &event), code);
	assert_int_equal(event.trb.parameter, trb);
}

static void assert_mod63(const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(data[i], i % PACKET_BYTES % 63);
}

static bool log_has(struct func *f, const char *words)
{
	_cleanup_free_ char *text = daemon_stderr(&f->daemon);

	assert_non_null(text);
	return strstr(text, words) != NULL;
}

/* Each packet arrives once, in order, one each millisecond; then an event reports the
 * empty ring. */
static void test_packets_in(void **state)
{
	struct func *f = *state;
	struct stream s;
	uint64_t trbs[PACKETS];
	unsigned first;
	unsigned took;

	begin(f, &s, "zero:speed=high,pattern=mod63", 1);
	memset(s.buf.ptr, 0xa5, PACKETS * PACKET_BYTES);
	for (unsigned i = 0; i < PACKETS; i++)
		trbs[i] = push(&s, ISO_IN, i, SIA);
	first = frame_now(&s);
	drv_endpoint_doorbell(s.slot, ISO_IN);
	for (unsigned i = 0; i < PACKETS; i++) {
		expect(&s, ISO_IN, trbs[i], XCC_SUCCESS);
		assert_mod63((uint8_t *)s.buf.ptr + i * PACKET_BYTES, PACKET_BYTES);
	}
	took = (frame_now(&s) - first) % FRAMES_MFINDEX;
	assert_true(took >= PACKETS - 1);
	expect(&s, ISO_IN, 0, XCC_RING_OVERRUN);
	assert_no_transfer_event(f);
	assert_int_equal(drv_endpoint_state(s.slot, ISO_IN), XEP_STATE_RUNNING);
}

static void test_packets_out(void **state)
{
	struct func *f = *state;
	struct stream s;
	uint64_t trbs[PACKETS];

	begin(f, &s, "zero:speed=super", 1);
	memset(s.buf.ptr, 0, PACKETS * PACKET_BYTES);
	for (unsigned round = 0; round < 2; round++) { /* round 1 is a new stream */
		for (unsigned i = 0; i < PACKETS; i++)
			trbs[i] = push(&s, ISO_OUT, i, SIA);
		drv_endpoint_doorbell(s.slot, ISO_OUT);
		for (unsigned i = 0; i < PACKETS; i++)
			expect(&s, ISO_OUT, trbs[i], XCC_SUCCESS);
		expect(&s, ISO_OUT, 0, XCC_RING_UNDERRUN);
	}
	assert_no_transfer_event(f);
	assert_false(log_has(f, "wrong data"));
	/* prove that the device checks the data */
	((uint8_t *)s.buf.ptr)[PACKET_BYTES - 1] = 1;
	trbs[0] = push(&s, ISO_OUT, 0, SIA);
	drv_endpoint_doorbell(s.slot, ISO_OUT);
	expect(&s, ISO_OUT, trbs[0], XCC_SUCCESS);
	assert_ok(daemon_await_stderr(&f->daemon, "wrong data", DRV_TIMEOUT_MS));
}

/* The guest requeues each completed packet. If this process sleeps for longer than the
 * queue lasts, the ring runs empty, and then the stream continues. */
static void test_stream_that_is_kept_going(void **state)
{
	struct func *f = *state;
	struct stream s;
	uint64_t trbs[STREAM];
	unsigned queued = 0;

	begin(f, &s, "zero:speed=full,pattern=mod63", 1);
	for (unsigned done = 0; done < STREAM; done++) {
		struct drv_event event;
		int r;

		while (queued < STREAM && queued < done + AHEAD) {
			trbs[queued] = push(&s, ISO_IN, queued % AHEAD, SIA);
			queued++;
		}
		drv_endpoint_doorbell(s.slot, ISO_IN);
		do {
			r = drv_wait_transfer(&f->drv, s.slot->id, ISO_IN, 0, &event);
		} while (r == XCC_RING_OVERRUN);
		/* full-speed packets have 1023 bytes, one less than the TD */
		assert_code(r, XCC_SHORT_PACKET);
		assert_int_equal(event.trb.parameter, trbs[done]);
		assert_int_equal(drv_event_length(&event), 1);
	}
	expect(&s, ISO_IN, 0, XCC_RING_OVERRUN);
	assert_no_transfer_event(f);
}

static void test_frame_ahead_and_passed(void **state)
{
	struct func *f = *state;
	struct stream s;
	uint64_t trb;
	unsigned frame;

	begin(f, &s, "zero:speed=high", 1);
	frame = frame_now(&s) + 500;
	trb = push(&s, ISO_IN, 0, FRAME_ID(frame));
	drv_endpoint_doorbell(s.slot, ISO_IN);
	expect(&s, ISO_IN, trb, XCC_SUCCESS);
	assert_true((frame_now(&s) - frame) % FRAMES_MFINDEX < FRAMES_MFINDEX / 2);
	expect(&s, ISO_IN, 0, XCC_RING_OVERRUN);

	trb = push(&s, ISO_IN, 0, FRAME_ID(frame));
	drv_endpoint_doorbell(s.slot, ISO_IN);
	expect(&s, ISO_IN, trb, XCC_MISSED_SERVICE);
	assert_no_transfer_event(f);
	assert_int_equal(drv_endpoint_state(s.slot, ISO_IN), XEP_STATE_RUNNING);
}

/* 48 KiB in one interval, as an Isoch TRB and two Normal TRBs. */
static void test_bursts(void **state)
{
	struct func *f = *state;
	struct drv_ring *ring;
	struct stream s;
	uint64_t last[20];

	begin(f, &s, "zero:speed=super,pattern=mod63", 3);
	ring = &s.slot->endpoints[ISO_IN].ring;
	for (unsigned i = 0; i < ARRAY_SIZE(last); i++) {
		uint64_t at = s.buf.iova + i * BURST_BYTES;

		(void)drv_ring_push(
			ring, (struct drv_trb){
				      .parameter = at,
				      .status = 10000,
				      .control = XTRB_TYPE(XTRB_ISOCH) | XTRB_CH | SIA,
			      });
		(void)drv_push_normal(s.slot, ISO_IN, at + 10000, 20000, XTRB_CH);
		last[i] = drv_push_normal(s.slot, ISO_IN, at + 30000, BURST_BYTES - 30000,
					  XTRB_IOC);
	}
	drv_endpoint_doorbell(s.slot, ISO_IN);
	for (unsigned i = 0; i < ARRAY_SIZE(last); i++) {
		expect(&s, ISO_IN, last[i], XCC_SUCCESS);
		assert_mod63((uint8_t *)s.buf.ptr + i * BURST_BYTES, BURST_BYTES);
	}
}

/* Takes the events of packets that completed before the endpoint stopped. Return: the
 * next packet. */
static unsigned take_until_stopped(struct stream *s, const uint64_t *trbs, unsigned next)
{
	struct drv_event event;

	while (next < PACKETS) {
		int r = drv_wait_transfer(&s->f->drv, s->slot->id, ISO_IN, 0, &event);

		assert_int_equal(event.trb.parameter, trbs[next]);
		if (r == XCC_STOPPED)
			break;
		assert_code(r, XCC_SUCCESS);
		next++;
	}
	return next;
}

/* Stops the endpoint many times during the stream: each packet has one event, in
 * order. */
static void test_stops_lose_nothing(void **state)
{
	struct func *f = *state;
	struct stream s;
	uint64_t trbs[PACKETS];
	unsigned next = 0;

	begin(f, &s, "zero:speed=super", 1);
	for (unsigned i = 0; i < PACKETS; i++)
		trbs[i] = push(&s, ISO_IN, i, SIA);
	while (next < PACKETS) {
		drv_endpoint_doorbell(s.slot, ISO_IN);
		expect(&s, ISO_IN, trbs[next++], XCC_SUCCESS);
		assert_code(drv_stop_endpoint(s.slot, ISO_IN), XCC_SUCCESS);
		next = take_until_stopped(&s, trbs, next);
		if (next < PACKETS)
			assert_int_equal(drv_endpoint_dequeue(s.slot, ISO_IN) &
						 ~UINT64_C(1),
					 trbs[next]);
	}
	assert_int_equal(drv_endpoint_dequeue(s.slot, ISO_IN) & ~UINT64_C(1),
			 drv_ring_position(&s.slot->endpoints[ISO_IN].ring));
}

/* HCRST while packets are in flight. */
static void test_reset_under_way(void **state)
{
	struct func *f = *state;
	struct stream s;

	begin(f, &s, "zero:speed=super", 1);
	for (unsigned i = 0; i < PACKETS; i++)
		(void)push(&s, ISO_IN, i, SIA);
	drv_endpoint_doorbell(s.slot, ISO_IN);
	assert_code(drv_wait_transfer(&f->drv, s.slot->id, ISO_IN, 0, NULL), XCC_SUCCESS);
	assert_mended(f);
}

/* After the end of the stream the daemon is idle. */
static void test_idle_after_a_stream(void **state)
{
	struct func *f = *state;
	struct daemon_usage before;
	struct daemon_usage after;
	struct stream s;
	uint64_t trb;

	begin(f, &s, "zero:speed=super", 1);
	trb = push(&s, ISO_IN, 0, SIA);
	drv_endpoint_doorbell(s.slot, ISO_IN);
	expect(&s, ISO_IN, trb, XCC_SUCCESS);
	expect(&s, ISO_IN, 0, XCC_RING_OVERRUN);
	assert_no_transfer_event(f);
	assert_alive(f);
	(void)poll(NULL, 0, IDLE_MS); /* remaining work ends within a moment */
	assert_ok(daemon_usage(&f->daemon, &before));
	(void)poll(NULL, 0, IDLE_MS);
	assert_ok(daemon_usage(&f->daemon, &after));
	assert_int_equal(after.wakeups - before.wakeups, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_packets_in),
		FUNC_TEST(test_packets_out),
		FUNC_TEST(test_stream_that_is_kept_going),
		FUNC_TEST(test_frame_ahead_and_passed),
		FUNC_TEST(test_bursts),
		FUNC_TEST(test_stops_lose_nothing),
		FUNC_TEST(test_reset_under_way),
		FUNC_TEST(test_idle_after_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
