/* SPDX-License-Identifier: MIT
 * device.h - a stick, as the files of this folder share it
 *
 * How a command goes. bot.c takes a CBW from the bulk OUT queue, scsi.c decodes it, and
 * the states below run in this order, some of them empty:
 *
 *	COMMAND -> BEFORE -> DATA -> AFTER -> STATUS -> COMMAND
 *	   '-> DEAD: until the host resets
 *
 * stick_pump() drives everything: it steps until the next step needs a transfer that the
 * host has not submitted, or the worker, or the turn's share of work is done. So transfers
 * may come early, late, and in pieces of any size: the data phase is a stream of bytes that
 * flows through whatever transfers are there.
 */
#ifndef USBDEV_STICK_DEVICE_H
#define USBDEV_STICK_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/emulated.h"
#include "usbdev/stick/image.h"
#include "usbdev/stick/piece.h"
#include "usbdev/stick/scsi.h"
#include "util/loop.h"
#include "util/worker.h"

#define STICK_EP_IN  0x81u
#define STICK_EP_OUT 0x02u

/* After so many bytes in one turn of the loop others get their turn; also the
 * most that one step moves. */
#define STICK_TURN_BYTES 0x100000u
/* The stick fills a rest of the data phase up to this length, and stalls a longer one. */
#define STICK_PAD_MAX 4096u

enum stick_state {
	STICK_STATE_COMMAND, /* waits for a CBW */
	STICK_STATE_BEFORE,  /* waits for pieces and for scsi_command.before */
	STICK_STATE_DATA,
	STICK_STATE_AFTER,  /* waits for pieces and for scsi_command.after */
	STICK_STATE_STATUS, /* has a CSW to send */
	STICK_STATE_DEAD,   /* bad CBW: stalls until reset recovery (BOT 6.6.1) */
};

enum stick_csw_status {
	STICK_CSW_STATUS_PASSED = 0,
	STICK_CSW_STATUS_FAILED = 1,
	STICK_CSW_STATUS_PHASE_ERROR = 2,
};

/* What a step did. */
enum stick_step {
	STICK_STEP_WAIT, /* nothing; something must happen first */
	STICK_STEP_MORE, /* something; there may be more to do */
};

/**
 * struct stick_bot - the command under way, from its CBW to its CSW
 * @tag, @host_bytes, @host_in: of the CBW
 * @csw_status:	for the CSW
 * @done_bytes:	moved for the command, fillers not counted
 * @bad_bytes:	of them accepted from the host, but not written
 * @left_bytes:	of the command's data, to be moved yet
 * @pad_bytes:	fillers to be moved after them
 * @next_offset, @next_bytes: READ, COMPARE, WRITE, VERIFY: no piece has them yet
 */
struct stick_bot {
	struct scsi_command command;
	uint32_t tag;
	uint32_t host_bytes;
	bool host_in;
	enum stick_csw_status csw_status;
	uint32_t done_bytes;
	uint32_t bad_bytes;
	uint32_t left_bytes;
	uint32_t pad_bytes;
	uint64_t next_offset;
	uint64_t next_bytes;
};

/**
 * struct stick - a stick
 * @turn_left:	bytes that may still move in this turn
 * @closing:	the worker's last job; no transfer comes any more
 * @state:	changed in bot.c only
 */
struct stick {
	struct emulated emu;
	struct image image;
	struct scsi_disk disk;
	struct worker *worker;
	struct stick_pieces pieces;
	struct loop_task pump_task;
	uint32_t turn_left;
	struct worker_job closing;
	enum stick_state state;
	struct stick_bot bot;
};

#endif /* USBDEV_STICK_DEVICE_H */
