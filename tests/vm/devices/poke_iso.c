/* SPDX-License-Identifier: MIT
 * poke_iso.c - usb-poke's commands for isochronous transfers
 *
 * The packets are those of vhci-device's counter: a counter, the length, then byte counter + i at
 * offset i.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/vm/devices/poke.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define URBS_MAX 64u

struct iso {
	uint8_t ep_addr;
	unsigned packets, urb_count, size;
	struct poke_urb *urbs[URBS_MAX];
	unsigned in_flight;
	uint32_t counter; /* OUT: the next one; IN: the last one */
	bool started;
	uint64_t bytes, longest_ns;
	unsigned long heard, lost, repeated, empty, bad, errors, urb_errors;
};

static void fill(struct iso *iso, struct poke_urb *urb)
{
	uint8_t *data = urb->data;

	for (unsigned i = 0; i < iso->packets; i++, data += iso->size) {
		urb->urb.iso_frame_desc[i].length = iso->size;
		if (iso->ep_addr & 0x80)
			continue;
		for (unsigned k = 0; k < iso->size; k++)
			data[k] = (uint8_t)(iso->counter + k);
		if (iso->size >= 4)
			put_le32(data, iso->counter);
		if (iso->size >= 6)
			put_le16(data + 4, (uint16_t)iso->size);
		iso->counter++;
	}
}

static void hear(struct iso *iso, const uint8_t *data, unsigned len)
{
	uint32_t counter, step;

	if (len < 4) {
		iso->empty++;
		return;
	}
	counter = get_le32(data);
	step = counter - iso->counter;
	for (unsigned i = 6; i < len; i++) {
		if (data[i] != (uint8_t)(counter + i) ||
		    get_le16(data + 4) != (uint16_t)len) {
			iso->bad++;
			break;
		}
	}
	if (iso->started && (step == 0 || step > UINT32_MAX / 2))
		iso->repeated++;
	else if (iso->started)
		iso->lost += step - 1;
	iso->started = true;
	iso->counter = counter;
	iso->heard++;
	iso->bytes += len;
}

static void completed(struct iso *iso, const struct poke_urb *urb)
{
	const uint8_t *data = urb->data;

	iso->urb_errors += urb->urb.status != 0;
	for (unsigned i = 0; i < iso->packets; i++, data += iso->size) {
		const struct usbdevfs_iso_packet_desc *packet =
			&urb->urb.iso_frame_desc[i];

		if (packet->status != 0)
			iso->errors++;
		else if (iso->ep_addr & 0x80)
			hear(iso, data, MIN_OF(packet->actual_length, iso->size));
		else
			iso->heard++;
	}
}

static int submit(struct poke *poke, struct iso *iso, struct poke_urb *urb)
{
	int r;

	fill(iso, urb);
	urb->urb.flags = USBDEVFS_URB_ISO_ASAP;
	r = poke_submit(poke, urb, (size_t)iso->packets * iso->size);
	iso->in_flight += r == 0;
	return r;
}

static int stream(struct poke *poke, struct iso *iso, unsigned long seconds)
{
	uint64_t start = poke_now_ns(), last = start,
		 end = start + seconds * 1000000000ull;
	int r = 0;

	for (unsigned i = 0; i < iso->urb_count && r == 0; i++)
		r = submit(poke, iso, iso->urbs[i]);
	while (iso->in_flight > 0) {
		struct poke_urb *done;
		uint64_t now;
		int reaped = poke_reap(poke, POKE_TIMEOUT_MS, &done);

		if (reaped < 0)
			return reaped;
		now = poke_now_ns();
		iso->longest_ns = MAX_OF(iso->longest_ns, now - last);
		last = now;
		iso->in_flight--;
		completed(iso, done);
		if (now < end && r == 0)
			r = submit(poke, iso, done);
	}
	poke_tell(poke, " ms=%llu",
		  (unsigned long long)((poke_now_ns() - start) / 1000000u));
	return r;
}

