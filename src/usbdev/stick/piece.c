/* SPDX-License-Identifier: MIT
 * piece.c - requests to the worker of a stick, with buffers
 */
#include "usbdev/stick/piece.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/stick/image.h"
#include "usbdev/stick/scsi.h"

/* --- the worker's side --- */

/* Bytes compared at a time. */
#define COMPARE_BYTES 4096u

static int compare(const struct stick_piece *piece)
{
	uint8_t there[COMPARE_BYTES];

	for (uint32_t at = 0; at < piece->len; at += COMPARE_BYTES) {
		uint32_t n = MIN_OF(piece->len - at, COMPARE_BYTES);
		int r = image_read(piece->pieces->image, there, n, piece->offset + at);

		if (r < 0)
			return r;
		if (memcmp(there, piece->buf + at, n) != 0)
			return -EILSEQ;
	}
	return 0;
}

static int discard(const struct stick_pieces *pieces)
{
	uint64_t offset;
	uint64_t len;

	for (unsigned i = 0; scsi_unmap_range(pieces->disk, i, &offset, &len); i++) {
		int r = len > 0 ? image_discard(pieces->image, offset, len) : 0;

		/* unmapping is a hint: the file system need not support it */
		if (r < 0 && r != -EOPNOTSUPP)
			return r;
	}
	return 0;
}

static void run_piece(struct worker_job *job)
{
	struct stick_piece *piece = CONTAINER_OF(job, struct stick_piece, job);
	const struct image *image = piece->pieces->image;

	switch (piece->kind) {
	case STICK_JOB_READ:
	case STICK_JOB_VERIFY:
		piece->result = image_read(image, piece->buf, piece->len, piece->offset);
		break;
	case STICK_JOB_WRITE:
		piece->result = image_write(image, piece->buf, piece->len, piece->offset);
		break;
	case STICK_JOB_COMPARE:
		piece->result = compare(piece);
		break;
	case STICK_JOB_SYNC:
		piece->result = image_sync(image);
		break;
	case STICK_JOB_DISCARD:
		piece->result = discard(piece->pieces);
		break;
	}
}

/* --- the loop's side --- */

int stick_pieces_init(struct stick_pieces *pieces)
{
	for (unsigned i = 0; i < STICK_PIECES; i++) {
		pieces->piece[i].pieces = pieces;
		/* touched, and so real memory, when first needed only */
		pieces->piece[i].buf = malloc(STICK_PIECE_BYTES);
		if (!pieces->piece[i].buf)
			return -ENOMEM;
	}
	return 0;
}

void stick_pieces_finish(struct stick_pieces *pieces)
{
	for (unsigned i = 0; i < STICK_PIECES; i++)
		free(pieces->piece[i].buf);
}

struct stick_piece *stick_piece_first(struct stick_pieces *pieces)
{
	return pieces->count > 0 ? &pieces->piece[pieces->first] : NULL;
}

void stick_piece_release_first(struct stick_pieces *pieces)
{
	assert(pieces->count > 0);
	pieces->first = (pieces->first + 1) % STICK_PIECES;
	pieces->count--;
}

static bool any_busy(const struct stick_pieces *pieces)
{
	for (unsigned i = 0; i < STICK_PIECES; i++) {
		if (pieces->piece[i].busy)
			return true;
	}
	return false;
}

static void on_piece_done(struct worker_job *job)
{
	struct stick_piece *piece = CONTAINER_OF(job, struct stick_piece, job);
	struct stick_pieces *pieces = piece->pieces;

	piece->busy = false;
	if (!pieces->stale) {
		pieces->on_back(pieces, piece);
	} else if (!any_busy(pieces)) {
		pieces->stale = false;
		pieces->count = 0;
		pieces->on_back(pieces, NULL);
	}
}

struct stick_piece *stick_piece_take(struct stick_pieces *pieces, enum stick_job kind,
				     uint64_t offset)
{
	struct stick_piece *piece;

	assert(pieces->count < STICK_PIECES);
	piece = &pieces->piece[(pieces->first + pieces->count) % STICK_PIECES];
	assert(!piece->busy);
	piece->job = (struct worker_job){.run = run_piece, .done = on_piece_done};
	piece->kind = kind;
	piece->offset = offset;
	piece->len = 0;
	piece->used = 0;
	piece->result = 0;
	return piece;
}

void stick_piece_start(struct stick_piece *piece)
{
	piece->pieces->count++;
	piece->busy = true;
	worker_submit(piece->pieces->worker, &piece->job);
}

void stick_pieces_drop(struct stick_pieces *pieces)
{
	for (unsigned i = 0; i < STICK_PIECES; i++) {
		struct stick_piece *piece = &pieces->piece[i];

		if (piece->busy && worker_withdraw(pieces->worker, &piece->job))
			piece->busy = false;
	}
	pieces->stale = any_busy(pieces);
	if (!pieces->stale)
		pieces->count = 0;
}
