/* SPDX-License-Identifier: MIT
 * dma_areas.h - a set of areas of guest memory, which may overlap
 *
 * Part of the checking build (dma_check.h): tells whether each byte of a write is in some area. A
 * tree sorted by first address and balanced by chance (a treap), in which each node knows the
 * highest last address below it.
 */
#ifndef MEM_DMA_AREAS_H
#define MEM_DMA_AREAS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct dma_area - one area; its owner embeds or allocates it
 * @first, @last: its first and last address
 * The rest belongs to dma_areas.c.
 */
struct dma_area {
	uint64_t first;
	uint64_t last;
	uint64_t last_below; /* highest @last of it and its subtrees */
	uint32_t weight;
	struct dma_area *left;
	struct dma_area *right;
};

struct dma_areas {
	struct dma_area *root;
	uint32_t seed;
};

/* Adds @area, with first and last set; borrowed until it is removed. */
void dma_areas_add(struct dma_areas *areas, struct dma_area *area);
/* @area must be in @areas. */
void dma_areas_remove(struct dma_areas *areas, struct dma_area *area);
/* True if each byte of [@first, @last] is in an area. Else *@ret_missing is the lowest one that is
 * not. */
bool dma_areas_cover(const struct dma_areas *areas, uint64_t first, uint64_t last,
		     uint64_t *ret_missing);

#endif /* MEM_DMA_AREAS_H */
