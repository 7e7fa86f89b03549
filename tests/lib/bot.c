/* SPDX-License-Identifier: MIT
 * bot.c - Bulk-Only Transport on the test driver
 */
#include <errno.h>
#include <string.h>

#include "tests/lib/bot.h"
#include "util/bytes.h"

#define CBW_SIGNATURE 0x43425355u
#define CSW_SIGNATURE 0x53425355u

#define SCSI_TEST_UNIT_READY   0x00u
#define SCSI_REQUEST_SENSE     0x03u
#define SCSI_READ_CAPACITY     0x25u
#define SCSI_READ_10           0x28u
#define SCSI_WRITE_10          0x2au
#define SCSI_SYNCHRONIZE_CACHE 0x35u

#define SENSE_BYTES 18u
#define DEPTH_MAX   256u

void bot_init(struct bot *bot, struct drv_device *device)
{
	struct guest_ram *ram = device->slot->drv->ram;

	*bot = (struct bot){.device = device, .tag = 0x1000};
	bot->cbw = guest_alloc(ram, GUEST_RAM_ZONE_LOW, BOT_CBW_BYTES, 64);
	bot->csw = guest_alloc(ram, GUEST_RAM_ZONE_HIGH, BOT_CSW_BYTES, 64);
	bot->scratch = guest_alloc(ram, GUEST_RAM_ZONE_LOW, 512, 64);
}

void bot_make_cbw(const struct bot_command *command, uint32_t tag, uint8_t *cbw)
{
	memset(cbw, 0, BOT_CBW_BYTES);
	put_le32(cbw, CBW_SIGNATURE);
	put_le32(cbw + 4, tag);
	put_le32(cbw + 8, command->length);
	cbw[12] = command->in ? 0x80 : 0;
	cbw[14] = command->cdb_bytes;
	memcpy(cbw + 15, command->cdb, sizeof(command->cdb));
}

int bot_send_cbw(struct bot *bot, const void *cbw, uint32_t length)
{
	if (length > bot->scratch.size_bytes)
		return -EINVAL;
	memcpy(bot->scratch.ptr, cbw, length);
	return drv_transfer(bot->device->slot, bot->device->bulk_out, bot->scratch.iova,
			    length, NULL);
}

int bot_receive_csw(struct bot *bot, uint8_t csw[BOT_CSW_BYTES], uint32_t *ret_actual)
{
	int r;

	memset(bot->csw.ptr, 0, BOT_CSW_BYTES);
	r = drv_transfer(bot->device->slot, bot->device->bulk_in, bot->csw.iova,
			 BOT_CSW_BYTES, ret_actual);
	memcpy(csw, bot->csw.ptr, BOT_CSW_BYTES);
	return r;
}

int bot_clear_halt(struct bot *bot, unsigned dci)
{
	struct drv_setup setup = {
		.request_type = 2,
		.request = USB_CLEAR_FEATURE,
		.index = bot->device->slot->endpoints[dci].address,
	};
	int r = drv_recover(bot->device->slot, dci);

	return r != XCC_SUCCESS ? r : drv_control(bot->device->slot, &setup, 0, NULL);
}

/* One TD of the data phase in flight. */
struct flight {
	uint64_t last;
	uint32_t offset;
	uint32_t length;
};

static void launch(struct drv_slot *slot, unsigned dci, const struct bot_command *command,
		   uint32_t offset, struct flight *flight)
{
	uint32_t size = command->td_bytes ? command->td_bytes : command->length;

	flight->offset = offset;
	flight->length = MIN_OF(size, command->length - offset);
	flight->last =
		drv_push_td(slot, dci, command->iova + offset, flight->length, NULL);
}

static bool is_of(const struct drv_event *event, const void *ctx)
{
	const unsigned *id = ctx;

	return drv_trb_type(&event->trb) == XTRB_TRANSFER_EVENT &&
	       drv_event_slot(event) == id[0] && drv_event_dci(event) == id[1];
}

/* Waits for @flight to complete; sets *@ret_moved to its bytes. Return: completion code
 * or -errno. */
