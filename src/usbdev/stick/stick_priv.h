/* SPDX-License-Identifier: MIT
 * stick_priv.h - shared by the files of the stick
 *
 * How a command goes. bot.c takes a CBW from the bulk OUT queue, scsi.c
 * decodes it, and the states below run in this order, some of them empty:
 *
 *	COMMAND -> WORK (before) -> DATA_IN or DATA_OUT -> WORK (after) -> STATUS
 *
 * Everything is driven by stick_pump(): it steps until the next step needs a
 * transfer that the host has not submitted, or the worker, or the turn's share
 * of work is done. So transfers may come early, late, and in pieces of any size:
 * the data phase is a stream of bytes that flows through whatever transfers are
 * there.
 *
 * File data (data.c) goes straight between the guest's memory and the page cache
 * where that does not wait. Otherwise through pieces: buffers of ours which the
 * worker fills or empties. A piece is tied to the stream and never to a
 * transfer, so a transfer can be cancelled at any moment.
 *
 * An aborted command (resets) may leave pieces with the worker. They are stale:
 * nothing else is started until they have come back, so a later read sees an
 * earlier write.
 */
#ifndef USBDEV_STICK_STICK_PRIV_H
#define USBDEV_STICK_STICK_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/emulated.h"
#include "usbdev/stick/image.h"
#include "usbdev/stick/scsi.h"
#include "util/worker.h"

#define STICK_EP_IN  0x81u
#define STICK_EP_OUT 0x02u

/* Bytes a bounce buffer has, and how many there are. */
#define STICK_PIECE_BYTES 0x40000u
#define STICK_PIECES      2u
/* After so many bytes in one turn of the loop others get their turn; also the
 * most that one step moves. */
#define STICK_TURN_BYTES 0x100000u
/* What is left of a data phase is filled up to this length, else stalled. */
#define STICK_PAD_MAX 4096u

enum stick_state {
	STICK_COMMAND, /* waits for a CBW */
	STICK_WORK,    /* waits for pieces and for scsi_command.before or .after */
	STICK_DATA_IN,
	STICK_DATA_OUT,
	STICK_STATUS, /* has a CSW to send */
	STICK_DEAD,   /* bad CBW: stalls until reset recovery (BOT 6.6.1) */
};

enum stick_job {
	STICK_JOB_READ,
	STICK_JOB_WRITE,
	STICK_JOB_COMPARE,
	STICK_JOB_VERIFY,
	STICK_JOB_SYNC,
	STICK_JOB_DISCARD,
};

struct stick;

/**
 * struct stick_piece - one request to the worker, with a buffer
 * @busy:	with the worker, which alone may touch what is below @stick
 * @used:	bytes of @buf that went to the host (READ)
 * @result:	0 or -errno
 */
struct stick_piece {
	struct worker_job job;
	struct stick *stick;
	bool busy;
	enum stick_job kind;
	uint64_t offset;
	uint32_t len;
	uint32_t used;
	int result;
	uint8_t *buf;
};

/**
 * struct stick - a stick
 * @pieces:	a FIFO: @piece_count of them from @piece_first on are in use
 * @stale:	the pieces in use belong to an aborted command
 * @turn_left:	bytes that may still move in this turn
 * @closing:	the worker's last job; no transfer comes any more
 * @tag, @host_bytes, @host_in: of the CBW
 * @csw_status:	what the CSW will say
 * @done_bytes:	moved for the command, fillers not counted
 * @bad_bytes:	of them accepted from the host, but not written
 * @left_bytes:	of the command's data, to be moved yet
 * @pad_bytes:	fillers to be moved after them
 * @next_offset, @next_bytes: READ, COMPARE, WRITE, VERIFY: not yet with a piece
 * @data_done:	the data phase is over
 */
struct stick {
	struct emulated emu;
	struct image image;
	struct scsi_disk disk;
	struct worker *worker;
	struct stick_piece pieces[STICK_PIECES];
	unsigned piece_first;
	unsigned piece_count;
	bool stale;
	struct loop_task pump_task;
	uint32_t turn_left;
	struct worker_job closing;

	enum stick_state state;
	struct scsi_command command;
	uint32_t tag;
	uint32_t host_bytes;
	bool host_in;
	uint8_t csw_status;
	uint32_t done_bytes;
	uint32_t bad_bytes;
	uint32_t left_bytes;
	uint32_t pad_bytes;
	uint64_t next_offset;
	uint64_t next_bytes;
	bool data_done;
};

enum stick_csw_status {
	STICK_CSW_PASSED = 0,
	STICK_CSW_FAILED = 1,
	STICK_CSW_PHASE_ERROR = 2,
};

/* What a step did. */
enum stick_step {
	STICK_STEP_WAIT, /* nothing; something must happen first */
	STICK_STEP_MORE, /* something; there may be more to do */
};

/* bot.c */
void stick_pump(struct stick *stick);
/* Bulk-Only Mass Storage Reset and its like: the command under way is dropped. */
void stick_abort(struct stick *stick);
/* Reading or writing the image failed with -errno @code at @offset: sets sense
 * and status; no more data is moved. */
void stick_io_failed(struct stick *stick, bool write, uint64_t offset, int code);
/* @n bytes have gone to or come from @transfer: completes it when it is full. */
void stick_moved(struct stick *stick, struct usbdev_transfer *transfer, uint32_t n);

/* data.c: one step of the data of READ, of WRITE and COMPARE, and of VERIFY,
 * SYNC and DISCARD. */
enum stick_step stick_read_step(struct stick *stick, struct usbdev_transfer *transfer);
enum stick_step stick_write_step(struct stick *stick, struct usbdev_transfer *transfer);
void stick_work_start(struct stick *stick, enum scsi_work work);
/* Takes back from the worker what it has not begun; sets stale. */
void stick_pieces_drop(struct stick *stick);

#endif /* USBDEV_STICK_STICK_PRIV_H */
