/* SPDX-License-Identifier: MIT
 * poke_bulk.c - usb-poke's commands for bulk and interrupt transfers
 *
 * usbfs accepts transfers of type bulk for interrupt endpoints too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/vm/devices/poke.h"
#include "util/compiler.h"

#define DEPTH_MAX 64u

static struct poke_urb *bulk(uint8_t ep_addr, size_t bytes)
{
	return poke_urb_create(USBDEVFS_URB_TYPE_BULK, ep_addr, bytes, 0);
}

/* Runs one transfer. Return: its status if that is not 0 */
static int one(struct poke *poke, uint8_t ep_addr, size_t len, int timeout_ms,
	       unsigned flags)
{
	struct poke_urb *urb = bulk(ep_addr, len), *done = NULL;
	uint64_t start = poke_now_ns();
	int r;

	for (size_t i = 0; i < len && !(ep_addr & 0x80); i++)
		urb->data[i] = (uint8_t)(i * 7);
	urb->urb.flags = flags;
	r = poke_submit(poke, urb, len);
	if (r == 0) {
		r = poke_reap(poke, timeout_ms, &done);
		if (r < 0)
			poke_cancel(poke, urb);
		else
			r = urb->urb.status;
		poke_tell(poke, " actual=%d us=%llu", urb->urb.actual_length,
			  (unsigned long long)((poke_now_ns() - start) / 1000u));
	}
	if (r == 0 && (ep_addr & 0x80)) {
		poke_tell(poke, " checksum=%08x bytes=",
			  poke_sum(urb->data, (size_t)urb->urb.actual_length));
		for (int i = 0; i < urb->urb.actual_length && i < 16; i++)
			poke_tell(poke, "%02x", urb->data[i]);
	}
	poke_urb_destroy(urb);
	return r;
}

static int in(struct poke *poke)
{
	return one(poke, (uint8_t)(poke_number(poke, 0, 0) | 0x80),
		   poke_number(poke, 1, 512), (int)poke_number(poke, 2, POKE_TIMEOUT_MS),
		   0);
}

static int out(struct poke *poke)
{
	bool zero = poke_number(poke, 3, 0);

	return one(poke, (uint8_t)poke_number(poke, 0, 0), poke_number(poke, 1, 512),
		   (int)poke_number(poke, 2, POKE_TIMEOUT_MS),
		   zero ? USBDEVFS_URB_ZERO_PACKET : 0);
}

/* Many transfers on one endpoint, @depth of them queued. */
struct stream {
	uint8_t ep_addr;
	size_t size;
	unsigned depth;
	unsigned long count;
	unsigned long submitted, completed;
	uint64_t bytes;
	uint32_t
		next; /* position in the pattern: next to complete (IN) or to submit (OUT) */
	uint32_t wrong;
	bool check;
	struct poke_urb *urbs[DEPTH_MAX];
};

static void stream_init(struct stream *s, uint8_t ep_addr, size_t size, unsigned depth,
			unsigned long count)
{
	memset(s, 0, sizeof(*s));
	s->ep_addr = ep_addr;
	s->size = size;
	s->depth = MIN_OF(MAX_OF(depth, 1u), DEPTH_MAX);
	s->count = count;
	for (unsigned i = 0; i < s->depth; i++) {
		s->urbs[i] = bulk(ep_addr, size);
		s->urbs[i]->urb.usercontext = s;
	}
}

static void stream_finish(struct poke *poke, struct stream *s)
{
	for (unsigned i = 0; i < s->depth; i++)
		(void)ioctl(poke->fd, USBDEVFS_DISCARDURB, &s->urbs[i]->urb);
	while (s->completed < s->submitted) {
		struct poke_urb *done;

		if (poke_reap(poke, POKE_TIMEOUT_MS, &done) < 0)
			break;
		((struct stream *)done->urb.usercontext)->completed++;
	}
	for (unsigned i = 0; i < s->depth; i++)
		poke_urb_destroy(s->urbs[i]);
}

/* A pattern whose period, 251, divides no packet size. */
static uint8_t place_byte(uint32_t place)
{
	return (uint8_t)(place % 251u);
}

