/* SPDX-License-Identifier: MIT
 * options.c - the command line and the sockets a service manager passes
 */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sandbox/sandbox.h"
#include "xhci/xhci.h"

#define LISTEN_FDS_START 3 /* SD_LISTEN_FDS_START */

enum option_id {
	OPTION_ID_SOCKET_PATH = 256,
	OPTION_ID_FD,
	OPTION_ID_DEVICE,
	OPTION_ID_PORTS,
	OPTION_ID_PCAP_PATH,
	OPTION_ID_NO_MSIX,
	OPTION_ID_NO_COLOR,
	OPTION_ID_HOTPLUG_SOCKET_PATH,
	OPTION_ID_HOTPLUG_FD,
	OPTION_ID_RULES,
	OPTION_ID_MEMORY_FILES,
	OPTION_ID_VMM_PEERS,
	OPTION_ID_CONTROL_PEERS,
	OPTION_ID_CONTROL_READERS,
	OPTION_ID_SANDBOX,
	OPTION_ID_SANDBOX_PATH,
	OPTION_ID_USER,
};

/* A leading ":" in the short options lets us word the messages. */
static const char short_options[] = ":vhV";

static const struct option long_options[] = {
	{"socket-path", required_argument, NULL, OPTION_ID_SOCKET_PATH},
	{"fd", required_argument, NULL, OPTION_ID_FD},
	{"device", required_argument, NULL, OPTION_ID_DEVICE},
	{"ports", required_argument, NULL, OPTION_ID_PORTS},
	{"pcap-path", required_argument, NULL, OPTION_ID_PCAP_PATH},
	{"no-msix", no_argument, NULL, OPTION_ID_NO_MSIX},
	{"verbose", no_argument, NULL, 'v'},
	{"no-color", no_argument, NULL, OPTION_ID_NO_COLOR},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"hotplug-socket-path", required_argument, NULL, OPTION_ID_HOTPLUG_SOCKET_PATH},
	{"hotplug-fd", required_argument, NULL, OPTION_ID_HOTPLUG_FD},
	{"rules", required_argument, NULL, OPTION_ID_RULES},
	{"memory-files", required_argument, NULL, OPTION_ID_MEMORY_FILES},
	{"vmm-peers", required_argument, NULL, OPTION_ID_VMM_PEERS},
	{"control-peers", required_argument, NULL, OPTION_ID_CONTROL_PEERS},
	{"control-readers", required_argument, NULL, OPTION_ID_CONTROL_READERS},
	{"sandbox", required_argument, NULL, OPTION_ID_SANDBOX},
	{"sandbox-path", required_argument, NULL, OPTION_ID_SANDBOX_PATH},
	{"user", required_argument, NULL, OPTION_ID_USER},
	{NULL, 0, NULL, 0},
};

/* The text of --help, in the order of the manual. */
static const char help_sockets[] =
	"Usage: usbvfiod --socket-path PATH [OPTION]...\n"
	"       usbvfiod --fd N [OPTION]...\n"
	"\n"
	"Emulates a USB (xHCI) controller and serves it to a virtual machine\n"
	"monitor over vfio-user.\n"
	"\n"
	"  --socket-path PATH  listen for the monitor at PATH\n"
	"  --fd N              use socket N, listening or connected\n"
	"  --hotplug-socket-path PATH\n"
	"                      listen at PATH for usbvfioctl, which attaches and\n"
	"                      detaches devices\n"
	"  --hotplug-fd N      the same on socket N, listening\n"
	"  --rules FILE        attach the devices that match the rules in FILE, one\n"
	"                      rule a line; SIGHUP reads FILE again\n"
	"  --vmm-peers LIST    users and @groups that may be the monitor, with\n"
	"                      commas between them; root and the daemon's own\n"
	"                      user always may\n"
	"  --control-peers LIST\n"
	"                      users and @groups that may attach and detach\n"
	"  --control-readers LIST\n"
	"                      users and @groups that may list and watch\n";

static const char help_devices[] =
	"  --device SPEC       plug in a device; may be repeated:\n"
	"                        /dev/bus/usb/BBB/DDD or a symlink to it\n"
	"                          a device of the host, as lsusb shows it\n"
	"                        host:path=PATH[,reset=RESET][,force]\n"
	"                        host:fd=N[,reset=RESET]\n"
	"                          the same, or its node, open as fd N;\n"
	"                          RESET: always (default), first or never\n"
	"                        stick:file=IMAGE[,readonly][,speed=SPEED]\n"
	"                          SPEED: full, high or super (default)\n"
	"                        keyboard[:input=FIFO[,anyone]][,speed=SPEED]\n"
	"                          SPEED: low, full (default) or high\n"
	"                        zero[:pattern=PATTERN][,speed=SPEED]\n"
	"                          a test device; PATTERN: zeros (default) or\n"
	"                          mod63, SPEED: full, high or super (default)\n"
	"                        usb:KEY=VALUE[,KEY=VALUE]...\n"
	"                          a rule: all devices that match, when they come;\n"
	"                          KEY: vid, pid, serial, product, port, class...\n"
	"                      write a comma in a file name as \\,\n";

