/* SPDX-License-Identifier: MIT
 * poke_main.c - usb-poke: operations on a USB device that tests need and busybox lacks
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/vm/devices/poke.h"
#include "util/compiler.h"

static const struct poke_command *const TABLES[] = {POKE_BASIC, POKE_CONTROL, POKE_BULK,
						    POKE_ISO};

static void help(void)
{
	(void)printf("usage: usb-poke list    (all devices but root hubs)\n"
		     "       usb-poke DEVICE [--wait S] COMMAND [ARGUMENT]... [, "
		     "COMMAND...]...\n"
		     "\n"
		     "DEVICE is BUS/DEV, VVVV:PPPP, VVVV:PPPP:SERIAL or a path below "
		     "/dev/bus/usb. Commands\n"
		     "separated by \",\" run on one open device until one fails, so an "
		     "interface's claim\n"
		     "and alternate setting last that long. Each prints \"OK COMMAND "
		     "key=value...\" or\n"
		     "\"FAIL COMMAND key=value... error=NAME\". \"expect NAME COMMAND\" "
		     "is OK if the command\n"
		     "fails with that error (a name such as EPIPE). Numbers are in any "
		     "base of C; IN\n"
		     "endpoints are 0x81 and so on. The packets of iso-in and iso-out, "
		     "and the requests of\n"
		     "counts and pattern-in, are those of vhci-device.\n"
		     "\n");
	for (size_t t = 0; t < ARRAY_SIZE(TABLES); t++) {
		for (const struct poke_command *c = TABLES[t]; c->name; c++)
			(void)printf("  %s %s\n", c->name, c->usage);
	}
}

static const struct poke_command *find(const char *name)
{
	for (size_t t = 0; t < ARRAY_SIZE(TABLES); t++) {
		for (const struct poke_command *c = TABLES[t]; c->name; c++) {
			if (strcmp(c->name, name) == 0)
				return c;
		}
	}
	return NULL;
}

/* Runs the command in words [0, @count). Return: whether it succeeded, or failed as expected */
static bool run(struct poke *poke, char **words, int count)
{
	const char *expected = NULL, *error;
	const struct poke_command *command;
	bool good;
	int r;

	if (count > 2 && strcmp(words[0], "expect") == 0) {
		expected = words[1];
		words += 2;
		count -= 2;
	}
	command = count > 0 ? find(words[0]) : NULL;
	if (!command || count - 1 < command->args_min) {
		(void)printf("FAIL %s error=%s\n", count > 0 ? words[0] : "",
			     command ? "arguments" : "unknown-command");
		return false;
	}
	poke->name = words[0];
	poke->args = words + 1;
	poke->arg_count = count - 1;
	poke->result[0] = '\0';
	r = command->run(poke);
	error = r < 0 ? strerrorname_np(-r) : "none";
	good = expected ? error && strcmp(error, expected) == 0 : r >= 0;
	(void)printf("%s %s%s", good ? "OK" : "FAIL", command->name, poke->result);
	if (r < 0)
		(void)printf(" error=%s", error ? error : "unknown");
	if (expected)
		(void)printf(" expected=%s", expected);
	(void)putchar('\n');
	(void)fflush(stdout);
	return good;
}

int main(int argc, char **argv)
{
	struct poke poke = {.fd = -1};
	unsigned wait_s = 0;
	int at = 2;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return poke_list() < 0;
	if (argc < 3) {
		help();
		return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
	}
	if (argc > 4 && strcmp(argv[2], "--wait") == 0) {
		wait_s = (unsigned)atoi(argv[3]);
		at = 4;
	}
	poke.fd = poke_open(argv[1], wait_s);
	if (poke.fd < 0) {
		(void)printf("FAIL open device=%s error=%s\n", argv[1],
			     strerrorname_np(-poke.fd));
		return 1;
	}
	while (at < argc) {
		int end = at;

		while (end < argc && strcmp(argv[end], ",") != 0)
			end++;
		if (!run(&poke, argv + at, end - at))
			return 1;
		at = end + 1;
	}
	(void)close(poke.fd);
	return 0;
}
