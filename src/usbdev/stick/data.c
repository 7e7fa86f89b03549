/* SPDX-License-Identifier: MIT
 * data.c - the stick's data between guest memory and the image
 */
#include "usbdev/stick/data.h"

#include <assert.h>
#include <errno.h>

#include "usbdev/stick/payload.h"
#include "util/compiler.h"
#include "util/log.h"

/* Enough for 1 MiB in pages of 4 KiB. */
#define DIRECT_IOV_MAX 256

static bool writes(enum stick_job kind)
{
	return kind == STICK_JOB_WRITE || kind == STICK_JOB_SYNC ||
	       kind == STICK_JOB_DISCARD;
}

/* Drops what the worker has read ahead after a failure; writes come back. */
static void io_failed(struct stick *stick, bool write, uint64_t offset, int code)
{
	if (!write)
		stick_pieces_drop(&stick->pieces);
	stick_io_failed(stick, write, offset, code);
}

void stick_on_piece_back(struct stick_pieces *pieces, struct stick_piece *piece)
{
	struct stick *stick = CONTAINER_OF(pieces, struct stick, pieces);

	/* READ pieces stay until the host has taken their data */
	if (piece && piece->kind != STICK_JOB_READ) {
		/* the worker keeps the order */
		assert(piece == stick_piece_first(pieces));
		stick_piece_release_first(pieces);
		if (piece->result < 0)
			io_failed(stick, writes(piece->kind), piece->offset,
				  piece->result);
	}
	loop_defer(stick->emu.usbdev.loop, &stick->pump_task);
}

static struct stick_piece *take_piece(struct stick *stick, enum stick_job kind)
{
	return stick_piece_take(&stick->pieces, kind, stick->bot.next_offset);
}

static void start_piece(struct stick *stick, struct stick_piece *piece)
{
	stick->bot.next_offset += piece->len;
	stick->bot.next_bytes -= piece->len;
	stick_piece_start(piece);
}

/* Lets the worker read into all free pieces. */
static void read_ahead(struct stick *stick)
{
	while (stick->bot.next_bytes > 0 && stick->pieces.count < STICK_PIECES) {
		struct stick_piece *piece = take_piece(stick, STICK_JOB_READ);

		piece->len = (uint32_t)MIN_OF(stick->bot.next_bytes,
					      (uint64_t)STICK_PIECE_BYTES);
		start_piece(stick, piece);
	}
}

static void memory_failed(struct stick *stick, struct usbdev_transfer *transfer)
{
	log_limited(LOG_LEVEL_DEBUG, "%s: a transfer's memory cannot be reached",
		    stick->emu.usbdev.label);
	emulated_complete(&stick->emu, transfer, USBDEV_STATUS_MEMORY);
}

static enum stick_step read_from_piece(struct stick *stick, struct stick_piece *piece,
				       struct usbdev_transfer *transfer, uint32_t room)
{
	uint32_t n = MIN_OF(piece->len - piece->used, room);

	if (piece->busy)
		return STICK_STEP_WAIT;
	if (piece->result < 0) {
		io_failed(stick, false, piece->offset, piece->result);
		return STICK_STEP_MORE;
	}
	if (usbdev_transfer_write(transfer, transfer->actual_bytes,
				  piece->buf + piece->used, n) < 0) {
		memory_failed(stick, transfer);
		return STICK_STEP_MORE;
	}
	piece->used += n;
	if (piece->used == piece->len) {
		stick_piece_release_first(&stick->pieces);
		/* keep the worker busy if all data goes through it */
		if (stick->image.read_direct == IMAGE_DIRECT_NEVER)
			read_ahead(stick);
	}
	stick_moved(stick, transfer, n);
	return STICK_STEP_MORE;
}

