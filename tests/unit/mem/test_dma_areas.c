/* SPDX-License-Identifier: MIT
 * test_dma_areas.c - a set of areas, against a plain list of bytes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem/dma_areas.h"
#include "util/compiler.h"

#define SPACE 512u /* addresses */
#define AREAS 64u

static void nothing_covers_nothing(void **state)
{
	struct dma_areas areas = {0};
	uint64_t missing = 0;

	(void)state;
	assert_false(dma_areas_cover(&areas, 7, 9, &missing));
	assert_int_equal(missing, 7);
}

static void neighbours_cover_together(void **state)
{
	struct dma_area low = {.first = 0, .last = 9}, high = {.first = 10, .last = 20},
			top = {.first = UINT64_MAX - 1, .last = UINT64_MAX};
	struct dma_areas areas = {0};
	uint64_t missing = 0;

	(void)state;
	dma_areas_add(&areas, &high);
	dma_areas_add(&areas, &top);
	dma_areas_add(&areas, &low);
	assert_true(dma_areas_cover(&areas, 0, 20, &missing));
	assert_false(dma_areas_cover(&areas, 5, 21, &missing));
	assert_int_equal(missing, 21);
	assert_true(dma_areas_cover(&areas, UINT64_MAX, UINT64_MAX, &missing));
	assert_false(dma_areas_cover(&areas, UINT64_MAX - 2, UINT64_MAX, &missing));
	assert_int_equal(missing, UINT64_MAX - 2);
}

/* The lowest address of [@first, @last] that none of @areas holds; @last + 1 if there is none. */
static uint64_t plain_missing(const struct dma_area areas[AREAS], const bool in[AREAS],
			      uint64_t first, uint64_t last)
{
	bool held[SPACE] = {false};

	for (unsigned i = 0; i < AREAS; i++)
		for (uint64_t at = areas[i].first; in[i] && at <= areas[i].last; at++)
			held[at] = true;
	while (first <= last && held[first])
		first++;
	return first;
}

static void any_areas_in_any_order(void **state)
{
	struct dma_area area[AREAS];
	struct dma_areas areas = {0};
	bool in[AREAS] = {false};

	(void)state;
	srand(1);
	for (unsigned n = 0; n < 100000; n++) {
		unsigned i = (unsigned)rand() % AREAS;
		uint64_t first = (unsigned)rand() % SPACE, missing = 0;
		uint64_t last = first + (unsigned)rand() % 40;
		uint64_t plain;

		last = MIN_OF(last, SPACE - 1);
		if (in[i]) {
			dma_areas_remove(&areas, &area[i]);
		} else {
			area[i] = (struct dma_area){.first = first, .last = last};
			dma_areas_add(&areas, &area[i]);
		}
		in[i] = !in[i];
		first = (unsigned)rand() % SPACE;
		last = first + (unsigned)rand() % 60;
		last = MIN_OF(last, SPACE - 1);
		plain = plain_missing(area, in, first, last);
		assert_int_equal(dma_areas_cover(&areas, first, last, &missing),
				 plain > last);
		if (plain <= last)
			assert_int_equal(missing, plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_covers_nothing),
		cmocka_unit_test(neighbours_cover_together),
		cmocka_unit_test(any_areas_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
