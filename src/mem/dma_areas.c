/* SPDX-License-Identifier: MIT
 * dma_areas.c - a set of areas of guest memory, which may overlap
 */
#include "mem/dma_areas.h"

#include <assert.h>
#include <stddef.h>

static void refresh(struct dma_area *area)
{
	area->last_below = area->last;
	if (area->left && area->left->last_below > area->last_below)
		area->last_below = area->left->last_below;
	if (area->right && area->right->last_below > area->last_below)
		area->last_below = area->right->last_below;
}

/* Sorts by first address, areas with the same one by their own address. */
static bool before(const struct dma_area *a, const struct dma_area *b)
{
	return a->first != b->first ? a->first < b->first : (uintptr_t)a < (uintptr_t)b;
}

/* Cuts @tree in two: the areas before @at, and the rest. */
static void split(struct dma_area *tree, const struct dma_area *at,
		  struct dma_area **ret_low, struct dma_area **ret_high)
{
	if (!tree) {
		*ret_low = NULL;
		*ret_high = NULL;
		return;
	}
	if (before(tree, at)) {
		split(tree->right, at, &tree->right, ret_high);
		*ret_low = tree;
	} else {
		split(tree->left, at, ret_low, &tree->left);
		*ret_high = tree;
	}
	refresh(tree);
}

/* All of @low must come before all of @high. */
static struct dma_area *join(struct dma_area *low, struct dma_area *high)
{
	if (!low || !high)
		return low ? low : high;
	if (low->weight > high->weight) {
		low->right = join(low->right, high);
		refresh(low);
		return low;
	}
	high->left = join(low, high->left);
	refresh(high);
	return high;
}

static uint32_t next_weight(struct dma_areas *areas)
{
	/* Marsaglia's xorshift; 0 would stay 0 */
	uint32_t x = areas->seed ? areas->seed : 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	areas->seed = x;
	return x;
}

void dma_areas_add(struct dma_areas *areas, struct dma_area *area)
{
	struct dma_area *low, *high;

	area->left = NULL;
	area->right = NULL;
	area->weight = next_weight(areas);
	refresh(area);
	split(areas->root, area, &low, &high);
	areas->root = join(join(low, area), high);
}

static struct dma_area *without(struct dma_area *tree, struct dma_area *area)
{
	assert(tree); /* else @area is not in it */
	if (tree == area)
		return join(tree->left, tree->right);
	if (before(area, tree))
		tree->left = without(tree->left, area);
	else
		tree->right = without(tree->right, area);
	refresh(tree);
	return tree;
}

void dma_areas_remove(struct dma_areas *areas, struct dma_area *area)
{
	areas->root = without(areas->root, area);
}

/* The highest last address of the areas that begin at or before @iova. False if there are none. */
static bool reach(const struct dma_area *tree, uint64_t iova, uint64_t *ret_last)
{
	bool any = false;

	while (tree) {
		uint64_t last;

		if (tree->first > iova) {
			tree = tree->left;
			continue;
		}
		last = tree->last;
		if (tree->left && tree->left->last_below > last)
			last = tree->left->last_below;
		if (!any || last > *ret_last)
			*ret_last = last;
		any = true;
		tree = tree->right;
	}
	return any;
}

bool dma_areas_cover(const struct dma_areas *areas, uint64_t first, uint64_t last,
		     uint64_t *ret_missing)
{
	uint64_t covered = 0;

	while (reach(areas->root, first, &covered) && covered >= first) {
		if (covered >= last)
			return true;
		first = covered + 1;
	}
	*ret_missing = first;
	return false;
}
