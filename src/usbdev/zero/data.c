/* SPDX-License-Identifier: MIT
 * data.c - the pattern, and bulk transfers
 *
 * The pattern starts over with each packet, so the pieces in which a transfer moves do
 * not matter. A bulk or interrupt OUT endpoint that gets other data halts after having
 * taken them, as the gadget does.
 */
#include "usbdev/zero/data.h"

#include <errno.h>
#include <string.h>

#include "usbdev/zero/device.h"
#include "util/compiler.h"
#include "util/log.h"

#define MOD       63u
#define IOV_MAX_N 16
/* A step with one endpoint, and all of a turn. */
#define STEP_BYTES 0x10000u
#define TURN_BYTES 0x100000u
/* wMaxPacketSize has more than the size at high speed. */
#define PACKET_MASK 0x7ffu

/* The bytes of the mod63 pattern one after the other. */
struct mod63 {
	uint32_t max_packet;
	uint32_t in_packet;
	uint8_t value;
};

/* The pattern from @offset of a transfer on. */
static struct mod63 mod63_at(uint32_t offset, uint32_t max_packet)
{
	uint32_t in_packet = offset % max_packet;

	return (struct mod63){max_packet, in_packet, (uint8_t)(in_packet % MOD)};
}

static uint8_t mod63_next(struct mod63 *at)
{
	uint8_t value = at->value;

	at->value = value + 1 == MOD ? 0 : (uint8_t)(value + 1);
	if (++at->in_packet == at->max_packet) {
		at->in_packet = 0;
		at->value = 0;
	}
	return value;
}

static void fill(const struct zero *zero, uint32_t offset, uint32_t max_packet,
		 uint8_t *buf, size_t len)
{
	struct mod63 at;

	if (zero->pattern == ZERO_PATTERN_ZEROS) {
		memset(buf, 0, len);
		return;
	}
	at = mod63_at(offset, max_packet);
	for (size_t i = 0; i < len; i++)
		buf[i] = mod63_next(&at);
}

static bool check(const struct zero *zero, uint32_t offset, uint32_t max_packet,
		  const uint8_t *buf, size_t len)
{
	struct mod63 at;

	if (zero->pattern == ZERO_PATTERN_ZEROS)
		return len == 0 || (buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0);
	at = mod63_at(offset, max_packet);
	for (size_t i = 0; i < len; i++)
		if (buf[i] != mod63_next(&at))
			return false;
	return true;
}

int zero_move(struct zero *zero, struct usbdev_transfer *transfer, uint32_t len,
	      bool *ret_good)
{
	uint32_t max_packet =
		emulated_max_packet(&zero->emu, transfer->ep_addr) & PACKET_MASK;
	bool in = usbdev_transfer_is_in(transfer);
	UNINITIALIZED struct iovec iov[IOV_MAX_N];

	*ret_good = true;
	while (len > 0) {
		int n = usbdev_transfer_iov(transfer, transfer->actual_bytes, len, iov,
					    IOV_MAX_N);

		if (n <= 0)
			return -EFAULT;
		for (int i = 0; i < n; i++) {
			uint32_t offset = transfer->actual_bytes;

			if (in)
				fill(zero, offset, max_packet, iov[i].iov_base,
				     iov[i].iov_len);
			else if (!check(zero, offset, max_packet, iov[i].iov_base,
					iov[i].iov_len))
				*ret_good = false;
			transfer->actual_bytes += (uint32_t)iov[i].iov_len;
			len -= (uint32_t)iov[i].iov_len;
		}
	}
	return 0;
}

/* One step of an endpoint. Return: bytes moved, 1 for an empty transfer, 0 if no transfer
 * waits. */
static uint32_t step(struct zero *zero, uint8_t ep_addr)
{
	struct usbdev_transfer *transfer = emulated_first(&zero->emu, ep_addr);
	uint32_t len;
	bool good;

	if (!transfer)
		return 0;
	len = MIN_OF(transfer->length_bytes - transfer->actual_bytes, STEP_BYTES);
	if (zero_move(zero, transfer, len, &good) < 0) {
		emulated_complete(&zero->emu, transfer, USBDEV_STATUS_MEMORY);
		return 1;
	}
	if (!good)
		log_limited(LOG_LEVEL_WARN, "%s: wrong data for endpoint 0x%02x",
			    zero->emu.usbdev.label, ep_addr);
	if (transfer->actual_bytes == transfer->length_bytes)
		emulated_complete(&zero->emu, transfer, USBDEV_STATUS_OK);
	if (!good)
		emulated_halt(&zero->emu, ep_addr);
	return MAX_OF(len, 1u);
}

void zero_move_bulk(void *ctx)
{
	struct zero *zero = ctx;
	uint32_t moved = 0;
	uint32_t in;
	uint32_t out;

	do {
		in = step(zero, ZERO_EP_BULK_IN);
		out = step(zero, ZERO_EP_BULK_OUT);
		moved += in + out;
	} while (in + out > 0 && moved < TURN_BYTES);
	if (in + out > 0)
		loop_defer_next_turn(zero->emu.usbdev.loop, &zero->bulk_task);
}
