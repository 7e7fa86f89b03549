/* SPDX-License-Identifier: MIT
 * dma_pieces.h - copies of pieces of guest memory that callers may write to for a moment
 *
 * Part of the checking build (dma_check.h). A piece lies at the end of pages of its own, in front
 * of an unmapped one. Closing a piece makes its pages unreadable, and they serve again only after
 * DMA_PIECES others, so an access by a pointer that was kept too long faults.
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
 * @memory:	a place for each piece; @before: its content when it was opened
 * @next:	the place to use next
 * @open:	how many places before @next may be open
 */
struct dma_pieces {
	uint8_t *memory;
	uint8_t *before;
	unsigned next;
	unsigned open;
	struct dma_piece pieces[DMA_PIECES];
};

/* Allocates all places. Return: false if out of memory. */
bool dma_pieces_begin(struct dma_pieces *pieces);
/* Returns a copy of @bytes (at most DMA_PIECE_BYTES_MAX) at @host; NULL if too many are open or the
 * kernel refuses. */
uint8_t *dma_pieces_open(struct dma_pieces *pieces, uint64_t iova, uint8_t *host,
			 size_t bytes, size_t page_bytes);
/* Closes all, in order. Calls @changed for each piece that changed, before it copies the changed
 * part to guest memory; @outside: bytes in front of the piece changed. */
void dma_pieces_close(struct dma_pieces *pieces,
		      void (*changed)(void *ctx, uint64_t iova, uint64_t len,
				      bool outside),
		      void *ctx);
/* True if @address is in the place of a piece. *@ret_iova: the address that its last piece copied. */
bool dma_pieces_find(const struct dma_pieces *pieces, const void *address,
		     uint64_t *ret_iova);
/* See dma_check_window(). */
void dma_pieces_window(void *host, size_t bytes, size_t page_bytes, bool open);
void dma_pieces_finish(struct dma_pieces *pieces);

#endif /* MEM_DMA_PIECES_H */
