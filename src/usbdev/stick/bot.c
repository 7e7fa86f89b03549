/* SPDX-License-Identifier: MIT
 * bot.c - bulk-only transport ("BOT": USB Mass Storage Class, Bulk-Only
 * Transport 1.0)
 *
 * Where host and device do not agree on the data (the thirteen cases of BOT
 * 6.7) the rules are:
 *  - the device has less than the host wants: the stick fills a small rest with
 *    zeros or swallows it, and stalls a large one. Both are allowed, and firmware
 *    that cannot recover from a stall never sees one. dCSWDataResidue has the rest.
 *  - the device has more, or the directions differ: the stick executes nothing, and
 *    the CSW says phase error. It sends an answer as far as the host has room.
 */
#include "usbdev/stick/bot.h"

#include <assert.h>
#include <string.h>

#include "usbdev/stick/data.h"
#include "usbdev/stick/device.h"
#include "usbdev/stick/payload.h"
#include "util/bytes.h"
#include "util/log.h"

#define CBW_BYTES     31u
#define CBW_SIGNATURE 0x43425355u
#define CSW_BYTES     13u
#define CSW_SIGNATURE 0x53425355u
/* A step that moves nothing costs this much of the turn's share. */
#define STEP_COST 512u

static const uint8_t zeros[STICK_PAD_MAX];

static void enter(struct stick *stick, enum stick_state state)
{
	static const char *const names[] = {
		[STICK_STATE_COMMAND] = "COMMAND", [STICK_STATE_BEFORE] = "BEFORE",
		[STICK_STATE_DATA] = "DATA",       [STICK_STATE_AFTER] = "AFTER",
		[STICK_STATE_STATUS] = "STATUS",   [STICK_STATE_DEAD] = "DEAD",
	};

	if (state == stick->state)
		return;
	log_trace("%s: %s -> %s", stick->emu.usbdev.label, names[stick->state],
		  names[state]);
	stick->state = state;
}

/* BOT 6.6.1: both ends stall until the host resets and clears them. */
static void die(struct stick *stick, const char *why)
{
	log_limited(LOG_LEVEL_DEBUG, "%s: bad command block wrapper: %s",
		    stick->emu.usbdev.label, why);
	enter(stick, STICK_STATE_DEAD);
	emulated_halt(&stick->emu, STICK_EP_IN);
	emulated_halt(&stick->emu, STICK_EP_OUT);
}

/* Compares the data phases that host and device want. */
static void begin_data(struct stick *stick)
{
	struct scsi_command *command = &stick->bot.command;
	bool device_in =
		command->kind == SCSI_KIND_REPLY || command->kind == SCSI_KIND_READ;
	uint64_t device_bytes = command->length_bytes;

	if (command->kind == SCSI_KIND_NONE || device_bytes == 0) {
		stick->bot.left_bytes = 0;
	} else if (stick->bot.host_bytes > 0 && stick->bot.host_in == device_in &&
		   device_bytes <= stick->bot.host_bytes) {
		stick->bot.left_bytes = (uint32_t)device_bytes;
	} else {
		stick->bot.csw_status = STICK_CSW_STATUS_PHASE_ERROR;
		command->before = SCSI_WORK_NONE;
		if (command->kind == SCSI_KIND_REPLY && stick->bot.host_in)
			stick->bot.left_bytes = stick->bot.host_bytes;
		else
			command->kind = SCSI_KIND_NONE;
	}
	stick->bot.next_offset = command->offset_bytes;
	stick->bot.next_bytes = command->before == SCSI_WORK_VERIFY
					? command->verify_bytes
					: command->length_bytes;
	enter(stick, STICK_STATE_BEFORE);
	/* no data: decide on the rest now */
	if (stick->bot.left_bytes == 0)
		stick_payload_end(stick);
}

static void begin_command(struct stick *stick, const uint8_t *cbw)
{
	stick->bot = (struct stick_bot){
		.tag = get_le32(cbw + 4),
		.host_bytes = get_le32(cbw + 8),
		.host_in = (cbw[12] & USBDEV_DIR_IN) != 0,
		.csw_status = STICK_CSW_STATUS_PASSED,
	};
	if (!scsi_start(&stick->disk, cbw[13] & 0x0f, cbw + 15, cbw[14] & 0x1f,
			&stick->bot.command)) {
		stick->bot.csw_status = STICK_CSW_STATUS_FAILED;
		memset(&stick->bot.command, 0, sizeof(stick->bot.command));
	}
	log_trace("%s: command %02x, host wants %u bytes %s, device %llu",
		  stick->emu.usbdev.label, cbw[15], stick->bot.host_bytes,
		  stick->bot.host_in ? "in" : "out",
		  (unsigned long long)stick->bot.command.length_bytes);
	begin_data(stick);
}

