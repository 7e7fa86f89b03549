/* SPDX-License-Identifier: MIT
 * main.c - vhci-device: a USB test device on a port of Linux's vhci_hcd
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/vm/devices/device.h"
#include "tests/vm/devices/usbip.h"
#include "tests/vm/devices/vhci.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define OPTIONS_MAX 32
/* How long a device stays away before it comes back as another one. */
#define BECOME_MS       100u
#define REPLUG_AGAIN_NS UINT64_C(10000000)

static const struct kind *const KINDS[] = {
	&kind_source_sink, &kind_counter, &kind_loopback,
	&kind_alternate,   &kind_stall,   &kind_slow,
	&kind_big_control, &kind_hostile, &kind_storage,
};

static const struct {
	const char *name;
	enum usb_speed speed;
} SPEEDS[] = {
	{"low", USB_SPEED_LOW},
	{"full", USB_SPEED_FULL},
	{"high", USB_SPEED_HIGH},
	{"super", USB_SPEED_SUPER},
	{"super-plus", USB_SPEED_SUPER_PLUS},
};

struct program {
	struct device dev;
	struct vhci_port port;
	struct usbip_inbox inbox;
	const struct kind *kind;
	enum usb_speed speed;
	const char *serial;
	const char *id;
	const char *control_path;
	const char *stats_path;
	const char *options[OPTIONS_MAX + 1];
	int option_count;
	int control_fd;
	int signal_fd;
	bool attached;
	bool addressed; /* has had an address since it was attached: the next one means a reset */
	bool stay; /* keep running after an unplug: the control FIFO may replug the device */
	bool ending;
	uint64_t replug_ns;
};

static void help(void)
{
	(void)printf(
		"usage: vhci-device --kind KIND [--speed "
		"low|full|high|super|super-plus]\n"
		"                   [--serial TEXT] [--id VVVV:PPPP] [--control FIFO]\n"
		"                   [--stats FILE] [--option NAME[=VALUE]]...\n"
		"\n"
		"A USB device on a port of vhci_hcd (Linux 6.12 shows super-plus as "
		"super).\n"
		"Prints ATTACHED, then events, and at the end STATS with all its "
		"counts;\n"
		"--stats also writes that line to a file. SIGTERM detaches the device; "
		"SIGKILL is a\n"
		"surprise unplug. --control makes a FIFO that takes lines: stats, unplug "
		"(surprise),\n"
		"detach, replug [MS later], reset-counts, quit, and the commands of the "
		"kind.\n"
		"All kinds answer the vendor request 0xf0 IN with counts of what reached "
		"them, and\n"
		"0xf1 OUT by becoming another device: wValue is the new product id.\n"
		"\n");
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++)
		(void)printf("%s: %s\n", KINDS[i]->name, KINDS[i]->summary);
}

static void print_endpoint(FILE *out, const struct endpoint *ep)
{
	if (ep->count_urbs + ep->count_unlinked == 0)
		return;
	(void)fprintf(out, " ep%02x_urbs=%u ep%02x_bytes=%llu ep%02x_unlinked=%u",
		      ep->addr, ep->count_urbs, ep->addr,
		      (unsigned long long)ep->count_bytes, ep->addr, ep->count_unlinked);
	if (ep->count_zero_packets)
		(void)fprintf(out, " ep%02x_zero_packets=%u", ep->addr,
			      ep->count_zero_packets);
	if (ep->count_underruns)
		(void)fprintf(out, " ep%02x_underruns=%u ep%02x_underrun_max_us=%llu",
			      ep->addr, ep->count_underruns, ep->addr,
			      (unsigned long long)(ep->underrun_max_ns / 1000));
}

static void print_stats(struct program *program, FILE *out)
{
	const struct device *dev = &program->dev;
	const struct counts *c = &dev->counts;

	(void)fprintf(out,
		      "STATS kind=%s attached=%d configuration=%u set_configuration=%u "
		      "set_interface=%u clear_halt=%u set_halt=%u resets=%u unlinks=%u "
		      "controls=%u stalls=%u wrong_endpoint=%u last_interface=%u.%u "
		      "last_cleared=%02x busiest_queue=%u",
		      program->kind->name, program->attached, dev->configuration,
		      c->set_configuration, c->set_interface, c->clear_halt, c->set_halt,
		      c->resets, c->unlinks, c->controls, c->stalls, c->wrong_endpoint,
		      c->last_interface >> 8, c->last_interface & 0xff, c->last_cleared,
		      c->busiest_queue);
	for (unsigned i = 1; i < ENDPOINT_COUNT; i++) {
		print_endpoint(out, &dev->out[i]);
		print_endpoint(out, &dev->in[i]);
	}
	if (program->kind->stats)
		program->kind->stats(&program->dev, out);
	(void)fputc('\n', out);
	(void)fflush(out);
}

