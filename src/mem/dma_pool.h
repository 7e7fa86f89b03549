/* SPDX-License-Identifier: MIT
 * dma_pool.h - memory for the notes of the checking build
 *
 * Not from malloc(): tests make that fail, and the check must not depend on it.
 */
#ifndef MEM_DMA_POOL_H
#define MEM_DMA_POOL_H

#include <stdbool.h>
#include <stddef.h>

#define DMA_POOL_RECORD_BYTES 128u

struct dma_pool_chunk;
struct dma_pool_spare;

/* Starts zeroed. @used: records in use in the first of @chunks */
struct dma_pool {
	struct dma_pool_chunk *chunks;
	struct dma_pool_spare *spare;
	size_t used;
};

/* Allocates memory for many records; call it first. Return: false if out of memory. */
bool dma_pool_begin(struct dma_pool *pool);
/* A zeroed record, or NULL. */
void *dma_pool_get(struct dma_pool *pool);
void dma_pool_put(struct dma_pool *pool, void *record);
void dma_pool_finish(struct dma_pool *pool);

#endif /* MEM_DMA_POOL_H */
