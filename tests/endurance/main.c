/* SPDX-License-Identifier: MIT
 * main.c - endure: years of work for usbvfiod, in an hour
 *
 * endure [OPTION VALUE]... KIND, with $USBVFIOD. Prints figures. Exits with status 1 on
 * lost or wrong data and if the daemon grows. --device takes the value of the daemon's
 * option, also a host device. The reader of the output then unplugs that device at each
 * line "PULL", --pulls times in all; --pid is the process that plays the device.
 * --growth: KiB by which the daemon may grow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/endurance/kinds.h"

#define ZONE_BYTES    (64u << 20)
#define PULL_PERMILLE 20u
#define STOP_PERMILLE 150u
#define GROWTH_KIB    2048u

static const struct {
	const char *name;
	void (*run)(struct endure *e, const struct endure_amount *amount);
} kinds[] = {
	{"stick", endure_stick},
	{"bulk", endure_bulk},
	{"plug", endure_plug},
};

static int usage(void)
{
	(void)fprintf(stderr, "usage: endure [--seed N] [--mib N] [--pulls N] [--rounds "
			      "N] [--device SPEC] "
			      "[--stops PERMILLE] [--kills PERMILLE] "
			      "[--restores PERMILLE] "
			      "[--growth KIB] [--pid N] stick|bulk|plug|stuck\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct endure e;
	struct endure_amount amount = {.bytes = 64u << 20, .rounds = 200};
	const char *spec = "";
	uint64_t seed = 0, growth_kib = GROWTH_KIB;
	unsigned stops = STOP_PERMILLE, kills = 1, restores = 2;
	int program = 0, i;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i + 1 < argc - 1; i += 2) {
		uint64_t number = strtoull(argv[i + 1], NULL, 0);

		if (strcmp(argv[i], "--seed") == 0)
			seed = number;
		else if (strcmp(argv[i], "--mib") == 0)
			amount.bytes = number << 20;
		else if (strcmp(argv[i], "--pulls") == 0)
			amount.pulls = number;
		else if (strcmp(argv[i], "--rounds") == 0)
			amount.rounds = (unsigned)number;
		else if (strcmp(argv[i], "--device") == 0)
			spec = argv[i + 1];
		else if (strcmp(argv[i], "--stops") == 0)
			stops = (unsigned)number;
		else if (strcmp(argv[i], "--kills") == 0)
			kills = (unsigned)number;
		else if (strcmp(argv[i], "--restores") == 0)
			restores = (unsigned)number;
		else if (strcmp(argv[i], "--growth") == 0)
			growth_kib = number;
		else if (strcmp(argv[i], "--pid") == 0)
			program = (int)number;
		else
			return usage();
	}
	if (i != argc - 1)
		return usage();
	endure_init(&e, seed, ZONE_BYTES);
	e.growth_kib = growth_kib;
	(void)snprintf(e.spec, sizeof(e.spec), "%s", spec);
	if (strcmp(argv[i], "stuck") == 0) {
		endure_stuck(&e, &amount, program);
		return 0;
	}
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (strcmp(kinds[k].name, argv[i]) != 0)
			continue;
		if (amount.pulls > 0)
			e.permille[DISTURB_PULL] = PULL_PERMILLE;
		e.permille[DISTURB_STOP] = stops;
		e.permille[DISTURB_RESTORE] = restores;
		e.permille[DISTURB_PORT] = 2;
		e.permille[DISTURB_HCRST] = 2;
		e.permille[DISTURB_REPLUG] = 2;
		e.permille[DISTURB_CLIENT] = 1;
		e.permille[DISTURB_KILL] = kills;
		kinds[k].run(&e, &amount);
		return 0;
	}
	return usage();
}