static void report(struct program *program)
{
	char name[256];
	FILE *file;

	print_stats(program, stdout);
	if (!program->stats_path)
		return;
	(void)snprintf(name, sizeof(name), "%s.new", program->stats_path);
	file = fopen(name, "we");
	if (!file)
		return;
	print_stats(program, file);
	(void)fclose(file);
	(void)rename(name, program->stats_path);
}

static int plug_in(struct program *program)
{
	int fd = vhci_attach(&program->port, program->speed);

	if (fd < 0) {
		say("ERROR cannot attach: %s", strerror(-fd));
		return fd;
	}
	program->inbox.len = 0;
	program->inbox.early_count = 0;
	program->attached = true;
	program->addressed = false;
	device_connected(&program->dev, fd);
	say("ATTACHED port=%d device=%s", program->port.number, program->port.path);
	return 0;
}

/* Closes the socket: a surprise unplug, unless vhci_detach() has detached the device first. */
static void pull_out(struct program *program, bool orderly)
{
	if (!program->attached)
		return;
	if (orderly)
		vhci_detach(&program->port);
	else if (program->port.kmsg >= 0)
		(void)close(program->port.kmsg);
	(void)close(program->dev.fd);
	program->dev.fd = -1;
	program->port.kmsg = -1;
	program->attached = false;
	say("%s", orderly ? "DETACHED" : "UNPLUGGED");
}

static void replug(struct program *program, unsigned ms)
{
	pull_out(program, false);
	program->dev.leaves = false;
	program->replug_ns = now_ns() + (uint64_t)ms * 1000000u;
}

static void command(struct program *program, const char *line)
{
	unsigned ms = 0;

	if (strcmp(line, "stats") == 0) {
		report(program);
	} else if (strcmp(line, "reset-counts") == 0) {
		memset(&program->dev.counts, 0, sizeof(program->dev.counts));
		say("DONE %s", line);
	} else if (strcmp(line, "unplug") == 0) {
		pull_out(program, false);
	} else if (strcmp(line, "detach") == 0) {
		pull_out(program, true);
	} else if (strcmp(line, "quit") == 0) {
		program->ending = true;
	} else if (strcmp(line, "replug") == 0 || sscanf(line, "replug %u", &ms) == 1) {
		replug(program, ms);
	} else if (program->kind->command &&
		   program->kind->command(&program->dev, line)) {
		say("DONE %s", line);
	} else {
		say("ERROR unknown command: %s", line);
	}
}

static void read_commands(struct program *program)
{
	static char text[1024];
	static size_t have;
	ssize_t n = read(program->control_fd, text + have, sizeof(text) - 1 - have);
	char *line = text, *end;

	if (n <= 0)
		return;
	have += (size_t)n;
	text[have] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		command(program, line);
		line = end + 1;
	}
	have -= (size_t)(line - text);
	memmove(text, line, have);
	if (have == sizeof(text) - 1)
		have = 0;
}

/* The first address belongs to enumeration, each later one to a reset. */
static void note_addresses(struct program *program)
{
	for (unsigned n = vhci_addressed(&program->port); n > 0; n--) {
		if (program->addressed)
			device_reset(&program->dev);
		program->addressed = true;
	}
}

static void receive(struct program *program)
{
	int r = usbip_receive(&program->dev, &program->inbox);

	if (r == 0 || r == -EAGAIN)
		return;
	if (r != -EPIPE && r != -ECONNRESET)
		say("ERROR socket: %s", strerror(-r));
	program->dev.gone = true;
}

