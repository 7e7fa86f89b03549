/* SPDX-License-Identifier: MIT
 * options.c - the command line: options anywhere, the verb, its arguments
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "ctl/ctl.h"

enum {
	OPT_SOCKET = 256,
	OPT_ALL,
	OPT_JSON,
	OPT_LEGACY,
	OPT_PORT,
	OPT_FORCE,
	OPT_NAME,
	OPT_RESET,
	OPT_TO,
	OPT_RULES,
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"all", no_argument, NULL, OPT_ALL},
	{"json", no_argument, NULL, OPT_JSON},
	{"legacy", no_argument, NULL, OPT_LEGACY},
	{"port", required_argument, NULL, OPT_PORT},
	{"force", no_argument, NULL, OPT_FORCE},
	{"name", required_argument, NULL, OPT_NAME},
	{"reset", required_argument, NULL, OPT_RESET},
	{"to", required_argument, NULL, OPT_TO},
	{"rules", required_argument, NULL, OPT_RULES},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static enum ctl_status parse_port(struct ctl *ctl, const char *text)
{
	char *end;
	unsigned long port;

	errno = 0;
	port = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || port < 1 || port > 255)
		return ctl_misused("--port: '%s' is no virtual port: 1 to 255", text);
	ctl->port = (unsigned)port;
	ctl->given |= CTL_OPTION_PORT;
	return CTL_STATUS_DONE;
}

/* The value of an option with a text. */
static enum ctl_status take_text(struct ctl *ctl, const char **text, unsigned option)
{
	if (optarg[0] == '\0')
		return ctl_misused("an option's value is empty");
	*text = optarg;
	ctl->given |= option;
	return CTL_STATUS_DONE;
}

static enum ctl_status take_option(struct ctl *ctl, int option)
{
	switch (option) {
	case OPT_SOCKET:
		return take_text(ctl, &ctl->socket, 0);
	case OPT_NAME:
		return take_text(ctl, &ctl->name, CTL_OPTION_NAME);
	case OPT_RESET:
		return take_text(ctl, &ctl->reset, CTL_OPTION_RESET);
	case OPT_TO:
		return take_text(ctl, &ctl->to, CTL_OPTION_TO);
	case OPT_RULES:
		return take_text(ctl, &ctl->rules, CTL_OPTION_RULES);
	case OPT_PORT:
		return parse_port(ctl, optarg);
	case OPT_ALL:
		ctl->given |= CTL_OPTION_ALL;
		break;
	case OPT_LEGACY:
		ctl->given |= CTL_OPTION_LEGACY;
		break;
	case OPT_FORCE:
		ctl->given |= CTL_OPTION_FORCE;
		break;
	case OPT_JSON:
		ctl->json = true;
		break;
	case 'h':
		ctl->help = true;
		break;
	case 'V':
		ctl->version = true;
		break;
	default:
		/* getopt_long() has complained already */
		return CTL_STATUS_USAGE;
	}
	return CTL_STATUS_DONE;
}

enum ctl_status ctl_options_parse(struct ctl *ctl, int argc, char *argv[])
{
	int option;

	while ((option = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
		enum ctl_status status = take_option(ctl, option);

		if (status != CTL_STATUS_DONE)
			return status;
	}
	if (optind < argc)
		ctl->verb = argv[optind++];
	ctl->args = argv + optind;
	ctl->nargs = argc - optind;
	return CTL_STATUS_DONE;
}
