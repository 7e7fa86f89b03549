/* SPDX-License-Identifier: MIT
 * data.c - the stick's data between guest memory and the image
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "usbdev/stick/stick_priv.h"
#include "util/compiler.h"
#include "util/log.h"

/* Enough for 1 MiB in pages of 4 KiB. */
#define DIRECT_IOV_MAX 256

/* --- the worker's side --- */

/* Bytes compared at a time. */
#define COMPARE_BYTES 4096u

static int compare(const struct stick_piece *piece)
{
	uint8_t there[COMPARE_BYTES];

	for (uint32_t at = 0; at < piece->len; at += COMPARE_BYTES) {
		uint32_t n = MIN_OF(piece->len - at, COMPARE_BYTES);
		int r = image_read(&piece->stick->image, there, n, piece->offset + at);

		if (r < 0)
			return r;
		if (memcmp(there, piece->buf + at, n) != 0)
			return -EILSEQ;
	}
	return 0;
}

static int discard(const struct stick *stick)
{
	uint64_t offset;
	uint64_t len;

	for (unsigned i = 0; scsi_unmap_range(&stick->disk, i, &offset, &len); i++) {
		int r = len > 0 ? image_discard(&stick->image, offset, len) : 0;

		/* unmapping is a hint: where it is not possible nothing is owed */
		if (r < 0 && r != -EOPNOTSUPP)
			return r;
	}
	return 0;
}

/* Of the stick only image.fd and, for DISCARD, disk.data are looked at, which
 * the loop does not change while a piece is out. */
static void run_piece(struct worker_job *job)
{
	struct stick_piece *piece = CONTAINER_OF(job, struct stick_piece, job);
	const struct stick *stick = piece->stick;

	switch (piece->kind) {
	case STICK_JOB_READ:
	case STICK_JOB_VERIFY:
		piece->result =
			image_read(&stick->image, piece->buf, piece->len, piece->offset);
		break;
	case STICK_JOB_WRITE:
		piece->result =
			image_write(&stick->image, piece->buf, piece->len, piece->offset);
		break;
	case STICK_JOB_COMPARE:
		piece->result = compare(piece);
		break;
	case STICK_JOB_SYNC:
		piece->result = image_sync(&stick->image);
		break;
	case STICK_JOB_DISCARD:
		piece->result = discard(stick);
		break;
	}
}

/* --- the loop's side --- */

static struct stick_piece *first_piece(struct stick *stick)
{
	return stick->piece_count > 0 ? &stick->pieces[stick->piece_first] : NULL;
}

static void release_first(struct stick *stick)
{
	assert(stick->piece_count > 0);
	stick->piece_first = (stick->piece_first + 1) % STICK_PIECES;
	stick->piece_count--;
}

static bool any_busy(const struct stick *stick)
{
	for (unsigned i = 0; i < STICK_PIECES; i++) {
		if (stick->pieces[i].busy)
			return true;
	}
	return false;
}

static bool writes(enum stick_job kind)
{
	return kind == STICK_JOB_WRITE || kind == STICK_JOB_SYNC ||
	       kind == STICK_JOB_DISCARD;
}

static void piece_done(struct worker_job *job)
{
	struct stick_piece *piece = CONTAINER_OF(job, struct stick_piece, job);
	struct stick *stick = piece->stick;

	piece->busy = false;
	if (stick->stale) {
		if (any_busy(stick))
			return;
		stick->stale = false;
		stick->piece_count = 0;
	} else if (piece->kind != STICK_JOB_READ) {
		/* The worker keeps the order, so this is the first one. READ
		 * pieces stay until the host has taken what is in them. */
		assert(piece == first_piece(stick));
		release_first(stick);
		if (piece->result < 0)
			stick_io_failed(stick, writes(piece->kind), piece->offset,
					piece->result);
	}
	stick_pump(stick);
}

/* The next free piece; there must be one. */
static struct stick_piece *take_piece(struct stick *stick, enum stick_job kind)
{
	struct stick_piece *piece;

	assert(stick->piece_count < STICK_PIECES);
	piece = &stick->pieces[(stick->piece_first + stick->piece_count) % STICK_PIECES];
	assert(!piece->busy);
	piece->stick = stick;
	piece->job = (struct worker_job){.run = run_piece, .done = piece_done};
	piece->kind = kind;
	piece->offset = stick->next_offset;
	piece->len = 0;
	piece->used = 0;
	piece->result = 0;
	return piece;
}