static const char help_rest[] =
	"  --pcap-path FILE    record the USB traffic in FILE, for Wireshark\n"
	"  --no-msix           offer MSI only\n"
	"  --memory-files LIST file systems whose files may be guest memory, beside\n"
	"                      memfd, tmpfs and hugetlbfs; default\n"
	"                      bcachefs,btrfs,ext2,ext3,ext4,f2fs,xfs,zfs; any; none\n"
	"  --user USER[:GROUP] become this user once the sockets exist\n"
	"  --sandbox MODE      on (default): reach only the files named here; log:\n"
	"                      log what \"on\" would refuse; off\n"
	"  --sandbox-path PATH let clients name this file or folder, too; may be\n"
	"                      repeated\n"
	"  -v, --verbose       log more; twice: every transfer\n"
	"  --no-color          no colours in the log\n"
	"  -h, --help          this text\n"
	"  -V, --version       the version\n"
	"\n"
	"Without --socket-path and --fd usbvfiod uses a socket that a service\n"
	"manager passes (LISTEN_FDS).\n";

void options_print_help(FILE *file)
{
	(void)fputs(help_sockets, file);
	(void)fputs(help_devices, file);
	(void)fprintf(file,
		      "  --ports N           N ports for USB 2 and N for USB 3 devices,\n"
		      "                      1 to %u, default %u\n",
		      XHCI_PORTS_MAX, XHCI_PORTS_DEFAULT);
	(void)fputs(help_rest, file);
}

/* A decimal number within [@min, @max]; INT_MAX: no upper limit. */
static int parse_number(const char *option, const char *text, long min, long max,
			long *ret_number, struct err *err)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (!errno && end != text && *end == '\0' && number >= min && number <= max) {
		*ret_number = number;
		return 0;
	}
	if (max == INT_MAX)
		(void)err_set(err, EINVAL, "%s %s: a number of at least %ld is needed",
			      option, text, min);
	else
		(void)err_set(err, EINVAL, "%s %s: a number from %ld to %ld is needed",
			      option, text, min, max);
	return -EINVAL;
}

static int take_device(struct options *options, const char *spec, struct err *err)
{
	if (options->device_count == VM_PORT_MAX)
		return err_set(err, E2BIG, "--device: more than %u devices", VM_PORT_MAX);
	options->devices[options->device_count++] = spec;
	return 0;
}

/* An fd from 3 on: 0 to 2 are stdin, stdout and stderr. */
static int take_fd(const char *name, int *ret_fd, struct err *err)
{
	long number;
	int r = parse_number(name, optarg, 3, INT_MAX, &number, err);

	if (r == 0)
		*ret_fd = (int)number;
	return r;
}

static int take_path(const char *name, const char **ret_path, struct err *err)
{
	if (*optarg == '\0')
		return err_set(err, EINVAL, "%s is empty", name);
	*ret_path = optarg;
	return 0;
}

/* Names of file systems with commas between; "any" and "none" stand alone. */
static int check_memory_files(const char *list, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	const char *at = list;

	for (;;) {
		size_t len = strspn(at, letters);

		if (len == 0 || (at[len] != ',' && at[len] != '\0'))
			return err_set(err, EINVAL,
				       "--memory-files %s: names of file systems with "
				       "commas between are needed, or any, or none",
				       list);
		if (at[len] == '\0')
			return 0;
		at += len + 1;
	}
}

static int take_peers(const char *name, struct peers *peers, struct err *err)
{
	struct err why = {0};

	if (peers_parse(peers, optarg, &why) < 0)
		return err_set(err, EINVAL, "%s: %s", name, why.text);
	return 0;
}

static int take_sandbox_path(struct options *options, struct err *err)
{
	const char *path;
	int r = take_path("--sandbox-path", &path, err);

	if (r < 0)
		return r;
	if (options->sandbox_path_count == OPTIONS_SANDBOX_PATHS_MAX)
		return err_set(err, E2BIG, "--sandbox-path: more than %u",
			       OPTIONS_SANDBOX_PATHS_MAX);
	options->sandbox_paths[options->sandbox_path_count++] = path;
	return 0;
}