static int land(struct drv_slot *slot, unsigned dci, const struct bot_command *command,
		const struct flight *flight, uint32_t *ret_moved)
{
	unsigned id[2] = {slot->id, dci};
	bool is_short = false;

	*ret_moved = 0;
	for (;;) {
		struct drv_event event;
		const struct drv_trb *trb;
		int r = drv_wait(slot->drv, is_of, id, &event, slot->drv->timeout_ms);
		int code = (int)drv_event_code(&event);

		if (r < 0)
			return r;
		trb = guest_ptr(slot->drv->ram, event.trb.parameter, XTRB_BYTES);
		if (!trb)
			return -EPROTO;
		if (!is_short)
			*ret_moved = (uint32_t)(trb->parameter - command->iova) -
				     flight->offset + (trb->status & 0x1ffff) -
				     drv_event_length(&event);
		if (code == XCC_SHORT_PACKET && event.trb.parameter != flight->last) {
			is_short = true;
			continue;
		}
		return is_short ? XCC_SHORT_PACKET : code;
	}
}

/* Return: 0 or -errno; sets command->code and ->actual. */
static int data_phase(struct bot *bot, struct bot_command *command)
{
	struct drv_slot *slot = bot->device->slot;
	unsigned dci = command->in ? bot->device->bulk_in : bot->device->bulk_out;
	unsigned depth = MIN_OF(command->depth ? command->depth : DEPTH_MAX, DEPTH_MAX);
	struct flight flights[DEPTH_MAX];
	unsigned first = 0;
	unsigned count = 0;
	uint32_t queued = 0;

	while (queued < command->length || count > 0) {
		uint32_t bytes;
		bool more = false;

		for (; queued < command->length && count < depth; count++) {
			struct flight *flight = &flights[(first + count) % DEPTH_MAX];

			launch(slot, dci, command, queued, flight);
			queued += flight->length;
			more = true;
		}
		if (more)
			drv_endpoint_doorbell(slot, dci);
		command->code = land(slot, dci, command, &flights[first], &bytes);
		if (command->code < 0)
			return command->code;
		command->actual += bytes;
		if (command->code == XCC_STALL)
			return bot_clear_halt(bot, dci) == XCC_SUCCESS ? 0 : -EIO;
		if (command->code == XCC_SHORT_PACKET)
			return count == 1 ? 0 : -EPROTO; /* our data TDs got the CSW */
		if (command->code != XCC_SUCCESS)
			return -EIO;
		first = (first + 1) % DEPTH_MAX;
		count--;
	}
	return 0;
}

static int status_phase(struct bot *bot, struct bot_command *command)
{
	uint8_t csw[BOT_CSW_BYTES];
	uint32_t actual = 0;
	int r = bot_receive_csw(bot, csw, &actual);

	/* 5.3.3: try a stalled CSW once more */
	if (r == XCC_STALL) {
		if (bot_clear_halt(bot, bot->device->bulk_in) != XCC_SUCCESS)
			return -EIO;
		r = bot_receive_csw(bot, csw, &actual);
	}
	if (r < 0)
		return r;
	if (r != XCC_SUCCESS || actual != BOT_CSW_BYTES)
		return -EIO;
	if (get_le32(csw) != CSW_SIGNATURE || get_le32(csw + 4) != bot->tag)
		return -EPROTO;
	command->residue = get_le32(csw + 8);
	command->status = csw[12];
	return 0;
}

int bot_run(struct bot *bot, struct bot_command *command)
{
	uint32_t actual = 0;
	int r;

	command->actual = 0;
	command->code = XCC_SUCCESS;
	bot_make_cbw(command, ++bot->tag, bot->cbw.ptr);
	r = drv_transfer(bot->device->slot, bot->device->bulk_out, bot->cbw.iova,
			 BOT_CBW_BYTES, &actual);
	if (r < 0)
		return r;
	if (r != XCC_SUCCESS || actual != BOT_CBW_BYTES)
		return -EIO;
	if (command->length > 0) {
		r = data_phase(bot, command);
		if (r < 0)
			return r;
	}
	return status_phase(bot, command);
}

