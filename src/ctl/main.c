/* SPDX-License-Identifier: MIT
 * main.c - usbvfioctl: the table of verbs
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/version.h"

static const struct ctl_verb verbs[] = {
	{"attach", "SPEC [--port N] [--force] [--name NAME] [--reset RESET]",
	 "plug a device in: a node in /dev/bus/usb, or a SPEC of usbvfiod --device",
	 CTL_OPTION_LEGACY | CTL_OPTION_PORT | CTL_OPTION_FORCE | CTL_OPTION_NAME |
		 CTL_OPTION_RESET,
	 1, 1, ctl_attach},
	{"detach", "DEVICE", "unplug a device", CTL_OPTION_LEGACY, 1, 2, ctl_detach},
	{"list", "[--all]", "show the devices", CTL_OPTION_ALL | CTL_OPTION_LEGACY, 0, 0,
	 ctl_list},
	{"watch", "", "print events as they happen", 0, 0, 0, ctl_watch},
	{"stats", "[DEVICE]", "show transfer counters", 0, 0, 2, ctl_stats},
	{"capture", "start FILE | stop | status", "record transfers in a pcap file", 0, 1,
	 2, ctl_capture},
	{"log", "LEVEL [SUBSYSTEM]", "set how much the daemon logs", 0, 1, 2, ctl_log},
	{"rules", "add RULE [ID] | remove ID | list", "manage attach rules", 0, 1, 3,
	 ctl_rules},
	{"reset", "DEVICE", "reset the real device", 0, 1, 2, ctl_reset},
	{"move", "DEVICE --to SOCKET [--port N] [--force] [--name NAME] [--reset RESET]",
	 "move a device to another daemon",
	 CTL_OPTION_TO | CTL_OPTION_PORT | CTL_OPTION_FORCE | CTL_OPTION_NAME |
		 CTL_OPTION_RESET,
	 1, 2, ctl_move},
	{"doctor", "[NODE | BUS:DEV | PLACE]",
	 "say why devices cannot be attached or are slow, and how to fix it", 0, 0, 1,
	 ctl_doctor},
	{"agent", "[--rules FILE] [RULE]...",
	 "follow rules for a daemon that may not open devices", CTL_OPTION_RULES, 0, 256,
	 ctl_agent},
};

static void print_help(void)
{
	(void)puts("usage: usbvfioctl [OPTION]... VERB [ARGUMENT]...\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		(void)printf("  %s %s\n        %s\n", verbs[i].name, verbs[i].usage,
			     verbs[i].does);
	(void)puts(
		"\n"
		"DEVICE is an ID as list shows it, BUS:DEV of the host, or: port N\n"
		"\n"
		"  --socket PATH  the daemon's control socket; default: the only one in\n"
		"                 /run/usbvfiod or $XDG_RUNTIME_DIR/usbvfiod\n"
		"  --json         print the daemon's answers as they are\n"
		"  --legacy       attach, detach, list: speak the original's dialect\n"
		"  -h, --help     this text\n"
		"  -V, --version  the version\n"
		"\n"
		"Exit status: 0 done, 1 refused or failed, 2 wrong usage.");
}

/* The option of the mask @options that comes first, for messages. */
static const char *option_name(unsigned options)
{
	static const char *const names[] = {"--all",  "--legacy", "--port", "--force",
					    "--name", "--reset",  "--to",   "--rules"};

	return names[__builtin_ctz(options)];
}

static enum ctl_status run(const struct ctl *ctl)
{
	if (!ctl->verb)
		return ctl_misused("say what to do");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		const struct ctl_verb *verb = &verbs[i];
		unsigned wrong = ctl->given & ~verb->options;

		if (strcmp(verb->name, ctl->verb) != 0)
			continue;
		if (wrong)
			return ctl_misused("%s does not go with %s", option_name(wrong),
					   verb->name);
		if (ctl->nargs < verb->args_min || ctl->nargs > verb->args_max)
			return ctl_misused("it is: %s %s", verb->name, verb->usage);
		return verb->run(ctl);
	}
	return ctl_misused("there is no verb '%s'", ctl->verb);
}

int main(int argc, char *argv[])
{
	struct ctl ctl = {.node_folder = "/dev/bus/usb"};
	enum ctl_status status;

	(void)setlocale(LC_ALL, "");
	status = ctl_options_parse(&ctl, argc, argv);
	if (status != CTL_STATUS_DONE)
		return status;
	if (ctl.help)
		print_help();
	else if (ctl.version)
		(void)puts("usbvfioctl " VERSION);
	else
		status = run(&ctl);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_STATUS_DONE) {
		ctl_complain("cannot write: %s", strerror(errno));
		status = CTL_STATUS_FAILED;
	}
	return status;
}