static int stream_submit(struct poke *poke, struct stream *s, struct poke_urb *urb)
{
	int r;

	if (s->submitted == s->count)
		return 0;
	for (size_t i = 0; i < s->size && s->check && !(s->ep_addr & 0x80); i++)
		urb->data[i] = place_byte(s->next++);
	r = poke_submit(poke, urb, s->size);
	s->submitted += r == 0;
	return r;
}

static int stream_start(struct poke *poke, struct stream *s)
{
	int r = 0;

	for (unsigned i = 0; i < s->depth && r == 0; i++)
		r = stream_submit(poke, s, s->urbs[i]);
	return r;
}

static int stream_completed(struct poke *poke, struct poke_urb *urb)
{
	struct stream *s = urb->urb.usercontext;

	s->completed++;
	s->bytes += (uint64_t)urb->urb.actual_length;
	if (urb->urb.status < 0)
		return urb->urb.status;
	for (int i = 0; i < urb->urb.actual_length && s->check && (s->ep_addr & 0x80);
	     i++)
		s->wrong += urb->data[i] != place_byte(s->next++);
	if ((size_t)urb->urb.actual_length != s->size)
		return -EREMOTEIO;
	return stream_submit(poke, s, urb);
}

/* Runs both to their ends; @b may be NULL. */
static int run(struct poke *poke, struct stream *a, struct stream *b)
{
	uint64_t start = poke_now_ns(), cpu = poke_cpu_us(), ns, bytes;
	int r = stream_start(poke, a);

	if (r == 0 && b)
		r = stream_start(poke, b);
	while (r == 0 && (a->completed < a->count || (b && b->completed < b->count))) {
		struct poke_urb *done;

		r = poke_reap(poke, POKE_TIMEOUT_MS, &done);
		if (r == 0)
			r = stream_completed(poke, done);
	}
	ns = poke_now_ns() - start;
	cpu = poke_cpu_us() - cpu;
	bytes = a->bytes + (b ? b->bytes : 0);
	poke_tell(poke,
		  " transfers=%lu bytes=%llu ms=%llu kib_per_s=%llu cpu_us_per_mib=%llu",
		  a->completed + (b ? b->completed : 0), (unsigned long long)bytes,
		  (unsigned long long)(ns / 1000000u),
		  (unsigned long long)(ns ? bytes * 1000000000ull / ns / 1024 : 0),
		  (unsigned long long)(bytes ? cpu * 1048576ull / bytes : 0));
	stream_finish(poke, a);
	if (b) {
		stream_finish(poke, b);
		poke_tell(poke, " wrong=%u", b->wrong);
		if (r == 0 && b->wrong)
			r = -EBADMSG;
	}
	return r;
}

static int read_many(struct poke *poke)
{
	struct stream s;

	stream_init(&s, (uint8_t)(poke_number(poke, 0, 0) | 0x80),
		    poke_number(poke, 1, 65536), (unsigned)poke_number(poke, 2, 8),
		    poke_number(poke, 3, 256));
	return run(poke, &s, NULL);
}

static int write_many(struct poke *poke)
{
	struct stream s;

	stream_init(&s, (uint8_t)poke_number(poke, 0, 0), poke_number(poke, 1, 65536),
		    (unsigned)poke_number(poke, 2, 8), poke_number(poke, 3, 256));
	return run(poke, &s, NULL);
}

