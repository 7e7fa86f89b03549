/* SPDX-License-Identifier: MIT
 * dma_pieces.h - copies of pieces of guest memory, handed out to be written to for a moment
 *
 * Part of the checking build (dma_check.h). A piece lies at the end of pages of its own, before
 * one that cannot be touched. When it is closed the pages cannot either, and are used again
 * after DMA_PIECES others only, so a pointer that was kept is found out.
 */
#ifndef MEM_DMA_PIECES_H
#define MEM_DMA_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DMA_PIECE_BYTES_MAX ((size_t)0x20000) /* a TRB has less */

#define DMA_PIECES 512u /* more than may be open at one time */

/* @host: the guest's memory; @page_bytes: see dma_check_window() */
struct dma_piece {
	bool open;
	uint64_t iova;
	size_t bytes;
	uint8_t *host;
	size_t page_bytes;
};

/**
 * struct dma_pieces - zeroed at first
 * @memory:	a place for each piece; @before: what was there when it was opened
 * @next:	place that is used next
 * @open:	the so many before it may be open
 */
struct dma_pieces {
	uint8_t *memory;
	uint8_t *before;
	unsigned next;
	unsigned open;
	struct dma_piece pieces[DMA_PIECES];
};

/* Memory for all of them. False: there is none. */
bool dma_pieces_begin(struct dma_pieces *pieces);
/* A copy of @bytes, at most DMA_PIECE_BYTES_MAX, at @host. NULL: too many, or the
 * kernel says no. */
uint8_t *dma_pieces_open(struct dma_pieces *pieces, uint64_t iova, uint8_t *host,
			 size_t bytes, size_t page_bytes);
/* Closes all, in order. @changed is told of each that is not as it was, before its
 * part that has changed is copied to the guest's memory; @outside: bytes before it have. */
void dma_pieces_close(struct dma_pieces *pieces,
		      void (*changed)(void *ctx, uint64_t iova, uint64_t len,
				      bool outside),
		      void *ctx);
/* True if @address is in the place of a piece. *@ret_iova: what the last one there was of. */
bool dma_pieces_find(const struct dma_pieces *pieces, const void *address,
		     uint64_t *ret_iova);
/* See dma_check_window(). */
void dma_pieces_window(void *host, size_t bytes, size_t page_bytes, bool open);
void dma_pieces_finish(struct dma_pieces *pieces);

#endif /* MEM_DMA_PIECES_H */