static void start_piece(struct stick *stick, struct stick_piece *piece)
{
	stick->next_offset += piece->len;
	stick->next_bytes -= piece->len;
	stick->piece_count++;
	piece->busy = true;
	worker_submit(stick->worker, &piece->job);
}

/* Gives the worker as much to read as there are free pieces. */
static void read_ahead(struct stick *stick)
{
	while (stick->next_bytes > 0 && stick->piece_count < STICK_PIECES) {
		struct stick_piece *piece = take_piece(stick, STICK_JOB_READ);

		piece->len =
			(uint32_t)MIN_OF(stick->next_bytes, (uint64_t)STICK_PIECE_BYTES);
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
		stick_io_failed(stick, false, piece->offset, piece->result);
		return STICK_STEP_MORE;
	}
	if (usbdev_transfer_write(transfer, transfer->actual_bytes,
				  piece->buf + piece->used, n) < 0) {
		memory_failed(stick, transfer);
		return STICK_STEP_MORE;
	}
	piece->used += n;
	if (piece->used == piece->len) {
		release_first(stick);
		/* if all must go through the worker, keep it busy */
		if (stick->image.read_direct == IMAGE_DIRECT_NEVER)
			read_ahead(stick);
	}
	stick_moved(stick, transfer, n);
	return STICK_STEP_MORE;
}

/* Straight between @transfer's memory and the page cache. */
static enum stick_step move_direct(struct stick *stick, struct usbdev_transfer *transfer,
				   uint32_t room, bool write)
{
	UNINITIALIZED struct iovec iov[DIRECT_IOV_MAX];
	int n = usbdev_transfer_iov(transfer, transfer->actual_bytes, room, iov,
				    DIRECT_IOV_MAX);
	ssize_t r = n > 0 ? 0 : -EFAULT;

	if (n > 0 && write)
		r = image_write_now(&stick->image, iov, n, stick->next_offset);
	else if (n > 0)
		r = image_read_now(&stick->image, iov, n, stick->next_offset);
	if (r > 0) {
		assert(r <= (ssize_t)room);
		stick->next_offset += (uint64_t)r;
		stick->next_bytes -= (uint64_t)r;
		stick_moved(stick, transfer, (uint32_t)r);
		return STICK_STEP_MORE;
	}
	if (r == -EAGAIN)
		return STICK_STEP_WAIT;
	if (r == -EFAULT)
		memory_failed(stick, transfer);
	else
		stick_io_failed(stick, write, stick->next_offset, (int)r);
	return STICK_STEP_MORE;
}

/* What may be moved in one step. Not cut down to stick->turn_left, which would
 * leave crumbs: the turn ends after the step that exceeds it. */
static uint32_t room_in(const struct stick *stick, const struct usbdev_transfer *transfer)
{
	uint32_t room = transfer->length_bytes - transfer->actual_bytes;

	return MIN_OF(MIN_OF(room, stick->left_bytes), STICK_TURN_BYTES);
}

enum stick_step stick_read_step(struct stick *stick, struct usbdev_transfer *transfer)
{
	uint32_t room = room_in(stick, transfer);

	if (stick->piece_count > 0)
		return read_from_piece(stick, first_piece(stick), transfer, room);
	if (move_direct(stick, transfer, room, false) == STICK_STEP_MORE)
		return STICK_STEP_MORE;
	read_ahead(stick);
	return STICK_STEP_WAIT;
}

enum stick_step stick_write_step(struct stick *stick, struct usbdev_transfer *transfer)
{
	bool compare_only = stick->command.kind == SCSI_KIND_COMPARE;
	uint32_t room = room_in(stick, transfer);
	struct stick_piece *piece;

	/* straight only if it cannot overtake what the worker has */
	if (!compare_only && stick->piece_count == 0 &&
	    move_direct(stick, transfer, room, true) == STICK_STEP_MORE)
		return STICK_STEP_MORE;
	if (stick->piece_count == STICK_PIECES)
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
		piece->len =
			(uint32_t)MIN_OF(stick->next_bytes, (uint64_t)STICK_PIECE_BYTES);
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

void stick_pieces_drop(struct stick *stick)
{
	for (unsigned i = 0; i < STICK_PIECES; i++) {
		struct stick_piece *piece = &stick->pieces[i];

		if (piece->busy && worker_withdraw(stick->worker, &piece->job))
			piece->busy = false;
	}
	stick->stale = any_busy(stick);
	if (!stick->stale)
		stick->piece_count = 0;
}