static int loop(struct poke *poke)
{
	struct stream a, b;
	size_t size = poke_number(poke, 2, 16384);
	unsigned depth = (unsigned)poke_number(poke, 3, 4);
	unsigned long count = poke_number(poke, 4, 100);

	stream_init(&a, (uint8_t)poke_number(poke, 0, 1), size, depth, count);
	stream_init(&b, (uint8_t)(poke_number(poke, 1, 1) | 0x80), size, depth, count);
	a.check = b.check = true;
	return run(poke, &a, &b);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Measures an OUT and then an IN transfer of the same size; or, without @both, one transfer. */
static int round_trips(struct poke *poke, bool both)
{
	int at = both ? 2 : 1;
	uint8_t first = (uint8_t)poke_number(poke, 0, 1);
	uint8_t second = (uint8_t)(both ? poke_number(poke, 1, 1) | 0x80 : 0);
	unsigned long count = MAX_OF(poke_number(poke, at, 1000), 1);
	size_t size = poke_number(poke, at + 1, 512);
	struct poke_urb *urbs[2] = {bulk(first, size), bulk(second, size)}, *done;
	_cleanup_free_ uint32_t *ns = calloc(count, sizeof(*ns));
	int r = ns ? 0 : -ENOMEM;

	for (unsigned long i = 0; i < count && r == 0; i++) {
		uint64_t start = poke_now_ns();

		for (int k = 0; k < (both ? 2 : 1) && r == 0; k++) {
			r = poke_submit(poke, urbs[k], size);
			if (r == 0)
				r = poke_reap(poke, POKE_TIMEOUT_MS, &done);
			if (r == 0)
				r = done->urb.status;
		}
		ns[i] = (uint32_t)(poke_now_ns() - start);
	}
	if (r == 0) {
		qsort(ns, count, sizeof(*ns), compare);
		poke_tell(poke, " count=%lu min_us=%u median_us=%u p99_us=%u", count,
			  ns[0] / 1000, ns[count / 2] / 1000,
			  ns[count * 99 / 100] / 1000);
	}
	poke_urb_destroy(urbs[0]);
	poke_urb_destroy(urbs[1]);
	return r;
}

static int latency(struct poke *poke)
{
	return round_trips(poke, true);
}

static int latency_one(struct poke *poke)
{
	return round_trips(poke, false);
}

/* Each round submits depth transfers, discards all of them and reaps all of them. */
static int unlink_many(struct poke *poke)
{
	uint8_t ep_addr = (uint8_t)poke_number(poke, 0, 0x81);
	unsigned long count = poke_number(poke, 1, 1000);
	size_t size = poke_number(poke, 2, 512);
	unsigned depth = MIN_OF((unsigned)poke_number(poke, 3, 1), DEPTH_MAX);
	unsigned long taken_back = 0, done_before = 0, other = 0;
	struct poke_urb *urbs[DEPTH_MAX], *done;
	int r = 0;

	for (unsigned i = 0; i < depth; i++)
		urbs[i] = bulk(ep_addr, size);
	for (unsigned long n = 0; n < count && r == 0; n++) {
		unsigned queued = 0;

		while (queued < depth && (r = poke_submit(poke, urbs[queued], size)) == 0)
			queued++;
		for (unsigned i = 0; i < queued; i++)
			(void)ioctl(poke->fd, USBDEVFS_DISCARDURB, &urbs[i]->urb);
		for (; queued > 0 && r == 0; queued--) {
			r = poke_reap(poke, POKE_TIMEOUT_MS, &done);
			if (r < 0)
				break;
			if (done->urb.status == -ENOENT ||
			    done->urb.status == -ECONNRESET)
				taken_back++;
			else if (done->urb.status == 0)
				done_before++;
			else
				other++;
		}
	}
	poke_tell(poke, " taken_back=%lu done_before=%lu other=%lu", taken_back,
		  done_before, other);
	for (unsigned i = 0; i < depth && r == 0; i++)
		poke_urb_destroy(urbs[i]);
	return r == 0 && other ? -EPROTO : r;
}

const struct poke_command POKE_BULK[] = {
	{"in", "ENDPOINT LENGTH [TIMEOUT_MS]: one bulk or interrupt transfer", 2, in},
	{"out", "ENDPOINT LENGTH [TIMEOUT_MS ZERO_PACKET]: byte i is i * 7", 2, out},
	{"read", "ENDPOINT SIZE DEPTH COUNT: throughput", 4, read_many},
	{"write", "ENDPOINT SIZE DEPTH COUNT: throughput", 4, write_many},
	{"loop", "OUT IN SIZE DEPTH COUNT: sends data and compares what returns", 5,
	 loop},
	{"latency", "OUT IN [COUNT SIZE]: time of an OUT and an IN, one after the other",
	 2, latency},
	{"latency-one", "ENDPOINT [COUNT SIZE]: time of a transfer", 1, latency_one},
	{"unlink", "ENDPOINT COUNT [SIZE DEPTH]: submits and discards transfers", 2,
	 unlink_many},
	{NULL, NULL, 0, NULL},
};