/* Reads arguments from @at on: endpoint, an argument of the command, packets, transfers, size. */
static void prepare(const struct poke *poke, struct iso *iso, int at, uint8_t direction)
{
	memset(iso, 0, sizeof(*iso));
	iso->ep_addr = (uint8_t)(poke_number(poke, at, 1) | direction);
	iso->packets = MIN_OF((unsigned)poke_number(poke, at + 2, 8), 128u);
	iso->urb_count = MIN_OF((unsigned)poke_number(poke, at + 3, 16), URBS_MAX);
	iso->size = (unsigned)poke_number(poke, at + 4, 1023);
	for (unsigned i = 0; i < iso->urb_count; i++)
		iso->urbs[i] =
			poke_urb_create(USBDEVFS_URB_TYPE_ISO, iso->ep_addr,
					(size_t)iso->packets * iso->size, iso->packets);
}

/* @r: result of the stream. After an error, transfers stay allocated: the kernel may still have
 * some. */
static int finish(struct poke *poke, const struct iso *iso, int r)
{
	poke_tell(poke,
		  " packets=%lu bytes=%llu lost=%lu repeated=%lu empty=%lu bad=%lu "
		  "errors=%lu "
		  "urb_errors=%lu counter=%u longest_wait_us=%llu",
		  iso->heard, (unsigned long long)iso->bytes, iso->lost, iso->repeated,
		  iso->empty, iso->bad, iso->errors, iso->urb_errors, iso->counter,
		  (unsigned long long)(iso->longest_ns / 1000u));
	if (r < 0)
		return r;
	for (unsigned i = 0; i < iso->urb_count; i++)
		poke_urb_destroy(iso->urbs[i]);
	if (iso->lost || iso->repeated || iso->bad || iso->errors || iso->urb_errors)
		return -EBADMSG;
	return 0;
}

static int iso_run(struct poke *poke, uint8_t direction)
{
	static struct iso iso;

	prepare(poke, &iso, 0, direction);
	return finish(poke, &iso, stream(poke, &iso, poke_number(poke, 1, 1)));
}

static int iso_in(struct poke *poke)
{
	return iso_run(poke, 0x80);
}

static int iso_out(struct poke *poke)
{
	return iso_run(poke, 0);
}

static int set_alternate(struct poke *poke, unsigned alternate)
{
	struct usbdevfs_setinterface set = {
		.interface = (unsigned)poke_number(poke, 0, 0),
		.altsetting = alternate,
	};

	return ioctl(poke->fd, USBDEVFS_SETINTERFACE, &set) < 0 ? -errno : 0;
}

/* Runs a stream, then ends it by an alternate setting without its endpoint. */
static int cut_stream(struct poke *poke, struct iso *iso, unsigned long *ret_taken_back)
{
	struct poke_urb *done;
	int r = set_alternate(poke, 1);

	iso->started = false;
	for (unsigned i = 0; i < iso->urb_count && r == 0; i++)
		r = submit(poke, iso, iso->urbs[i]);
	for (unsigned i = 0; i < 2 * iso->urb_count && r == 0; i++) {
		r = poke_reap(poke, POKE_TIMEOUT_MS, &done);
		if (r < 0)
			return r;
		iso->in_flight--;
		completed(iso, done);
		r = submit(poke, iso, done);
	}
	if (r == 0)
		r = set_alternate(poke, 0);
	while (r == 0 && iso->in_flight > 0) {
		r = poke_reap(poke, POKE_TIMEOUT_MS, &done);
		if (r < 0)
			return r;
		iso->in_flight--;
		if (done->urb.status == 0)
			completed(iso, done);
		else
			++*ret_taken_back;
	}
	return r;
}

static int iso_switch(struct poke *poke)
{
	static struct iso iso;
	unsigned long taken_back = 0;
	int r = 0;

	prepare(poke, &iso, 1, 0);
	for (unsigned long n = poke_number(poke, 2, 10); n > 0 && r == 0; n--)
		r = cut_stream(poke, &iso, &taken_back);
	poke_tell(poke, " taken_back=%lu", taken_back);
	return finish(poke, &iso, r);
}

const struct poke_command POKE_ISO[] = {
	{"iso-in",
	 "ENDPOINT SECONDS [PACKETS URBS SIZE]: reads the counter; fails on a gap or "
	 "error",
	 2, iso_in},
	{"iso-out", "ENDPOINT SECONDS [PACKETS URBS SIZE]: sends the counter", 2,
	 iso_out},
	{"iso-switch",
	 "INTERFACE ENDPOINT COUNT [PACKETS URBS SIZE]: COUNT streams, each cut by "
	 "alternate setting 0",
	 3, iso_switch},
	{NULL, NULL, 0, NULL},
};
