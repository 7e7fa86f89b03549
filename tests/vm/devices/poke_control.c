/* SPDX-License-Identifier: MIT
 * poke_control.c - usb-poke's commands for control transfers
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/vm/devices/poke.h"
#include "util/bytes.h"

static uint8_t bytes[65536];

static uint8_t pattern(uint16_t start, uint32_t i)
{
	return (uint8_t)(start + i * 7 + i / 256);
}

static void tell_bytes(struct poke *poke, const uint8_t *data, int len)
{
	poke_tell(poke, " actual=%d checksum=%08x", len, poke_sum(data, (size_t)len));
	if (len > 0)
		poke_tell(poke, " bytes=");
	for (int i = 0; i < len && i < 32; i++)
		poke_tell(poke, "%02x", data[i]);
}

static void tell_ms(struct poke *poke, uint64_t start)
{
	poke_tell(poke, " ms=%llu",
		  (unsigned long long)((poke_now_ns() - start) / 1000000u));
}

static int control(struct poke *poke)
{
	uint8_t type = (uint8_t)poke_number(poke, 0, 0);
	uint16_t len = (uint16_t)poke_number(poke, 4, 0);
	uint64_t start = poke_now_ns();
	int r;

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = type & 0x80 ? 0 : pattern(0, i);
	r = poke_control(poke, type, (uint8_t)poke_number(poke, 1, 0),
			 (uint16_t)poke_number(poke, 2, 0),
			 (uint16_t)poke_number(poke, 3, 0), len, bytes,
			 (unsigned)poke_number(poke, 5, 0));
	if (r >= 0)
		tell_bytes(poke, bytes, type & 0x80 ? r : 0);
	tell_ms(poke, start);
	return r < 0 ? r : 0;
}

/* Submits a request and discards it after some time. */
static int control_cancel(struct poke *poke)
{
	struct poke_urb *urb =
		poke_urb_create(USBDEVFS_URB_TYPE_CONTROL, 0, 8 + 65535, 0);
	struct poke_urb *done = NULL;
	uint16_t len = (uint16_t)poke_number(poke, 4, 0);
	uint64_t start;
	int r, wait_ms = (int)poke_number(poke, 5, 100);

	urb->data[0] = (uint8_t)poke_number(poke, 0, 0);
	urb->data[1] = (uint8_t)poke_number(poke, 1, 0);
	put_le16(urb->data + 2, (uint16_t)poke_number(poke, 2, 0));
	put_le16(urb->data + 4, (uint16_t)poke_number(poke, 3, 0));
	put_le16(urb->data + 6, len);
	r = poke_submit(poke, urb, 8u + len);
	if (r == 0 && poke_reap(poke, wait_ms, &done) == -ETIMEDOUT) {
		start = poke_now_ns();
		poke_cancel(poke, urb);
		tell_ms(poke, start);
	}
	poke_tell(poke, " status=%d early=%d", urb->urb.status, done == urb);
	poke_urb_destroy(urb);
	return r;
}

static int pattern_in(struct poke *poke)
{
	uint16_t len = (uint16_t)poke_number(poke, 0, 65535);
	uint16_t start = (uint16_t)poke_number(poke, 1, 3);
	uint16_t limit = (uint16_t)poke_number(poke, 2, 0);
	int r = poke_control(poke, 0xc0, 1, start, limit, len, bytes, POKE_TIMEOUT_MS);

	poke_tell(poke, " actual=%d", r);
	if (r < 0)
		return r;
	for (int i = 0; i < r; i++) {
		if (bytes[i] != pattern(start, (uint32_t)i)) {
			poke_tell(poke, " wrong_at=%d", i);
			return -EBADMSG;
		}
	}
	return r == (limit && limit < len ? limit : len) ? 0 : -EREMOTEIO;
}

static int pattern_out(struct poke *poke)
{
	uint16_t len = (uint16_t)poke_number(poke, 0, 65535);
	uint16_t start = (uint16_t)poke_number(poke, 1, 3);
	int r;

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = pattern(start, i);
	r = poke_control(poke, 0x40, 1, start, 0, len, bytes, POKE_TIMEOUT_MS);
	poke_tell(poke, " actual=%d", r);
	return r < 0 ? r : r == len ? 0 : -EREMOTEIO;
}

/* Sends bytes by gadget zero's requests and reads them back. */
static int echo(struct poke *poke)
{
	uint16_t len = (uint16_t)poke_number(poke, 0, 1024);
	uint32_t sum;
	int r;

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = pattern((uint16_t)poke_now_ns(), i);
	sum = poke_sum(bytes, len);
	r = poke_control(poke, 0x40, 0x5b, 0, 0, len, bytes, POKE_TIMEOUT_MS);
	if (r >= 0) {
		memset(bytes, 0, sizeof(bytes));
		r = poke_control(poke, 0xc0, 0x5c, 0, 0, len, bytes, POKE_TIMEOUT_MS);
	}
	poke_tell(poke, " actual=%d", r);
	if (r < 0)
		return r;
	return r == len && poke_sum(bytes, len) == sum ? 0 : -EBADMSG;
}

/* Reads the device's counts, which are in the order of struct counts in device.h. */
static int counts(struct poke *poke)
{
	static const char *const names[] = {
		"set_configuration", "set_interface",  "clear_halt",
		"set_halt",          "resets",         "unlinks",
		"controls",          "stalls",         "wrong_endpoint",
		"configuration",     "last_interface", "last_cleared",
		"busiest_queue",
	};
	int r = poke_control(poke, 0xc0, 0xf0, 0, 0, 256, bytes, POKE_TIMEOUT_MS);

	for (int i = 0; i < r / 4 && i < (int)(sizeof(names) / sizeof(names[0])); i++)
		poke_tell(poke, " %s=%u", names[i], get_le32(bytes + 4 * i));
	return r < 0 ? r : 0;
}

static int string(struct poke *poke)
{
	int r = poke_control(poke, 0x80, 6, (uint16_t)(0x300 | poke_number(poke, 0, 1)),
			     0x409, 255, bytes, POKE_TIMEOUT_MS);

	if (r < 0)
		return r;
	poke_tell(poke, " actual=%d text=", r);
	for (int i = 2; i + 1 < r; i += 2)
		poke_tell(poke, "%c",
			  bytes[i + 1] == 0 && bytes[i] > ' ' ? bytes[i] : '_');
	return 0;
}

const struct poke_command POKE_CONTROL[] = {
	{"control",
	 "TYPE REQUEST VALUE INDEX LENGTH [TIMEOUT_MS]: OUT sends byte i = i * 7 + i / "
	 "256",
	 5, control},
	{"control-cancel",
	 "TYPE REQUEST VALUE INDEX LENGTH [MS]: discarded if not done by then", 5,
	 control_cancel},
	{"pattern-in", "[LENGTH START LIMIT]: request 1 of big-control, checked", 0,
	 pattern_in},
	{"pattern-out", "[LENGTH START]", 0, pattern_out},
	{"echo", "[LENGTH]: gadget zero's requests 0x5b and 0x5c, compared", 0, echo},
	{"counts", ": of what reached a vhci-device", 0, counts},
	{"string", "INDEX", 1, string},
	{NULL, NULL, 0, NULL},
};
