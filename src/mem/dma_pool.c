/* SPDX-License-Identifier: MIT
 * dma_pool.c - memory for the notes of the checking build
 */
#include "mem/dma_pool.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define RECORDS 65536u /* per chunk, whose first record is its head */

struct dma_pool_chunk {
	struct dma_pool_chunk *next;
};

struct dma_pool_spare {
	struct dma_pool_spare *next;
};

static const size_t chunk_bytes = (size_t)RECORDS * DMA_POOL_RECORD_BYTES;

bool dma_pool_begin(struct dma_pool *pool)
{
	struct dma_pool_chunk *chunk =
		mmap(NULL, chunk_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (chunk == MAP_FAILED)
		return false;
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	pool->used = 1;
	return true;
}

void *dma_pool_get(struct dma_pool *pool)
{
	struct dma_pool_spare *spare = pool->spare;

	if (spare) {
		pool->spare = spare->next;
		memset(spare, 0, DMA_POOL_RECORD_BYTES);
		return spare;
	}
	if (pool->used == RECORDS && !dma_pool_begin(pool))
		return NULL;
	return (uint8_t *)pool->chunks + DMA_POOL_RECORD_BYTES * pool->used++;
}

void dma_pool_put(struct dma_pool *pool, void *record)
{
	struct dma_pool_spare *spare = record;

	spare->next = pool->spare;
	pool->spare = spare;
}

void dma_pool_finish(struct dma_pool *pool)
{
	while (pool->chunks) {
		struct dma_pool_chunk *chunk = pool->chunks;

		pool->chunks = chunk->next;
		(void)munmap(chunk, chunk_bytes);
	}
}
