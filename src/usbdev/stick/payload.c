/* SPDX-License-Identifier: MIT
 * payload.c - how much of a command's data has moved, and what remains of the host's
 */
#include "usbdev/stick/payload.h"

#include <errno.h>
#include <string.h>

#include "usbdev/stick/device.h"
#include "util/log.h"

void stick_payload_end(struct stick *stick)
{
	uint32_t rest = stick->bot.host_bytes - stick->bot.done_bytes;

	stick->bot.left_bytes = 0;
	if (rest <= STICK_PAD_MAX) {
		stick->bot.pad_bytes = rest;
		return;
	}
	stick->bot.pad_bytes = 0;
	emulated_halt(&stick->emu, stick->bot.host_in ? STICK_EP_IN : STICK_EP_OUT);
}

void stick_moved(struct stick *stick, struct usbdev_transfer *transfer, uint32_t n)
{
	transfer->actual_bytes += n;
	stick->bot.done_bytes += n;
	stick->bot.left_bytes -= n;
	stick->turn_left -= MIN_OF(n, stick->turn_left);
	if (transfer->actual_bytes == transfer->length_bytes)
		emulated_complete(&stick->emu, transfer, USBDEV_STATUS_OK);
	if (stick->bot.left_bytes == 0)
		stick_payload_end(stick);
}

void stick_io_failed(struct stick *stick, bool write, uint64_t offset, int code)
{
	log_limited(code == -EILSEQ ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
		    "%s: %s the image failed: %s", stick->emu.usbdev.label,
		    write ? "writing" : "reading", strerror(-code));
	if (stick->bot.csw_status == STICK_CSW_STATUS_PASSED) {
		scsi_io_error(&stick->disk, write, code);
		stick->bot.bad_bytes =
			stick->bot.done_bytes -
			(uint32_t)MIN_OF(offset - stick->bot.command.offset_bytes,
					 (uint64_t)stick->bot.done_bytes);
	}
	stick->bot.csw_status = STICK_CSW_STATUS_FAILED;
	stick->bot.command.before = SCSI_WORK_NONE;
	stick->bot.command.after = SCSI_WORK_NONE;
	stick->bot.next_bytes = 0;
	if (stick->bot.left_bytes > 0)
		stick_payload_end(stick);
}
