/* SPDX-License-Identifier: MIT
 * host.c - bench: a real mass storage device through the daemon, against libusb alone
 *
 * bench_host NODE [ROUNDS]: NODE is the usbfs node of a device whose content the bench
 * overwrites. Daemon and yardsticks do the same: bulk-only commands of up to 16 MiB,
 * split into transfers of one size, a number of them in flight. Their rounds alternate,
 * because only one of them can have the device. The CPU time is that of the process that
 * drives the device, with the kernel's work for it: the daemon, or this program as the
 * yardstick. The second yardstick has the device in another process, like the daemon: see
 * bare.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bench/bare.h"
#include "bench/bench.h"

#define ROUNDS_MAX     9u
#define ROUNDS_DEFAULT 3u
#define LATENCY_ROUND  500u /* commands */
#define RATE_BYTES     (64u << 20)
#define COMMAND_BYTES  (16u << 20)

/* One line of the table. */
struct load {
	bool in;
	uint32_t piece_bytes;
	unsigned depth;
	uint32_t command_bytes;
	unsigned commands;
};

static const struct load loads[] = {
	{true, 512, 1, 512, LATENCY_ROUND},
	{false, 512, 1, 512, LATENCY_ROUND},
	{true, 4096, 1, 4096, LATENCY_ROUND},
	{true, 65536, 1, COMMAND_BYTES, RATE_BYTES / COMMAND_BYTES},
	{true, 65536, 8, COMMAND_BYTES, RATE_BYTES / COMMAND_BYTES},
	{false, 65536, 8, COMMAND_BYTES, RATE_BYTES / COMMAND_BYTES},
	{true, 1048576, 8, COMMAND_BYTES, RATE_BYTES / COMMAND_BYTES},
	{false, 1048576, 8, COMMAND_BYTES, RATE_BYTES / COMMAND_BYTES},
};
#define LOADS ARRAY_SIZE(loads)

/* Times of a round of a load. */
struct took {
	double seconds;
	double cpu_seconds;
};

static double own_cpu_s(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* CPU time of all threads of the process; /proc/PID/stat counts only hundredths of a
 * second. */
static double process_cpu_s(pid_t pid)
{
	char path[320];
	double sum = 0;
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		unsigned long long ns = 0;
		FILE *file;

		if (entry->d_name[0] == '.') /* "../schedstat" exists too */
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid,
			       entry->d_name);
		file = fopen(path, "re");
		if (file && fscanf(file, "%llu", &ns) == 1)
			sum += (double)ns / 1e9;
		if (file)
			(void)fclose(file);
	}
	if (dir)
		(void)closedir(dir);
	return sum;
}

static void our_round(const char *spec, struct took took[LOADS])
{
	struct bench b;

	bench_start_device(&b, spec);
	for (unsigned i = 0; i < LOADS; i++) {
		const struct load *load = &loads[i];
		uint16_t sectors = (uint16_t)(load->command_bytes / BOT_SECTOR);
		double cpu_s = 0;
		uint64_t start = 0;

		for (unsigned n = 0; n <= load->commands; n++) {
			int r;

			if (n == 1) { /* command 0 warms up */
				cpu_s = process_cpu_s(b.daemon.pid);
				start = bench_now_ns();
			}
			r = load->in ? bot_read(&b.bot, 0, sectors, b.buf.iova,
						load->piece_bytes, load->depth)
				     : bot_write(&b.bot, 0, sectors, b.buf.iova,
						 load->piece_bytes, load->depth);
			bench_check("moving data", r);
		}
		took[i].seconds = (double)(bench_now_ns() - start) / 1e9;
		took[i].cpu_seconds = process_cpu_s(b.daemon.pid) - cpu_s;
	}
	bench_stop(&b);
}

static void bare_round(const char *path, bool relayed, struct took took[LOADS])
{
	struct bare *bare = bare_open(path, relayed);

	for (unsigned i = 0; i < LOADS; i++) {
		const struct load *load = &loads[i];
		uint16_t sectors = (uint16_t)(load->command_bytes / BOT_SECTOR);
		double cpu_s = 0;
		uint64_t start = 0;

		for (unsigned n = 0; n <= load->commands; n++) {
			if (n == 1) {
				cpu_s = own_cpu_s();
				start = bench_now_ns();
			}
			bare_move(bare, load->in, sectors, load->piece_bytes,
				  load->depth);
		}
		took[i].seconds = (double)(bench_now_ns() - start) / 1e9;
		took[i].cpu_seconds = own_cpu_s() - cpu_s;
	}
	bare_close(bare);
}

/* The parties that move the data. */
enum party { OURS, BARE, RELAY, PARTIES };
static const char *const names[PARTIES] = {"usbvfiod", "libusb", "relay"};
static struct took took[PARTIES][ROUNDS_MAX][LOADS];

/* Our rate as a share of @other's: the median over @rounds. */
static double share(enum party other, unsigned load, unsigned rounds)
{
	double shares[ROUNDS_MAX];

	for (unsigned r = 0; r < rounds; r++)
		shares[r] = took[other][r][load].seconds / took[OURS][r][load].seconds;
	return bench_median(shares, rounds);
}

static void print_load(unsigned i, unsigned rounds)
{
	const struct load *load = &loads[i];
	double mib = (double)load->command_bytes * load->commands / 1048576.0;
	double seconds[PARTIES];
	double cpu_ms[PARTIES];

	for (unsigned party = 0; party < PARTIES; party++) {
		double each[ROUNDS_MAX];

		for (unsigned r = 0; r < rounds; r++)
			each[r] = took[party][r][i].seconds;
		seconds[party] = bench_median(each, rounds);
		for (unsigned r = 0; r < rounds; r++)
			each[r] = took[party][r][i].cpu_seconds * 1000 / mib;
		cpu_ms[party] = bench_median(each, rounds);
	}
	printf("  %-4s %8u B %4u", load->in ? "IN" : "OUT", load->piece_bytes,
	       load->depth);
	for (unsigned party = 0; party < PARTIES; party++)
		printf(" %9.1f", mib / seconds[party]);
	for (unsigned party = 0; party < PARTIES; party++)
		printf(" %9.1f", seconds[party] * 1e6 / load->commands);
	printf(" %8.2f %8.2f %9.2f %9.2f\n", share(BARE, i, rounds),
	       share(RELAY, i, rounds), cpu_ms[OURS], cpu_ms[BARE]);
}

int main(int argc, char *argv[])
{
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : ROUNDS_DEFAULT;

	if (argc < 2 || rounds == 0 || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr,
			      "usage: bench_host NODE [ROUNDS]  (overwrites NODE!)\n");
		return 2;
	}
	for (unsigned r = 0; r < rounds; r++) {
		bare_round(argv[1], false, took[BARE][r]);
		our_round(argv[1], took[OURS][r]);
		bare_round(argv[1], true, took[RELAY][r]);
	}
	printf("A mass storage device of the host (median of %u rounds)\n", rounds);
	printf("  %-20s %29s %29s %17s %19s\n", "", "MiB/s", "us/command", "our share of",
	       "CPU ms/MiB");
	printf("  %-4s %10s %4s", "", "transfer", "deep");
	for (unsigned party = 0; party < 2u * PARTIES; party++)
		printf(" %9s", names[party % PARTIES]);
	printf(" %8s %8s %9s %9s\n", names[BARE], names[RELAY], names[OURS], names[BARE]);
	for (unsigned i = 0; i < LOADS; i++)
		print_load(i, rounds);
	return 0;
}
