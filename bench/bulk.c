/* SPDX-License-Identifier: MIT
 * bulk.c - bench: the stick's data rate against memcpy of the same pieces
 *
 * BOT runs one command at a time and splits its data phase into TDs, up to 32 of them in
 * flight. The image is in memory, so the yardstick is a copy between two mappings in
 * pieces of the TD's size. Rounds of both alternate.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench.h"

#define ROUNDS        5u
#define SECTORS_MAX   65535u /* of a READ(10): a sector less than 32 MiB */
#define COMMAND_BYTES (SECTORS_MAX * BOT_SECTOR)
#define COPY_BYTES    (16u << 20)

static double mib_per_s(uint64_t bytes, uint64_t ns)
{
	return (double)bytes / 1048576.0 / ((double)ns / 1e9);
}

static double copy_round(struct bench *b, const uint8_t *image, uint32_t piece)
{
	uint64_t start = bench_now_ns();

	for (uint32_t at = 0; at < COPY_BYTES; at += piece)
		memcpy(b->buf.ptr + at, image + at, piece);
	__asm__ volatile("" ::"r"(b->buf.ptr) : "memory");
	return mib_per_s(COPY_BYTES, bench_now_ns() - start);
}

/* Small TDs at small depth are slow, and fewer sectors give the same result sooner. */
static uint32_t round_bytes(uint32_t td_bytes, unsigned depth)
{
	uint64_t bytes = (uint64_t)td_bytes * depth * 64;

	return bytes > COMMAND_BYTES ? COMMAND_BYTES : (uint32_t)bytes;
}

static double our_round(struct bench *b, bool in, uint32_t td_bytes, unsigned depth)
{
	uint32_t bytes = round_bytes(td_bytes, depth);
	uint16_t sectors = (uint16_t)(bytes / BOT_SECTOR);
	uint64_t start = bench_now_ns();
	int r = in ? bot_read(&b->bot, 0, sectors, b->buf.iova, td_bytes, depth)
		   : bot_write(&b->bot, 0, sectors, b->buf.iova, td_bytes, depth);

	bench_check(in ? "reading" : "writing", r);
	return mib_per_s(bytes, bench_now_ns() - start);
}

static void compare(struct bench *b, const uint8_t *image, bool in, uint32_t td_bytes,
		    unsigned depth)
{
	double ours[ROUNDS];
	double copy[ROUNDS];
	double ratio[ROUNDS];
	double median;

	(void)our_round(b, in, td_bytes, depth);
	for (unsigned i = 0; i < ROUNDS; i++) {
		copy[i] = copy_round(b, image, td_bytes);
		ours[i] = our_round(b, in, td_bytes, depth);
		ratio[i] = ours[i] / copy[i];
	}
	median = bench_median(ours, ROUNDS);
	printf("  %-4s %6u KiB %6u %10.0f MiB/s %10.0f TD/s %10.0f MiB/s %8.3f\n",
	       in ? "IN" : "OUT", td_bytes >> 10, depth, median,
	       median * 1048576.0 / td_bytes, bench_median(copy, ROUNDS),
	       bench_median(ratio, ROUNDS));
}

int main(void)
{
	static const uint32_t sizes[] = {4096, 65536, 1048576};
	static const unsigned depths[] = {1, 4, 8, 16, 32};
	struct bench bench;
	uint8_t *image;
	int fd;

	bench_start(&bench, NULL, false);
	fd = open(bench.image, O_RDONLY | O_CLOEXEC);
	image = mmap(NULL, COPY_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (image == MAP_FAILED)
		bench_die("mapping the image", -1);
	printf("Bulk through the stick, image in memory (median of %u rounds)\n", ROUNDS);
	printf("  %-4s %10s %6s %16s %15s %16s %8s\n", "", "TD", "depth", "ours", "",
	       "memcpy", "ratio");
	for (int in = 1; in >= 0; in--)
		for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++)
			for (unsigned d = 0; d < ARRAY_SIZE(depths); d++)
				compare(&bench, image, in, sizes[s], depths[d]);
	(void)munmap(image, COPY_BYTES);
	(void)close(fd);
	bench_stop(&bench);
	return 0;
}
