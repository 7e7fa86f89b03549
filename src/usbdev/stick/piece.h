/* SPDX-License-Identifier: MIT
 * piece.h - requests to the worker of a stick, with buffers
 *
 * File data that cannot go directly between the guest's memory and the page cache goes
 * through pieces: buffers that the worker fills or empties. A piece is tied to the stream of
 * data and never to a transfer, so a transfer can be cancelled at any moment.
 *
 * An aborted command may leave pieces with the worker. They are stale: the stick starts
 * nothing else until they are back, so a later read sees an earlier write.
 */
#ifndef USBDEV_STICK_PIECE_H
#define USBDEV_STICK_PIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/worker.h"

struct image;
struct scsi_disk;
struct stick_pieces;

/* Bytes a bounce buffer has, and how many there are. */
#define STICK_PIECE_BYTES 0x40000u
#define STICK_PIECES      2u

enum stick_job {
	STICK_JOB_READ,
	STICK_JOB_WRITE,
	STICK_JOB_COMPARE,
	STICK_JOB_VERIFY,
	STICK_JOB_SYNC,
	STICK_JOB_DISCARD,
};

/**
 * struct stick_piece - one request to the worker, with a buffer
 * @busy:	the worker has it, and alone may touch the fields below @busy
 * @used:	bytes of @buf that the host has got (READ)
 * @result:	0 or -errno
 */
struct stick_piece {
	struct worker_job job;
	struct stick_pieces *pieces;
	bool busy;
	enum stick_job kind;
	uint64_t offset;
	uint32_t len;
	uint32_t used;
	int result;
	uint8_t *buf;
};

/**
 * struct stick_pieces - a FIFO of pieces
 * @image, @disk: borrowed; the worker reads image.fd and, for DISCARD, disk.data, which the
 *		loop does not change while a piece is busy
 * @on_back:	the worker has done @piece, which still is in the FIFO; or, with NULL, the
 *		last stale one
 * @piece:	@count of them from @first on are in use
 * @stale:	the pieces in use belong to an aborted command
 */
struct stick_pieces {
	struct worker *worker;
	const struct image *image;
	const struct scsi_disk *disk;
	void (*on_back)(struct stick_pieces *pieces, struct stick_piece *piece);
	struct stick_piece piece[STICK_PIECES];
	unsigned first;
	unsigned count;
	bool stale;
};

/* Allocates the buffers. @pieces: zeroed. Return: 0 or -ENOMEM. */
MUST_USE int stick_pieces_init(struct stick_pieces *pieces);
/* The worker has ended. Half-built is fine. */
void stick_pieces_finish(struct stick_pieces *pieces);

/* The next free piece; there must be one. */
struct stick_piece *stick_piece_take(struct stick_pieces *pieces, enum stick_job kind,
				     uint64_t offset);
/* Gives the piece just taken to the worker. */
void stick_piece_start(struct stick_piece *piece);
/* The oldest in use; NULL: none is. */
struct stick_piece *stick_piece_first(struct stick_pieces *pieces);
/* The oldest is free again. */
void stick_piece_release_first(struct stick_pieces *pieces);
/* Withdraws the pieces that the worker has not begun; sets stale. */
void stick_pieces_drop(struct stick_pieces *pieces);

#endif /* USBDEV_STICK_PIECE_H */