static int take_option(struct options *options, int id, struct err *err)
{
	long number;
	int r;

	switch (id) {
	case OPTION_ID_SOCKET_PATH:
		options->socket_path = optarg;
		return 0;
	case OPTION_ID_FD:
		return take_fd("--fd", &options->fd, err);
	case OPTION_ID_HOTPLUG_SOCKET_PATH:
		return take_path("--hotplug-socket-path", &options->control_path, err);
	case OPTION_ID_HOTPLUG_FD:
		return take_fd("--hotplug-fd", &options->control_fd, err);
	case OPTION_ID_RULES:
		return take_path("--rules", &options->rules_path, err);
	case OPTION_ID_VMM_PEERS:
		return take_peers("--vmm-peers", &options->vmm_peers, err);
	case OPTION_ID_CONTROL_PEERS:
		return take_peers("--control-peers", &options->control_peers, err);
	case OPTION_ID_CONTROL_READERS:
		return take_peers("--control-readers", &options->control_readers, err);
	case OPTION_ID_DEVICE:
		return take_device(options, optarg, err);
	case OPTION_ID_PORTS:
		r = parse_number("--ports", optarg, 1, XHCI_PORTS_MAX, &number, err);
		if (r == 0)
			options->ports = (unsigned)number;
		return r;
	case OPTION_ID_PCAP_PATH:
		return take_path("--pcap-path", &options->pcap_path, err);
	case OPTION_ID_USER:
		return take_path("--user", &options->user, err);
	case OPTION_ID_SANDBOX:
		if (sandbox_mode_find(optarg, &options->sandbox) < 0)
			return err_set(err, EINVAL,
				       "--sandbox %s: possible are on, log and off",
				       optarg);
		return 0;
	case OPTION_ID_SANDBOX_PATH:
		return take_sandbox_path(options, err);
	case OPTION_ID_NO_MSIX:
		options->no_msix = true;
		return 0;
	case OPTION_ID_MEMORY_FILES:
		options->memory_files = optarg;
		return check_memory_files(optarg, err);
	case OPTION_ID_NO_COLOR:
		options->no_color = true;
		return 0;
	case 'v':
	default:
		if (options->log_level < LOG_LEVEL_TRACE)
			options->log_level++;
		return 0;
	}
}

/* getopt found something it does not know or that lacks its argument. */
static int refuse(int id, char *argv[], struct err *err)
{
	const char *text = argv[optind - 1]; /* only right for long options */

	if (id == ':')
		return err_set(err, EINVAL, "%s needs a value", text);
	if (optopt == 0)
		return err_set(err, EINVAL, "unknown or ambiguous option %s", text);
	if (optopt < OPTION_ID_SOCKET_PATH && !strchr(short_options, optopt))
		return err_set(err, EINVAL, "unknown option -%c", optopt);
	return err_set(err, EINVAL, "%s: this option takes no value", text);
}

/* Which socket to serve: exactly one must have been named. */
static int choose_socket(struct options *options, unsigned passed_fds, struct err *err)
{
	if (options->socket_path && options->fd >= 0)
		return err_set(err, EINVAL, "--socket-path and --fd exclude each other");
	if (options->socket_path && passed_fds > 0)
		return err_set(
			err, EINVAL,
			"--socket-path was given, but the service manager passed a "
			"socket too (LISTEN_FDS): leave one out");
	if (options->socket_path && options->socket_path[0] == '\0')
		return err_set(err, EINVAL, "--socket-path is empty");
	if (options->socket_path || options->fd >= 0)
		return 0;
	if (passed_fds > 1)
		return err_set(
			err, EINVAL,
			"the service manager passed %u sockets (LISTEN_FDS): say which "
			"one to serve with --fd N, the first is 3",
			passed_fds);
	if (passed_fds == 0)
		return err_set(err, EINVAL,
			       "no socket to serve: give --socket-path PATH or --fd N");
	options->fd = LISTEN_FDS_START;
	return 0;
}

int options_parse(struct options *options, int argc, char *argv[], unsigned passed_fds,
		  struct err *err)
{
	int id, r;

	*options = (struct options){
		.fd = -1,
		.control_fd = -1,
		.ports = XHCI_PORTS_DEFAULT,
		.sandbox = SANDBOX_MODE_ON,
		.log_level = LOG_LEVEL_INFO,
	};
	optind = 0; /* glibc: start afresh */
	opterr = 0;
	while ((id = getopt_long(argc, argv, short_options, long_options, NULL)) >= 0) {
		switch (id) {
		case 'h':
			options->action = OPTIONS_ACTION_HELP;
			return 0;
		case 'V':
			options->action = OPTIONS_ACTION_VERSION;
			return 0;
		case '?':
		case ':':
			return refuse(id, argv, err);
		default:
			r = take_option(options, id, err);
			if (r < 0)
				return r;
		}
	}
	if (optind < argc)
		return err_set(err, EINVAL,
			       "%s: what is this? Every argument is an option",
			       argv[optind]);
	if (options->control_path && options->control_fd >= 0)
		return err_set(
			err, EINVAL,
			"--hotplug-socket-path and --hotplug-fd exclude each other");
	if (options->control_fd >= 0 && options->control_fd == options->fd)
		return err_set(err, EINVAL, "fd %d is named twice", options->fd);
	return choose_socket(options, passed_fds, err);
}

unsigned options_passed_fds(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	unsigned count = 0;
	long number;

	if (pid && fds && parse_number("", pid, 1, LONG_MAX - 1, &number, NULL) == 0 &&
	    number == getpid() && parse_number("", fds, 1, 1024, &number, NULL) == 0)
		count = (unsigned)number;
	/* meant for us, not for what we may start */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return count;
}