int bot_recover(struct bot *bot)
{
	struct drv_slot *slot = bot->device->slot;
	struct drv_setup reset = {.request_type = 0x21, .request = 0xff};
	const unsigned dcis[2] = {bot->device->bulk_in, bot->device->bulk_out};

	if (drv_control(slot, &reset, 0, NULL) != XCC_SUCCESS)
		return -EIO;
	for (unsigned i = 0; i < 2; i++) {
		struct drv_setup clear = {
			.request_type = 2,
			.request = USB_CLEAR_FEATURE,
			.index = slot->endpoints[dcis[i]].address,
		};

		if (drv_endpoint_state(slot, dcis[i]) == XEP_STATE_HALTED &&
		    drv_recover(slot, dcis[i]) != XCC_SUCCESS)
			return -EIO;
		if (drv_control(slot, &clear, 0, NULL) != XCC_SUCCESS)
			return -EIO;
	}
	return 0;
}

static int rw(struct bot *bot, uint8_t opcode, uint32_t lba, uint16_t sectors,
	      uint64_t iova, uint32_t td_bytes, unsigned depth)
{
	struct bot_command command = {
		.cdb = {opcode},
		.cdb_bytes = 10,
		.in = opcode == SCSI_READ_10,
		.length = (uint32_t)sectors * BOT_SECTOR,
		.iova = iova,
		.td_bytes = td_bytes,
		.depth = depth,
	};
	int r;

	put_be32(command.cdb + 2, lba);
	put_be16(command.cdb + 7, sectors);
	r = bot_run(bot, &command);
	if (r < 0)
		return r;
	if (command.status != BOT_STATUS_PASSED || command.residue != 0 ||
	    command.actual != command.length)
		return -EIO;
	return 0;
}

int bot_read(struct bot *bot, uint32_t lba, uint16_t sectors, uint64_t iova,
	     uint32_t td_bytes, unsigned depth)
{
	return rw(bot, SCSI_READ_10, lba, sectors, iova, td_bytes, depth);
}

int bot_write(struct bot *bot, uint32_t lba, uint16_t sectors, uint64_t iova,
	      uint32_t td_bytes, unsigned depth)
{
	return rw(bot, SCSI_WRITE_10, lba, sectors, iova, td_bytes, depth);
}

int bot_sense(struct bot *bot)
{
	struct bot_command command = {
		.cdb = {SCSI_REQUEST_SENSE, 0, 0, 0, SENSE_BYTES},
		.cdb_bytes = 6,
		.in = true,
		.length = SENSE_BYTES,
		.iova = bot->scratch.iova,
	};
	int r = bot_run(bot, &command);

	if (r < 0)
		return r;
	if (command.status != BOT_STATUS_PASSED || command.actual < 14)
		return -EIO;
	return ((bot->scratch.ptr[2] & 0xf) << 16) | (bot->scratch.ptr[12] << 8) |
	       bot->scratch.ptr[13];
}

int bot_sync(struct bot *bot)
{
	struct bot_command command = {.cdb = {SCSI_SYNCHRONIZE_CACHE}, .cdb_bytes = 10};
	int r = bot_run(bot, &command);

	return r < 0 ? r : command.status == BOT_STATUS_PASSED ? 0 : -EIO;
}

int bot_open(struct bot *bot)
{
	struct bot_command command = {
		.cdb = {SCSI_READ_CAPACITY},
		.cdb_bytes = 10,
		.in = true,
		.length = 8,
		.iova = bot->scratch.iova,
	};
	int r;

	/* a newly configured device may report a UNIT ATTENTION, or two */
	for (unsigned i = 0;; i++) {
		struct bot_command ready = {.cdb = {SCSI_TEST_UNIT_READY},
					    .cdb_bytes = 6};

		r = bot_run(bot, &ready);
		if (r < 0)
			return r;
		if (ready.status == BOT_STATUS_PASSED)
			break;
		r = bot_sense(bot);
		if (r < 0 || i > 4)
			return r < 0 ? r : -EIO;
	}
	r = bot_run(bot, &command);
	if (r < 0)
		return r;
	if (command.status != BOT_STATUS_PASSED || command.actual != 8)
		return -EIO;
	bot->sectors = (uint64_t)get_be32(bot->scratch.ptr) + 1;
	bot->sector_bytes = get_be32(bot->scratch.ptr + 4);
	return 0;
}
