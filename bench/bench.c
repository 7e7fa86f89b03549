/* SPDX-License-Identifier: MIT
 * bench.c - shared by the benches
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"

void bench_die(const char *what, int r)
{
	(void)fprintf(stderr, "bench: %s: %s %d\n", what, r < 0 ? strerror(-r) : "code",
		      r);
	exit(1);
}

void bench_check(const char *what, int r)
{
	if (r != 0)
		bench_die(what, r);
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* Writes all pages, so that the benches measure no allocation. */
static void make_image(struct bench *bench)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ uint8_t *page = malloc(1 << 20);

	(void)snprintf(bench->image, sizeof(bench->image),
		       "/dev/shm/usbvfiod-bench.XXXXXX");
	fd = mkstemp(bench->image);
	if (fd < 0 || !page)
		bench_die("an image in /dev/shm", -errno);
	memset(page, 0xa5, 1 << 20);
	for (unsigned at = 0; at < BENCH_IMAGE_BYTES; at += 1 << 20)
		if (write(fd, page, 1 << 20) != 1 << 20)
			bench_die("filling the image", -errno);
}

/* Enumerates the first device, or with @super the first at SuperSpeed. */
static void find_stick(struct bench *bench, bool super)
{
	for (int port = 1;; port++) {
		port = drv_port_connected(&bench->drv, (unsigned)port);
		if (port < 0)
			bench_die("finding the stick", port);
		if (super &&
		    XPORT_SPEED(drv_portsc(&bench->drv, (unsigned)port)) != XSPEED_SUPER)
			continue;
		bench_check("enumeration",
			    drv_enumerate(&bench->drv, (unsigned)port, &bench->device));
		return;
	}
}

/* From a daemon with @args to an open stick. */
static void start(struct bench *bench, const char *const *wrapper,
		  const char *const *args, bool super)
{
	/* as Linux sets it up, but without moderation, which would hide the latency */
	struct drv_options options = {.transfer_segments = 8, .event_trbs = 1024};
	int fd;

	bench_check("a folder", daemon_init(&bench->daemon));
	for (unsigned i = 0; wrapper && wrapper[i]; i++)
		bench->daemon.wrapper[i] = wrapper[i];
	bench_check("starting the daemon", daemon_start(&bench->daemon, args));
	bench_check("guest memory", guest_ram_init(&bench->ram, BENCH_ZONE_BYTES));
	fd = daemon_connect(&bench->daemon);
	if (fd < 0)
		bench_die("connecting to the daemon", fd);
	bench_check("booting", vmm_boot(&bench->vmm, fd, VFU_DIALECT_QEMU, &bench->ram));
	bench->vmm.client.timeout_ms = 60000;
	bench_check("starting the controller",
		    drv_start(&bench->drv, &bench->vmm, &bench->ram, &options));
	bench->drv.timeout_ms = 60000;
	find_stick(bench, super);
	bot_init(&bench->bot, &bench->device);
	bench_check("opening the stick", bot_open(&bench->bot));
	bench->buf =
		guest_alloc(&bench->ram, GUEST_RAM_ZONE_HIGH, BENCH_DATA_BYTES, 1 << 20);
	memset(bench->buf.ptr, 0x5a, BENCH_DATA_BYTES);
}

void bench_start(struct bench *bench, const char *const *wrapper, bool keyboard)
{
	char spec[128];
	const char *args[8] = {"--device", spec, NULL};

	*bench = (struct bench){.image = ""};
	make_image(bench);
	(void)snprintf(spec, sizeof(spec), "stick:file=%s,speed=super", bench->image);
	if (keyboard) {
		args[2] = "--device";
		args[3] = "keyboard";
	}
	start(bench, wrapper, args, true);
}

void bench_start_device(struct bench *bench, const char *spec)
{
	const char *args[] = {"--device", spec, NULL};

	*bench = (struct bench){.image = ""};
	start(bench, NULL, args, false);
}

void bench_stop(struct bench *bench)
{
	int r;

	drv_finish(&bench->drv);
	vmm_finish(&bench->vmm);
	r = bench->daemon.pid > 0 ? daemon_stop(&bench->daemon) : 0;
	if (bench->image[0] != '\0')
		(void)unlink(bench->image);
	daemon_finish(&bench->daemon);
	guest_ram_finish(&bench->ram);
	bench_check("the daemon's exit status", r);
}