static enum stick_step command_step(struct stick *stick)
{
	struct usbdev_transfer *transfer = emulated_first(&stick->emu, STICK_EP_OUT);
	uint8_t cbw[CBW_BYTES];
	uint32_t len;

	if (!transfer)
		return STICK_STEP_WAIT;
	len = transfer->length_bytes;
	if (len == CBW_BYTES && usbdev_transfer_read(transfer, 0, cbw, CBW_BYTES) < 0) {
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_MEMORY);
		return STICK_STEP_MORE;
	}
	transfer->actual_bytes = len;
	emulated_complete(&stick->emu, transfer, USBDEV_STATUS_OK);
	if (len == 0)
		return STICK_STEP_MORE; /* the end of an earlier transfer; no harm */
	if (len != CBW_BYTES)
		die(stick, "wrong length");
	else if (get_le32(cbw) != CBW_SIGNATURE)
		die(stick, "wrong signature");
	else if ((cbw[14] & 0x1f) == 0 || (cbw[14] & 0x1f) > SCSI_CDB_BYTES)
		die(stick, "wrong command length");
	else
		begin_command(stick, cbw);
	return STICK_STEP_MORE;
}

/* Sends zeros to the host, or drops what it sends. */
static void move_padding(struct stick *stick, struct usbdev_transfer *transfer)
{
	uint32_t room = transfer->length_bytes - transfer->actual_bytes;
	uint32_t n = MIN_OF(room, stick->bot.pad_bytes);

	if (stick->bot.host_in &&
	    usbdev_transfer_write(transfer, transfer->actual_bytes, zeros, n) < 0) {
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_MEMORY);
		return;
	}
	transfer->actual_bytes += n;
	stick->bot.pad_bytes -= n;
	if (transfer->actual_bytes == transfer->length_bytes)
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_OK);
}

/* Answers and parameter lists, between disk.data and @transfer. */
static enum stick_step move_small(struct stick *stick, struct usbdev_transfer *transfer)
{
	uint32_t room = transfer->length_bytes - transfer->actual_bytes;
	uint32_t n = MIN_OF(room, stick->bot.left_bytes);
	uint8_t *data = stick->disk.data + stick->bot.done_bytes;
	int r;

	assert(stick->bot.done_bytes + n <= SCSI_DATA_BYTES);
	if (stick->bot.host_in)
		r = usbdev_transfer_write(transfer, transfer->actual_bytes, data, n);
	else
		r = usbdev_transfer_read(transfer, transfer->actual_bytes, data, n);
	if (r < 0) {
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_MEMORY);
		return STICK_STEP_MORE;
	}
	stick_moved(stick, transfer, n);
	return STICK_STEP_MORE;
}

static void end_data(struct stick *stick)
{
	uint8_t ep_addr = stick->bot.host_in ? STICK_EP_IN : STICK_EP_OUT;
	struct usbdev_transfer *transfer = emulated_first(&stick->emu, ep_addr);

	enter(stick, STICK_STATE_AFTER);
	if (transfer && transfer->actual_bytes > 0) {
		if (stick->bot.host_in) {
			/* a short packet ends it */
			emulated_complete(&stick->emu, transfer, USBDEV_STATUS_OK);
		} else {
			/* the host sends more than its CBW announced */
			stick->bot.csw_status = STICK_CSW_STATUS_PHASE_ERROR;
			emulated_halt(&stick->emu, ep_addr);
		}
	}
	if (stick->bot.command.kind == SCSI_KIND_PARAMS &&
	    stick->bot.csw_status == STICK_CSW_STATUS_PASSED &&
	    !scsi_params(&stick->disk, stick->bot.done_bytes, &stick->bot.command))
		stick->bot.csw_status = STICK_CSW_STATUS_FAILED;
	if (stick->bot.csw_status == STICK_CSW_STATUS_PHASE_ERROR)
		stick->bot.command.after = SCSI_WORK_NONE;
}

static enum stick_step data_step(struct stick *stick)
{
	uint8_t ep_addr = stick->bot.host_in ? STICK_EP_IN : STICK_EP_OUT;
	struct usbdev_transfer *transfer = emulated_first(&stick->emu, ep_addr);

