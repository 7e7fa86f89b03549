/* SPDX-License-Identifier: MIT
 * dma_pieces.c - copies of pieces of guest memory that callers may write to for a moment
 */
#include "mem/dma_pieces.h"

#include <string.h>
#include <sys/mman.h>

#include "util/compiler.h"
#include "util/log.h"

#define PAGE_BYTES ((size_t)4096)
#define PLACE_BYTES \
	(DMA_PIECE_BYTES_MAX + PAGE_BYTES) /* the last page is never touched */
#define FILLER 0xd3                        /* before the piece, on its first page */

static uint8_t *place_of(const struct dma_pieces *pieces, unsigned index)
{
	return pieces->memory + index * PLACE_BYTES;
}

static uint8_t *before_of(const struct dma_pieces *pieces, unsigned index)
{
	return pieces->before + index * DMA_PIECE_BYTES_MAX;
}

/* Offset of the piece in its place. */
static size_t skip_of(const struct dma_piece *piece)
{
	return DMA_PIECE_BYTES_MAX - piece->bytes;
}

static size_t filler_bytes(const struct dma_piece *piece)
{
	return skip_of(piece) % PAGE_BYTES;
}

static bool pages_access(const struct dma_pieces *pieces, unsigned index, int prot)
{
	size_t skip = skip_of(&pieces->pieces[index]);

	skip -= skip % PAGE_BYTES;
	return mprotect(place_of(pieces, index) + skip, DMA_PIECE_BYTES_MAX - skip,
			prot) == 0;
}

bool dma_pieces_begin(struct dma_pieces *pieces)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint8_t *memory, *before;

	memory = mmap(NULL, DMA_PIECES * PLACE_BYTES, PROT_NONE, flags, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	before = mmap(NULL, DMA_PIECES * DMA_PIECE_BYTES_MAX, PROT_READ | PROT_WRITE,
		      flags, -1, 0);
	if (before == MAP_FAILED) {
		(void)munmap(memory, DMA_PIECES * PLACE_BYTES);
		return false;
	}
	pieces->memory = memory;
	pieces->before = before;
	return true;
}

void dma_pieces_finish(struct dma_pieces *pieces)
{
	(void)munmap(pieces->memory, DMA_PIECES * PLACE_BYTES);
	(void)munmap(pieces->before, DMA_PIECES * DMA_PIECE_BYTES_MAX);
}

uint8_t *dma_pieces_open(struct dma_pieces *pieces, uint64_t iova, uint8_t *host,
			 size_t bytes, size_t page_bytes)
{
	unsigned index = pieces->next;
	struct dma_piece *piece = &pieces->pieces[index];
	uint8_t *start;

	if (piece->open)
		return NULL;
	*piece = (struct dma_piece){
		.open = true,
		.iova = iova,
		.bytes = bytes,
		.host = host,
		.page_bytes = page_bytes,
	};
	if (!pages_access(pieces, index, PROT_READ | PROT_WRITE))
		return NULL;
	start = place_of(pieces, index) + skip_of(piece);
	memset(start - filler_bytes(piece), FILLER, filler_bytes(piece));
	memcpy(before_of(pieces, index), host, bytes);
	memcpy(start, before_of(pieces, index), bytes);
	pieces->next = (index + 1) % DMA_PIECES;
	pieces->open++;
	return start;
}

/* The first and the last byte in which @a and @b differ. Return: false if there is none. */
static bool differ(const uint8_t *a, const uint8_t *b, size_t bytes, size_t *ret_first,
		   size_t *ret_last)
{
	size_t first = 0, last = bytes;

	if (memcmp(a, b, bytes) == 0)
		return false;
	while (a[first] == b[first])
		first++;
	while (a[last - 1] == b[last - 1])
		last--;
	*ret_first = first;
	*ret_last = last - 1;
	return true;
}

static void close_one(struct dma_pieces *pieces, unsigned index,
		      void (*changed)(void *ctx, uint64_t iova, uint64_t len,
				      bool outside),
		      void *ctx)
{
	struct dma_piece *piece = &pieces->pieces[index];
	const uint8_t *start = place_of(pieces, index) + skip_of(piece);
	size_t first, last;

	for (size_t i = 1; i <= filler_bytes(piece); i++)
		if (*(start - i) != FILLER)
			changed(ctx, piece->iova - i, i, true);
	if (differ(start, before_of(pieces, index), piece->bytes, &first, &last)) {
		uint8_t *to = piece->host + first;
		size_t len = last - first + 1;

		changed(ctx, piece->iova + first, len, false);
		dma_pieces_window(to, len, piece->page_bytes, true);
		memcpy(to, start + first, len);
		dma_pieces_window(to, len, piece->page_bytes, false);
	}
	piece->open = false;
	if (!pages_access(pieces, index, PROT_NONE))
		log_error("a piece of guest memory cannot be closed");
}

void dma_pieces_close(struct dma_pieces *pieces,
		      void (*changed)(void *ctx, uint64_t iova, uint64_t len,
				      bool outside),
		      void *ctx)
{
	unsigned first = (pieces->next + DMA_PIECES - pieces->open) % DMA_PIECES;
	unsigned count = pieces->open;

	pieces->open = 0;
	for (unsigned i = 0; i < count; i++)
		close_one(pieces, (first + i) % DMA_PIECES, changed, ctx);
}

bool dma_pieces_find(const struct dma_pieces *pieces, const void *address,
		     uint64_t *ret_iova)
{
	uintptr_t start = (uintptr_t)pieces->memory, at = (uintptr_t)address;
	const struct dma_piece *piece;

	if (at < start || at - start >= DMA_PIECES * PLACE_BYTES)
		return false;
	piece = &pieces->pieces[(at - start) / PLACE_BYTES];
	*ret_iova = piece->iova + ((at - start) % PLACE_BYTES - skip_of(piece));
	return true;
}

void dma_pieces_window(void *host, size_t bytes, size_t page_bytes, bool open)
{
	uintptr_t start, end;

	if (page_bytes == 0)
		return;
	start = (uintptr_t)host / page_bytes * page_bytes;
	end = ((uintptr_t)host + bytes + page_bytes - 1) / page_bytes * page_bytes;
	if (mprotect((void *)start, end - start,
		     open ? PROT_READ | PROT_WRITE : PROT_READ) < 0)
		log_error("guest memory cannot be %s", open ? "opened" : "closed");
}