/* Moves data directly between @transfer's memory and the page cache. */
static enum stick_step move_direct(struct stick *stick, struct usbdev_transfer *transfer,
				   uint32_t room, bool write)
{
	UNINITIALIZED struct iovec iov[DIRECT_IOV_MAX];
	int n = usbdev_transfer_iov(transfer, transfer->actual_bytes, room, iov,
				    DIRECT_IOV_MAX);
	ssize_t r = n > 0 ? 0 : -EFAULT;

	if (n > 0 && write)
		r = image_write_now(&stick->image, iov, n, stick->bot.next_offset);
	else if (n > 0)
		r = image_read_now(&stick->image, iov, n, stick->bot.next_offset);
	if (r > 0) {
		assert(r <= (ssize_t)room);
		stick->bot.next_offset += (uint64_t)r;
		stick->bot.next_bytes -= (uint64_t)r;
		stick_moved(stick, transfer, (uint32_t)r);
		return STICK_STEP_MORE;
	}
	if (r == -EAGAIN)
		return STICK_STEP_WAIT;
	if (r == -EFAULT)
		memory_failed(stick, transfer);
	else
		io_failed(stick, write, stick->bot.next_offset, (int)r);
	return STICK_STEP_MORE;
}

/* Bytes that one step may move. Not limited to stick->turn_left, which would leave
 * crumbs: the turn ends after the step that exceeds it. */
static uint32_t room_in(const struct stick *stick, const struct usbdev_transfer *transfer)
{
	uint32_t room = transfer->length_bytes - transfer->actual_bytes;

	return MIN_OF(MIN_OF(room, stick->bot.left_bytes), STICK_TURN_BYTES);
}

enum stick_step stick_read_step(struct stick *stick, struct usbdev_transfer *transfer)
{
	uint32_t room = room_in(stick, transfer);

	if (stick->pieces.count > 0)
		return read_from_piece(stick, stick_piece_first(&stick->pieces), transfer,
				       room);
	if (move_direct(stick, transfer, room, false) == STICK_STEP_MORE)
		return STICK_STEP_MORE;
	read_ahead(stick);
	return STICK_STEP_WAIT;
}

enum stick_step stick_write_step(struct stick *stick, struct usbdev_transfer *transfer)
{
	bool compare_only = stick->bot.command.kind == SCSI_KIND_COMPARE;
	uint32_t room = room_in(stick, transfer);
	struct stick_piece *piece;

	/* directly only if that cannot overtake the worker's writes */
	if (!compare_only && stick->pieces.count == 0 &&
	    move_direct(stick, transfer, room, true) == STICK_STEP_MORE)
		return STICK_STEP_MORE;
	if (stick->pieces.count == STICK_PIECES)
		return STICK_STEP_WAIT;
	piece = take_piece(stick, compare_only ? STICK_JOB_COMPARE : STICK_JOB_WRITE);
	piece->len = MIN_OF(room, STICK_PIECE_BYTES);
	if (usbdev_transfer_read(transfer, transfer->actual_bytes, piece->buf,
				 piece->len) < 0) {
		memory_failed(stick, transfer);
		return STICK_STEP_MORE;
	}
	room = piece->len;
	start_piece(stick, piece);
	stick_moved(stick, transfer, room);
	return STICK_STEP_MORE;
}

void stick_work_start(struct stick *stick, enum scsi_work work)
{
	struct stick_piece *piece;

	switch (work) {
	case SCSI_WORK_VERIFY:
		piece = take_piece(stick, STICK_JOB_VERIFY);
		piece->len = (uint32_t)MIN_OF(stick->bot.next_bytes,
					      (uint64_t)STICK_PIECE_BYTES);
		break;
	case SCSI_WORK_DISCARD:
		piece = take_piece(stick, STICK_JOB_DISCARD);
		break;
	case SCSI_WORK_SYNC:
	case SCSI_WORK_NONE:
	default:
		piece = take_piece(stick, STICK_JOB_SYNC);
		break;
	}
	start_piece(stick, piece);
}