	if (stick->bot.left_bytes == 0 && stick->bot.pad_bytes == 0) {
		end_data(stick);
		return STICK_STEP_MORE;
	}
	if (!transfer)
		return STICK_STEP_WAIT;
	if (transfer->length_bytes == 0) {
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_OK);
		return STICK_STEP_MORE;
	}
	if (stick->bot.left_bytes == 0) {
		move_padding(stick, transfer);
		return STICK_STEP_MORE;
	}
	switch (stick->bot.command.kind) {
	case SCSI_KIND_READ:
		return stick_read_step(stick, transfer);
	case SCSI_KIND_WRITE:
	case SCSI_KIND_COMPARE:
		return stick_write_step(stick, transfer);
	case SCSI_KIND_NONE:
	case SCSI_KIND_REPLY:
	case SCSI_KIND_PARAMS:
	default:
		return move_small(stick, transfer);
	}
}

static enum stick_step work_step(struct stick *stick)
{
	bool after = stick->state == STICK_STATE_AFTER;
	enum scsi_work *work =
		after ? &stick->bot.command.after : &stick->bot.command.before;

	if (stick->pieces.count > 0)
		return STICK_STEP_WAIT;
	if (*work == SCSI_WORK_NONE) {
		enter(stick, after ? STICK_STATE_STATUS : STICK_STATE_DATA);
		return STICK_STEP_MORE;
	}
	if (*work == SCSI_WORK_VERIFY && stick->bot.next_bytes == 0) {
		*work = SCSI_WORK_NONE;
		return STICK_STEP_MORE;
	}
	stick_work_start(stick, *work);
	if (*work != SCSI_WORK_VERIFY) /* VERIFY goes on piece by piece */
		*work = SCSI_WORK_NONE;
	return STICK_STEP_WAIT;
}

static enum stick_step status_step(struct stick *stick)
{
	struct usbdev_transfer *transfer = emulated_first(&stick->emu, STICK_EP_IN);
	uint8_t csw[CSW_BYTES];

	if (!transfer)
		return STICK_STEP_WAIT;
	if (transfer->length_bytes == 0) {
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_OK);
		return STICK_STEP_MORE;
	}
	put_le32(csw, CSW_SIGNATURE);
	put_le32(csw + 4, stick->bot.tag);
	put_le32(csw + 8,
		 stick->bot.host_bytes - stick->bot.done_bytes + stick->bot.bad_bytes);
	csw[12] = (uint8_t)stick->bot.csw_status;
	if (transfer->length_bytes < CSW_BYTES) {
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_BABBLE);
		return STICK_STEP_MORE;
	}
	if (usbdev_transfer_write(transfer, 0, csw, CSW_BYTES) < 0) {
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_MEMORY);
		return STICK_STEP_MORE;
	}
	transfer->actual_bytes = CSW_BYTES;
	emulated_complete(&stick->emu, transfer, USBDEV_STATUS_OK);
	enter(stick, STICK_STATE_COMMAND);
	return STICK_STEP_MORE;
}

static enum stick_step step(struct stick *stick)
{
	switch (stick->state) {
	case STICK_STATE_COMMAND:
		return command_step(stick);
	case STICK_STATE_BEFORE:
	case STICK_STATE_AFTER:
		return work_step(stick);
	case STICK_STATE_DATA:
		return data_step(stick);
	case STICK_STATE_STATUS:
		return status_step(stick);
	case STICK_STATE_DEAD:
	default:
		return STICK_STEP_WAIT;
	}
}

void stick_pump(struct stick *stick)
{
	while (!stick->pieces.stale) {
		if (stick->turn_left < STEP_COST) {
			loop_defer_next_turn(stick->emu.usbdev.loop, &stick->pump_task);
			return;
		}
		if (step(stick) == STICK_STEP_WAIT)
			return;
		stick->turn_left -= MIN_OF(STEP_COST, stick->turn_left);
	}
}

/* The next command cannot use a transfer that the aborted one has used in part. */
static void drop_partial(struct stick *stick, uint8_t ep_addr)
{
	struct usbdev_transfer *transfer = emulated_first(&stick->emu, ep_addr);

	if (transfer && transfer->actual_bytes > 0)
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_ERROR);
}

void stick_abort(struct stick *stick)
{
	stick_pieces_drop(&stick->pieces);
	drop_partial(stick, STICK_EP_IN);
	drop_partial(stick, STICK_EP_OUT);
	enter(stick, STICK_STATE_COMMAND);
	loop_defer(stick->emu.usbdev.loop, &stick->pump_task);
}
