/* SPDX-License-Identifier: MIT
 * bulk.c - bulk transfers from and to the emulated test device, with disturbances
 *
 * The device checks the OUT data and halts at a wrong byte; this program checks the IN
 * data.
 */
#include <stdio.h>
#include <string.h>

#include "tests/endurance/kinds.h"

#define MOVE_BYTES_MAX (4u << 20)
#define MOD            63u
#define WARM_MOVES     8u

void endure_bulk(struct endure *e, const struct endure_amount *amount)
{
	struct guest_buf out, in;
	struct endure_figures before = {0};
	uint64_t moved[2] = {0}, moves = 0, repeated = 0;

	(void)snprintf(e->spec, sizeof(e->spec), "zero:pattern=mod63");
	out = guest_alloc(&e->ram, GUEST_RAM_ZONE_LOW, MOVE_BYTES_MAX, 4096);
	in = guest_alloc(&e->ram, GUEST_RAM_ZONE_HIGH, MOVE_BYTES_MAX, 4096);
	endure_start(e);
	endure_find(e);
	/* the pattern restarts with each packet, and TDs consist of whole packets */
	for (uint32_t i = 0; i < MOVE_BYTES_MAX; i++)
		out.ptr[i] = (uint8_t)(i % 1024 % MOD);
	while (moved[0] + moved[1] < amount->bytes) {
		bool is_in = endure_random(e, 2) == 0;
		uint32_t bytes =
			1024 * (1 + (uint32_t)endure_random(e, MOVE_BYTES_MAX / 1024));

		for (;;) {
			if (is_in)
				memset(in.ptr, 0xee, bytes);
			if (endure_move(e, is_in ? e->device.bulk_in : e->device.bulk_out,
					is_in ? in.iova : out.iova, bytes,
					1024) == MOVED_ALL)
				break;
			repeated++;
		}
		if (is_in && memcmp(in.ptr, out.ptr, bytes) != 0)
			endure_fail(e, "a read of %u bytes differs from the pattern",
				    bytes);
		moved[is_in] += bytes;
		if (++moves == WARM_MOVES)
			before = endure_figures(e);
	}
	(void)printf("bulk: %llu MiB to the device, %llu MiB from it, compared; %llu "
		     "repeated\n",
		     (unsigned long long)moved[0] >> 20,
		     (unsigned long long)moved[1] >> 20, (unsigned long long)repeated);
	endure_print_counts(e);
	if (moves >= WARM_MOVES)
		endure_compare(e, &before);
	endure_finish(e);
}
