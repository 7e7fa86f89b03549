/* SPDX-License-Identifier: MIT
 * stuck.c - a device that never completes its transfers
 *
 * At first the host can unlink them, as with a real controller. Then the process that
 * plays the device is stopped. Now vhci_hcd cannot unlink either, because it asks that
 * process, so no URB comes back at all.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/endurance/kinds.h"

#define TDS      16u
#define TD_BYTES 65536u
#define WARM     32u
/* At high speed; a transfer of a whole packet does not end another one early. */
#define PACKET_BYTES 512u
#define DEAD_MOST    24u
/* Below the guest's own timeout of 5 s for a Stop Endpoint. */
#define STOP_MS_MOST 4500u

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Queues TDs that get no data, stops the endpoint and cancels them, like a driver whose
 * URBs time out. Return: milliseconds of the Stop Endpoint. */
static uint64_t stop_once(struct endure *e, struct guest_buf buf)
{
	struct drv_slot *slot = e->device.slot;
	unsigned dci = e->device.bulk_in;
	uint64_t started;
	int r;

	for (unsigned i = 0; i < TDS; i++)
		(void)drv_push_td(slot, dci, buf.iova, TD_BYTES, NULL);
	drv_endpoint_doorbell(slot, dci);
	started = now_ms();
	r = drv_stop_endpoint(slot, dci);
	started = now_ms() - started;
	if (r != XCC_SUCCESS)
		endure_fail(e, "Stop Endpoint: %d", r);
	if (started > STOP_MS_MOST)
		endure_fail(e, "Stop Endpoint took %llu ms", (unsigned long long)started);
	r = drv_set_dequeue(slot, dci, 0);
	if (r != XCC_SUCCESS)
		endure_fail(e, "Set TR Dequeue: %d", r);
	drv_forget(&e->drv);
	/* the daemon still serves other clients */
	endure_ask(e, "{'verb':'list'}", NULL);
	return started;
}

/* The device completes its transfers in order, so this data comes after all older
 * ones. */
static void exchange(struct endure *e, struct guest_buf buf)
{
	uint8_t *data = buf.ptr;

	memset(data, 0x5a, PACKET_BYTES);
	memset(data + PACKET_BYTES, 0, PACKET_BYTES);
	if (endure_move(e, e->device.bulk_out, buf.iova, PACKET_BYTES, PACKET_BYTES) !=
		    MOVED_ALL ||
	    endure_move(e, e->device.bulk_in, buf.iova + PACKET_BYTES, PACKET_BYTES,
			PACKET_BYTES) != MOVED_ALL ||
	    memcmp(data, data + PACKET_BYTES, PACKET_BYTES) != 0)
		endure_fail(e, "the device does not recover");
}

static void dead(struct endure *e, struct guest_buf buf, int program)
{
	struct endure_figures before, after;
	uint64_t slowest = 0, total = 0;

	if (kill(program, SIGSTOP) < 0)
		endure_fail(e, "stopping %d: %s", program, strerror(errno));
	/* the first stop may have to abandon URBs in the kernel */
	total = stop_once(e, buf);
	before = endure_figures(e);
	for (unsigned i = 1; i < DEAD_MOST; i++) {
		uint64_t ms = stop_once(e, buf);

		slowest = MAX_OF(slowest, ms);
		total += ms;
	}
	after = endure_figures(e);
	(void)printf("dead: %u stops in %llu ms, the slowest but the first %llu ms; own "
		     "memory "
		     "%llu KiB, %llu KiB\n",
		     DEAD_MOST, (unsigned long long)total, (unsigned long long)slowest,
		     (unsigned long long)before.usage.rss_anon_kib,
		     (unsigned long long)after.usage.rss_anon_kib);
	if (after.usage.rss_anon_kib >
	    before.usage.rss_anon_kib + 2 * TDS * TD_BYTES / 1024)
		endure_fail(e, "the daemon has grown");
	if (kill(program, SIGCONT) < 0)
		endure_fail(e, "continuing %d: %s", program, strerror(errno));
	exchange(e, buf);
}

void endure_stuck(struct endure *e, const struct endure_amount *amount, int program)
{
	struct guest_buf buf =
		guest_alloc(&e->ram, GUEST_RAM_ZONE_HIGH, TD_BYTES, TD_BYTES);
	struct endure_figures before = {0};
	uint64_t started, slowest = 0;

	endure_start(e);
	endure_find(e);
	started = now_ms();
	for (unsigned i = 0; i < amount->rounds; i++) {
		slowest = MAX_OF(slowest, stop_once(e, buf));
		if (i == WARM)
			before = endure_figures(e);
	}
	(void)printf("stuck: %u stops of %u TDs each in %llu ms, the slowest %llu ms\n",
		     amount->rounds, TDS, (unsigned long long)(now_ms() - started),
		     (unsigned long long)slowest);
	if (program > 0)
		dead(e, buf, program);
	endure_compare(e, &before);
	endure_finish(e);
}
