/* SPDX-License-Identifier: MIT
 * bench.h - shared by the benches: a daemon with a stick in memory, clocks, medians
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/bot.h"
#include "tests/lib/daemon.h"
#include "tests/lib/drv_device.h"
#include "tests/lib/guest_ram.h"
#include "tests/lib/vmm.h"

#define BENCH_ZONE_BYTES  (48u << 20)
#define BENCH_IMAGE_BYTES (48u << 20)

/**
 * struct bench - a running daemon and a driver on its stick
 * @image:	in /dev/shm, so that no disk takes part
 * @buf:	data in guest memory, BENCH_DATA_BYTES
 */
struct bench {
	struct daemon daemon;
	struct guest_ram ram;
	struct vmm vmm;
	struct drv drv;
	struct drv_device device;
	struct bot bot;
	char image[64];
	struct guest_buf buf;
};

#define BENCH_DATA_BYTES (32u << 20)

/* Ends the program with a message. */
void bench_die(const char *what, int r) __attribute__((noreturn));
/* bench_die() unless @r is 0. */
void bench_check(const char *what, int r);

/* Starts a daemon with a stick (and a keyboard if @keyboard) and enumerates the
 * stick at SuperSpeed. @wrapper: words before the daemon's command, or NULL. */
void bench_start(struct bench *bench, const char *const *wrapper, bool keyboard);
/* The same with an existing device, a stick at any speed. */
void bench_start_device(struct bench *bench, const char *spec);
/* SIGTERM; removes everything. */
void bench_stop(struct bench *bench);

uint64_t bench_now_ns(void);
/* Sorts @values. */
double bench_median(double *values, unsigned count);

#endif /* BENCH_BENCH_H */