/* Waits for the next event and handles it. */
static void turn(struct program *program)
{
	enum { SIGNAL, CONTROL, KMSG, SOCKET, COUNT };
	struct pollfd fds[COUNT] = {
		[SIGNAL] = {.fd = program->signal_fd, .events = POLLIN},
		[CONTROL] = {.fd = program->control_fd, .events = POLLIN},
		[KMSG] = {.fd = program->attached ? program->port.kmsg : -1,
			  .events = POLLIN},
		[SOCKET] = {.fd = program->attached ? program->dev.fd : -1,
			    .events = POLLIN},
	};
	uint64_t next = program->attached ? device_run(&program->dev) : UINT64_MAX;
	uint64_t now = now_ns();
	struct timespec wait;

	if (program->replug_ns)
		next = MIN_OF(next, program->replug_ns);
	next = next > now ? next - now : 0;
	wait.tv_sec = (time_t)MIN_OF(next / 1000000000u, 3600u);
	wait.tv_nsec = (long)(next % 1000000000u);
	if (ppoll(fds, COUNT, &wait, NULL) < 0)
		return;
	if (fds[SIGNAL].revents)
		program->ending = true;
	if (program->replug_ns && program->replug_ns <= now_ns()) {
		program->replug_ns = 0;
		/* use the same port, after the kernel has released it */
		if (!vhci_is_free(&program->port))
			program->replug_ns = now_ns() + REPLUG_AGAIN_NS;
		else if (plug_in(program) < 0)
			program->ending = true;
		return;
	}
	if (fds[KMSG].revents)
		note_addresses(program);
	if (fds[SOCKET].revents)
		receive(program);
	if (fds[CONTROL].revents)
		read_commands(program);
	if (program->attached && program->dev.leaves)
		replug(program, BECOME_MS);
	if (program->attached && program->dev.gone) {
		say("CLOSED by the kernel");
		pull_out(program, false);
		program->ending = program->ending || !program->stay;
	}
}

static int pick_speed(struct program *program, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(SPEEDS); i++) {
		if (strcmp(SPEEDS[i].name, name) == 0) {
			program->speed = SPEEDS[i].speed;
			return 0;
		}
	}
	return -EINVAL;
}

static int pick_kind(struct program *program, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		if (strcmp(KINDS[i]->name, name) == 0) {
			program->kind = KINDS[i];
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_option(struct program *program, int letter)
{
	switch (letter) {
	case 'k':
		return pick_kind(program, optarg);
	case 's':
		return pick_speed(program, optarg);
	case 'n':
		program->serial = optarg;
		return 0;
	case 'i':
		program->id = optarg;
		return 0;
	case 'c':
		program->control_path = optarg;
		return 0;
	case 'f':
		program->stats_path = optarg;
		return 0;
	case 'o':
		if (program->option_count == OPTIONS_MAX)
			return -E2BIG;
		program->options[program->option_count++] = optarg;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse(struct program *program, int argc, char **argv)
{
	static const struct option longs[] = {
		{"kind", 1, NULL, 'k'},    {"speed", 1, NULL, 's'},
		{"serial", 1, NULL, 'n'},  {"id", 1, NULL, 'i'},
		{"control", 1, NULL, 'c'}, {"stats", 1, NULL, 'f'},
		{"option", 1, NULL, 'o'},  {"help", 0, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "k:s:n:i:c:f:o:h", longs, NULL)) != -1) {
		if (letter == 'h') {
			help();
			exit(0);
		}
		if (parse_option(program, letter) < 0) {
			(void)fprintf(stderr,
				      "vhci-device: wrong arguments, see --help\n");
			return -EINVAL;
		}
	}
	if (!program->kind || optind != argc) {
		(void)fprintf(stderr, "vhci-device: which kind? see --help\n");
		return -EINVAL;
	}
	return 0;
}

static int prepare(struct program *program)
{
	unsigned vendor, product;
	sigset_t set;
	int r;

	device_init(&program->dev, program->kind, program->speed, program->options);
	r = program->kind->init(&program->dev);
	if (r < 0) {
		say("ERROR %s: speed or options not supported: %s", program->kind->name,
		    strerror(-r));
		return r;
	}
	if (program->serial)
		program->dev.descr.strings[3] = program->serial;
	if (program->id && sscanf(program->id, "%x:%x", &vendor, &product) == 2) {
		put_le16(program->dev.descr.device + 8, (uint16_t)vendor);
		put_le16(program->dev.descr.device + 10, (uint16_t)product);
	}
	program->control_fd = -1;
	if (program->control_path) {
		(void)unlink(program->control_path);
		if (mkfifo(program->control_path, 0600) < 0)
			return -errno;
		program->control_fd = open(program->control_path, O_RDWR | O_CLOEXEC);
		program->stay = true;
	}
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	program->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return program->signal_fd < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	static struct program program = {.speed = USB_SPEED_HIGH, .port.kmsg = -1};

	if (parse(&program, argc, argv) < 0)
		return 2;
	if (prepare(&program) < 0 || plug_in(&program) < 0)
		return 1;
	while (!program.ending)
		turn(&program);
	pull_out(&program, true);
	report(&program);
	if (program.control_path)
		(void)unlink(program.control_path);
	device_finish(&program.dev);
	free(program.inbox.bytes);
	return 0;
}
