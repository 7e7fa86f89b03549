/* SPDX-License-Identifier: MIT
 * bot.h - USB Mass Storage, Bulk-Only Transport, on the test driver
 *
 * BOT is serial per command: CBW out, data, CSW in. Within one data phase
 * several TDs can be in flight; the CSW's TD may be queued behind them.
 */
#ifndef TESTS_LIB_BOT_H
#define TESTS_LIB_BOT_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/drv_device.h"

#define BOT_CBW_BYTES 31u
#define BOT_CSW_BYTES 13u
#define BOT_SECTOR    512u

enum bot_status {
	BOT_STATUS_PASSED = 0,
	BOT_STATUS_FAILED = 1,
	BOT_STATUS_PHASE_ERROR = 2,
};

/**
 * struct bot - one LUN of a stick
 * @cbw, @csw, @scratch: buffers in guest memory
 * @sectors, @sector_bytes: READ CAPACITY's answer
 */
struct bot {
	struct drv_device *device;
	uint32_t tag;
	struct guest_buf cbw;
	struct guest_buf csw;
	struct guest_buf scratch;
	uint64_t sectors;
	uint32_t sector_bytes;
};

/**
 * struct bot_command - one command and its result
 * @cdb, @cdb_bytes: the SCSI command
 * @in:		direction of the data phase (CBW flags)
 * @length:	bytes of the data phase, as in the CBW
 * @iova:	the data's address in guest memory
 * @td_bytes:	cut the data phase into TDs of this size; 0 = one TD
 * @depth:	TDs in flight; 0 = all
 * @status, @residue: of the CSW
 * @actual:	bytes moved in the data phase
 * @code:	completion code that ended the data phase (XCC_SUCCESS without one)
 */
struct bot_command {
	uint8_t cdb[16];
	uint8_t cdb_bytes;
	bool in;
	uint32_t length;
	uint64_t iova;
	uint32_t td_bytes;
	unsigned depth;
	uint8_t status;
	uint32_t residue;
	uint32_t actual;
	int code;
};

/* @device: an enumerated stick (borrowed). Sends no command. */
void bot_init(struct bot *bot, struct drv_device *device);
/* Repeats TEST UNIT READY and REQUEST SENSE until the unit is ready, then READ CAPACITY.
 * Return: 0 or -errno. */
MUST_USE int bot_open(struct bot *bot);

/* Builds the CBW of @command in @cbw (31 bytes), with tag @tag. */
void bot_make_cbw(const struct bot_command *command, uint32_t tag, uint8_t *cbw);
/* Runs all three stages. Recovers a stalled data or CSW stage as the specification says
 * (6.7, 5.3.3). Return: 0 (see @command->status), or -errno: -EPROTO for a CSW that is
 * not valid and meaningful, -EIO for other completion codes. */
MUST_USE int bot_run(struct bot *bot, struct bot_command *command);
/* Single stages, for tests. Return: completion code or -errno. */
MUST_USE int bot_send_cbw(struct bot *bot, const void *cbw, uint32_t length);
MUST_USE int bot_receive_csw(struct bot *bot, uint8_t csw[BOT_CSW_BYTES],
			     uint32_t *ret_actual);
/* Reset recovery (5.3.4): class reset, then clears both halts. Return: 0 or -errno. */
MUST_USE int bot_recover(struct bot *bot);
/* After a stall: Reset Endpoint, Set TR Dequeue, CLEAR_FEATURE(ENDPOINT_HALT). */
MUST_USE int bot_clear_halt(struct bot *bot, unsigned dci);

/* READ(10) and WRITE(10). Return: 0, -EIO for a failed status, -errno. */
MUST_USE int bot_read(struct bot *bot, uint32_t lba, uint16_t sectors, uint64_t iova,
		      uint32_t td_bytes, unsigned depth);
MUST_USE int bot_write(struct bot *bot, uint32_t lba, uint16_t sectors, uint64_t iova,
		       uint32_t td_bytes, unsigned depth);
/* REQUEST SENSE: key in bits 16-23, ASC 8-15, ASCQ 0-7; or -errno. */
MUST_USE int bot_sense(struct bot *bot);
/* SYNCHRONIZE CACHE(10). */
MUST_USE int bot_sync(struct bot *bot);

#endif /* TESTS_LIB_BOT_H */
