/* SPDX-License-Identifier: MIT
 * dma_areas.h - a set of areas of guest memory, which may overlap
 *
 * Part of the checking build (dma_check.h): is each byte of a write in some area? It is a tree
 * by first address, balanced by chance (a treap), in which each node knows the highest last
 * address below it.
 */
#ifndef MEM_DMA_AREAS_H
#define MEM_DMA_AREAS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct dma_area - one area; whoever has a reason for it embeds it or allocates it
 * @first, @last: its addresses, both in it
 * The rest is dma_areas.c's.
 */
struct dma_area {
	uint64_t first;
	uint64_t last;
	uint64_t last_below; /* highest @last of it and of what is below it */
	uint32_t weight;
	struct dma_area *left;
	struct dma_area *right;
};

struct dma_areas {
	struct dma_area *root;
	uint32_t seed;
};

/* @area, with first and last set, is in @areas (borrowed) until it is removed. */
void dma_areas_add(struct dma_areas *areas, struct dma_area *area);
/* @area must be in @areas. */
void dma_areas_remove(struct dma_areas *areas, struct dma_area *area);
/* True if each byte of [@first, @last] is in an area. Else *@ret_missing is the lowest that
 * is not. */
bool dma_areas_cover(const struct dma_areas *areas, uint64_t first, uint64_t last,
		     uint64_t *ret_missing);

#endif /* MEM_DMA_AREAS_H */
